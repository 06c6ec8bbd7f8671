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
#include <lamina/schedule/slots.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// stream[first_row + i] = E[tokens[i]] · scale
inline void embed_tokens(const Pass& pass, const WeightMatrix& embedding, std::span<const TokenId> tokens,
                         std::uint32_t first_row, float scale) noexcept {
  pass.team.split(static_cast<std::uint32_t>(tokens.size()), rows_per_share,
                  [&](IndexRange range, std::uint32_t) noexcept {
                    for (std::size_t i = range.first; i < range.first + range.count; ++i) {
                      pass.linear.embed_row(embedding, tokens[i], scale,
                                            pass.work.stream + (first_row + i) * pass.hidden);
                    }
                  });
}

/// ple_l = (RMS(W_p x0 · D^(-1/2); g) + T[token]_l · sqrt(P)) · 2^(-1/2) for the rows of `tokens` and every
/// layer l.
///
/// Requires  `embed_tokens` has filled the same rows; `project_per_layer_inputs` has run for all rows
inline void mix_per_layer_inputs(const Pass& pass, const GlobalWeights& weights,
                                 std::span<const TokenId> tokens, std::uint32_t first_row,
                                 std::uint32_t width) noexcept {
  const std::size_t floats = pass.per_layer_floats;
  const float context_scale = 1.0F / std::sqrt(static_cast<float>(pass.hidden));
  const float token_scale = std::sqrt(static_cast<float>(width));
  const float half_root = std::sqrt(0.5F);
  pass.team.split(static_cast<std::uint32_t>(tokens.size()), rows_per_share,
                  [&](IndexRange range, std::uint32_t part) HWY_ATTR {
                    float* token_row = pass.work.table_rows + part * floats;
                    for (std::size_t i = range.first; i < range.first + range.count; ++i) {
                      float* row = pass.work.per_layer + (first_row + i) * floats;
                      pass.linear.embed_row(weights.per_layer_embedding, tokens[i], token_scale, token_row);
                      scale(row, floats, context_scale);
                      for (std::size_t at = 0; at < floats; at += width) {
                        rms_norm(row + at, weights.per_layer_norm.f32(), row + at, width, pass.epsilon);
                      }
                      add(row, token_row, floats);
                      scale(row, floats, half_root);
                    }
                  });
}

/// per_layer = W_p x0 for all rows, [rows, layers, P].
inline void project_per_layer_inputs(const Pass& pass, const GlobalWeights& weights) noexcept {
  ProductInput input(pass, pass.work.codes, pass.work.stream, pass.rows, pass.hidden, pass.hidden);
  multiply(pass, input, {{weights.per_layer_projection, pass.work.per_layer, pass.per_layer_floats}});
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
