// SPDX-License-Identifier: Apache-2.0
// Token embeddings and per-layer inputs, before the first layer.
// Source: text-decoder.md §2.1, §2.2.
#if defined(LAMINA_LAYERS_EMBEDDING_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LAYERS_EMBEDDING_INL_HPP
#undef LAMINA_LAYERS_EMBEDDING_INL_HPP
#else
#define LAMINA_LAYERS_EMBEDDING_INL_HPP
#endif

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/types.hpp>
#include <lamina/kernels/elementwise-inl.hpp>
#include <lamina/kernels/norm-inl.hpp>
#include <lamina/layers/pass.hpp>
#include <lamina/layers/products.hpp>
#include <lamina/layers/rows.hpp>
#include <lamina/schedule/slots.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// stream = E[token] · scale for all rows.
inline void embed_tokens(const Pass& pass, const WeightMatrix& embedding, float scale) noexcept {
  for (const RowRun& run : pass.runs) {
    pass.team.split(run.rows, rows_per_share, [&](IndexRange range, std::uint32_t) noexcept {
      for (std::size_t i = range.first; i < range.first + range.count; ++i) {
        pass.linear.embed_row(embedding, run.tokens[i], 0, pass.hidden, scale,
                              pass.work.stream + (run.first_row + i) * pass.hidden);
      }
    });
  }
}

/// Per-layer inputs of some rows, for some layers.
struct PerLayerPart {
  IndexRange rows;
  IndexRange floats;  ///< of each row: whole layers
};

/// per_layer = W_p x0, [rows, layers, P].
inline void project_per_layer_inputs(const Pass& pass, const GlobalWeights& weights,
                                     const PerLayerPart& part) noexcept {
  const float* stream = pass.work.stream + std::size_t{part.rows.first} * pass.hidden;
  float* out = pass.work.per_layer + std::size_t{part.rows.first} * pass.per_layer_floats + part.floats.first;
  ProductInput input(pass, pass.work.codes, stream, part.rows.count, pass.hidden, pass.hidden);
  multiply(pass, input,
           {{weights.per_layer_projection.slice(part.floats.first, part.floats.count), out,
             pass.per_layer_floats}});
}

/// ple_l = (RMS(W_p x0 · D^(-1/2); g) + T[token]_l · sqrt(P)) · 2^(-1/2) for a part whose rows have `tokens`.
///
/// Requires  `project_per_layer_inputs` has run for it
inline void mix_per_layer_inputs(const Pass& pass, const GlobalWeights& weights,
                                 std::span<const TokenId> tokens, const PerLayerPart& part,
                                 std::uint32_t width) noexcept {
  const float context_scale = 1.0F / std::sqrt(static_cast<float>(pass.hidden));
  const float token_scale = std::sqrt(static_cast<float>(width));
  const float half_root = std::sqrt(0.5F);
  const std::uint32_t first = part.floats.first;
  const std::uint32_t count = part.floats.count;
  pass.team.split(part.rows.count, rows_per_share, [&](IndexRange range, std::uint32_t thread) HWY_ATTR {
    float* token_row = pass.work.table_rows + thread * std::size_t{pass.per_layer_floats};
    bool finite = true;
    for (std::size_t i = range.first; i < range.first + range.count; ++i) {
      float* row = pass.work.per_layer + (part.rows.first + i) * pass.per_layer_floats + first;
      pass.linear.embed_row(weights.per_layer_embedding, tokens[i], first, count, token_scale, token_row);
      scale(row, count, context_scale);
      for (std::size_t at = 0; at < count; at += width) {
        finite &= rms_norm(row + at, weights.per_layer_norm.f32(), row + at, width, pass.epsilon);
      }
      add(row, token_row, count);
      scale(row, count, half_root);
    }
    if (!finite) pass.report_not_finite(PassFault::inside);
  });
}

/// Per-layer inputs, after `embed_tokens`. Rows that stop after the last KV owner get those of the layers
/// before `first_reader` only (§2.4.3), unless somebody observes them or what is stored together would be
/// cut.
inline void embed_per_layer_inputs(const Pass& pass, const GlobalWeights& weights, std::uint32_t width,
                                   std::uint32_t first_reader) noexcept {
  const IndexRange all{0, pass.per_layer_floats};
  const IndexRange owners{0, first_reader * width};
  const IndexRange readers{owners.count, all.count - owners.count};
  const std::uint32_t block = info_of(weights.per_layer_embedding.format).block_elements;
  const bool is_cut =
      readers.first % block != 0 || (weights.per_layer_projection.packing == Packing::interleaved &&
                                     readers.first % pass.linear.interleave_height != 0);
  const bool some_stop = has_unwanted_rows(pass) && readers.count > 0 && pass.observer == nullptr && !is_cut;
  const IndexRange of_all_rows = some_stop ? owners : all;
  project_per_layer_inputs(pass, weights, {{0, pass.rows}, of_all_rows});
  for (const RowRun& run : pass.runs) {
    mix_per_layer_inputs(pass, weights, run.tokens, {{run.first_row, run.rows}, of_all_rows}, width);
  }
  if (!some_stop) return;
  for (const RowRun& run : pass.runs) {
    if (run.wanted == 0) continue;
    const PerLayerPart part{{run.first_row + run.rows - run.wanted, run.wanted}, readers};
    project_per_layer_inputs(pass, weights, part);
    mix_per_layer_inputs(pass, weights, run.tokens.last(run.wanted), part, width);
  }
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
