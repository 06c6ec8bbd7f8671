// SPDX-License-Identifier: Apache-2.0
// Token embeddings and per-layer inputs, before the first layer.
// Source: text-decoder.md §2.1, §2.2.
#if defined(LAMINA_LAYERS_EMBEDDING_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LAYERS_EMBEDDING_INL_HPP
#undef LAMINA_LAYERS_EMBEDDING_INL_HPP
#else
#define LAMINA_LAYERS_EMBEDDING_INL_HPP
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <lamina/blocks/interleave.hpp>
#include <lamina/core/types.hpp>
#include <lamina/rows/elementwise-inl.hpp>
#include <lamina/rows/norm-inl.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/products.hpp>
#include <lamina/pass/rows.hpp>
#include <lamina/schedule/slots.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// x = E[token] · scale, or the embedding that stands in its place as it is (vision.md §5.3), in
/// `work.stream` [T, D]: T rows, D hidden.
inline void embed_tokens(const Pass& pass, const WeightMatrix& embedding, float scale) noexcept {
  pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) noexcept {
    for (std::size_t i = range.first; i < range.first + range.count; ++i) {
      const PassRow& row = pass.row(i);
      float* out = pass.work.stream + i * pass.hidden;
      if (row.embedding != nullptr) {
        std::copy_n(row.embedding, pass.hidden, out);
      } else {
        pass.linear.embed_row(embedding, row.token, 0, pass.hidden, scale, out);
      }
    }
  });
}

/// ple_l = (RMS(c · D^(-1/2); g) + E_l[token] · sqrt(P)) · 2^(-1/2) in place of c [rows, L, P], of the L
/// layers whose floats are `part` of each row, P = `width`. Rows that the pass has fetched are the last
/// fetch's.
inline void add_token_embeddings(const Pass& pass, const GlobalWeights& weights, IndexRange rows,
                                 IndexRange part, std::uint32_t width) noexcept {
  const float context_scale = 1.0F / std::sqrt(static_cast<float>(pass.hidden));
  const float token_scale = std::sqrt(static_cast<float>(width));
  const float half_root = std::sqrt(0.5F);
  float* out = pass.work.per_layer + part.first;
  pass.team.split(rows.count, rows_per_share, [&](IndexRange range, std::uint32_t thread) HWY_ATTR {
    float* token_row = pass.work.table_rows + thread * std::size_t{pass.per_layer_floats};
    bool finite = true;
    for (std::uint32_t i = range.first; i < range.first + range.count; ++i) {
      float* row = out + std::size_t{rows.first + i} * pass.per_layer_floats;
      const bool is_fetched = pass.table != nullptr;
      const WeightMatrix table = is_fetched ? pass.table->row(i) : weights.per_layer_embedding;
      const TokenId token = is_fetched ? 0 : pass.row(rows.first + i).token;
      pass.linear.embed_row(table, token, part.first, part.count, token_scale,
                            token_row);       // e = E_l[token] · sqrt(P) [L P]
      scale(row, part.count, context_scale);  // c · D^(-1/2) [L P]
      for (std::size_t at = 0; at < part.count; at += width) {
        // RMS(·) [P]
        finite &= rms_norm(row + at, weights.per_layer_norm.f32(), row + at, width, pass.epsilon);
      }
      add(row, token_row, part.count);    // · + e [L P]
      scale(row, part.count, half_root);  // ple = (·) · 2^(-1/2) [L P]
    }
    if (!finite) pass.report_not_finite(PassFault::inside);
  });
}

/// ple_l = (RMS(W_p x · D^(-1/2); g) + E_l[token] · sqrt(P)) · 2^(-1/2) [T, L, P]: of T = `rows` rows, of the
/// L layers whose floats are `part` of each row, P = `width`.
inline void embed_per_layer_part(const Pass& pass, const GlobalWeights& weights, std::uint32_t rows,
                                 IndexRange part, std::uint32_t width) noexcept {
  float* out = pass.work.per_layer + part.first;
  ProductInput input(pass, pass.work.codes, pass.work.stream, rows, pass.hidden, pass.hidden);
  const Linear projection = weights.per_layer_projection.slice(part.first, part.count);
  multiply(pass, input, {{projection, out, pass.per_layer_floats}});  // c = W_p x [T, L P]

  // Rows that are read from disk come in parts of as many as there is room for.
  const std::uint32_t step = pass.table != nullptr ? pass.table->most_rows() : rows;
  for (std::uint32_t first = 0; first < rows; first += step) {
    const std::uint32_t count = std::min(step, rows - first);
    const auto token_of = [&](std::uint32_t i) { return pass.row(first + i).token; };
    if (pass.table != nullptr && !pass.table->fetch(pass.team, count, token_of))
      return pass.report_not_read();
    add_token_embeddings(pass, weights, {first, count}, part, width);
  }
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
  const Linear& projection = weights.per_layer_projection;
  const bool is_cut = readers.first % block != 0 ||
                      (projection.packing == Packing::interleaved &&
                       readers.first % order_of(projection, pass.linear.interleave_height).slab_rows() != 0);
  const bool some_stop = pass.wanted < pass.rows && readers.count > 0 && pass.observer == nullptr && !is_cut;
  embed_per_layer_part(pass, weights, pass.rows, some_stop ? owners : all, width);
  if (some_stop && pass.wanted > 0) embed_per_layer_part(pass, weights, pass.wanted, readers, width);
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
