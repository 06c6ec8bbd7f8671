// SPDX-License-Identifier: Apache-2.0
// The weights of a conformer layer, and what is made of them when it is bound: rows for distances, factors of
// the queries, the convolution's taps. Source: audio.md §3.4 to §3.7, §4.2 (what projector files hold
// ready-made).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>

#include <lamina/core/arena.hpp>
#include <lamina/layers/layer_weights.hpp>
#include <lamina/linear/linear.hpp>
#include <lamina/schedule/encoders/description.hpp>
#include <lamina/schedule/encoders/sound_slots.hpp>
#include <lamina/towers/encoder_weights.hpp>

namespace lamina {

template <class Attention, class Ffn, class Convolution>
struct LayerWeights<ConformerLayer<Attention, Ffn, Convolution>> {
  ConformerFfnWeights ffn;
  RelativeAttentionWeights attention;
  LightConvolutionWeights convolution;
  ConformerFfnWeights second_ffn;
  LayerNormWeights output;
};

/// Factor of the product of query and key: ln(1 + e) / ln 2. That of query and distance has none.
inline constexpr float relative_key_scale = 1.8946361239720115F;

/// Writes the row of a distance: sines of d · 10000^(-i / (n/2 - 1)), then cosines.
inline void distance_row(int distance, std::span<float> out) noexcept {
  const std::size_t half = out.size() / 2;
  const double step = half > 1 ? std::log(10000.0) / static_cast<double>(half - 1) : 0.0;
  for (std::size_t i = 0; i < half; ++i) {
    const double angle = distance * std::exp(-step * static_cast<double>(i));
    out[i] = static_cast<float>(std::sin(angle));
    out[half + i] = static_cast<float>(std::cos(angle));
  }
}

namespace detail {

inline void halve_post_norm(ConformerFfnWeights& weights, std::span<float> out) noexcept {
  const float* norm = weights.post_norm.f32();
  std::transform(norm, norm + out.size(), out.data(), [](float w) { return 0.5F * w; });
  weights.post_norm.data = reinterpret_cast<const std::byte*>(out.data());
}

/// Multiplies the rows of all distances with the layer's matrix, in float32 whatever the precision of passes.
///
/// Shapes    rows [distances, D] scratch · out [distances, H d]
template <std::uint32_t distances>
void project_distances(RelativeAttentionWeights& weights, const LinearKernels& linear, std::span<float> rows,
                       std::span<float> out) noexcept {
  const std::uint32_t hidden = weights.relative.columns;
  const std::uint32_t width = weights.relative.rows;
  for (std::uint32_t d = 0; d < distances; ++d) {
    distance_row(static_cast<int>(d), rows.subspan(std::size_t{d} * hidden, hidden));
  }
  alignas(arena_alignment) std::byte scratch[matmul_scratch_bytes(distances)];
  linear.matmul(weights.relative, {rows.data(), hidden, nullptr, distances, hidden}, Precision::exact,
                out.data(), width, 0, width, std::span(scratch));
  weights.distances = out.data();
}

/// q constant · softplus(per_dim_scale); projector files hold the softplus.
inline void scale_queries(RelativeAttentionWeights& weights, MediaLayout layout,
                          std::span<float> out) noexcept {
  const float* raw = weights.dim_scale.f32();
  const double factor = 1 / (std::sqrt(static_cast<double>(out.size())) * std::numbers::ln2);
  std::transform(raw, raw + out.size(), out.data(), [&](float value) {
    const double z = static_cast<double>(value);
    const double softplus = std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z)));
    return static_cast<float>(factor * (layout == MediaLayout::gguf ? z : softplus));
  });
  weights.query_scale = out.data();
}

inline void transpose_taps(LightConvolutionWeights& weights, std::span<float> out) noexcept {
  const std::size_t channels = weights.filters.rows;
  const std::size_t taps = weights.filters.columns;
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t k = 0; k < taps; ++k) out[k * channels + c] = weights.filters.f32()[c * taps + k];
  }
  weights.taps = out.data();
}

}  // namespace detail

template <class Attention, class Ffn, class Convolution>
struct LayerTables<ConformerLayer<Attention, Ffn, Convolution>> {
  std::span<float> post_norms[2];  ///< [D] each
  std::span<float> distance_rows;  ///< [distances, D], until they are projected
  std::span<float> distances;      ///< [distances, H d]
  std::span<float> query_scale;    ///< [d]
  std::span<float> taps;           ///< [K, D]

  static constexpr LayerTables take(const EncoderDims& dims, Arena& arena) noexcept {
    constexpr AttnShape shape = Attention::shape;
    const auto floats = [&](int count) { return arena.take<float>(static_cast<std::size_t>(count)); };
    LayerTables tables;
    for (auto& norm : tables.post_norms) norm = floats(dims.hidden);
    tables.distance_rows = floats(Attention::distances * dims.hidden);
    tables.distances = floats(Attention::distances * shape.heads * shape.head_dim);
    tables.query_scale = floats(shape.head_dim);
    tables.taps = floats(Convolution::taps * dims.hidden);
    return tables;
  }

  void fill(LayerWeights<ConformerLayer<Attention, Ffn, Convolution>>& weights, const EncoderSizes& sizes,
            const LinearKernels& linear) const noexcept {
    detail::halve_post_norm(weights.ffn, post_norms[0]);
    detail::halve_post_norm(weights.second_ffn, post_norms[1]);
    detail::project_distances<Attention::distances>(weights.attention, linear, distance_rows, distances);
    detail::scale_queries(weights.attention, sizes.layout, query_scale);
    detail::transpose_taps(weights.convolution, taps);
  }
};

}  // namespace lamina
