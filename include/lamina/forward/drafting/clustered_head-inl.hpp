// SPDX-License-Identifier: Apache-2.0
// The head of drafters that give logits to the tokens of the best clusters only.
// Source: mtp-assistant.md §3.4.
#if defined(LAMINA_FORWARD_CLUSTERED_HEAD_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_FORWARD_CLUSTERED_HEAD_INL_HPP
#undef LAMINA_FORWARD_CLUSTERED_HEAD_INL_HPP
#else
#define LAMINA_FORWARD_CLUSTERED_HEAD_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <lamina/core/config.hpp>
#include <lamina/core/types.hpp>
#include <lamina/formats/linear.hpp>
#include <lamina/linear/linear.hpp>
#include <lamina/forward/drafting/token_clusters.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/products.hpp>
#include <lamina/simd/prelude.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// Puts the numbers of the `selected.size()` largest of `scores` into `selected`, in rising order; of equal
/// ones the first. `order` is scratch, [scores.size()].
inline void select_clusters(std::span<const float> scores, std::span<std::uint32_t> order,
                            std::span<std::uint32_t> selected) noexcept {
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(selected.size() - 1),
                   order.end(), [&](std::uint32_t a, std::uint32_t b) {
                     return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
                   });
  std::copy_n(order.begin(), selected.size(), selected.begin());
  std::sort(selected.begin(), selected.end());
}

/// Rows of the embedding that are multiplied together.
inline constexpr std::uint32_t gathered_rows = matmul_row_step;

/// Tokens of the clusters `selected` and their logits E[token] · u of one row. E is stored row by row, and
/// the tokens of a cluster lie anywhere in it: they are gathered first, for products of single rows take as
/// long as those of a vector's.
///
/// Shapes    u [D] · ids, logits [selected · tokens of a cluster] · gathered [threads, gathered_bytes], room
///           for `gathered_rows` rows each
inline void clustered_logits(const Pass& pass, const Linear& embedding, const TokenClusters& clusters,
                             std::span<const std::uint32_t> selected, const float* u, TokenId* ids,
                             float* logits, std::byte* gathered, std::size_t gathered_bytes) noexcept {
  LAMINA_DCHECK(embedding.packing == Packing::rows);
  ProductInput input(pass, pass.work.codes, u, 1, pass.hidden, pass.hidden);
  const ActivationRows& x = input.rows_for(embedding);
  const auto size = static_cast<std::uint32_t>(clusters.of(0).size());
  const std::size_t row_bytes = embedding.bytes_per_row();
  const auto total = static_cast<std::uint32_t>(selected.size()) * size;
  pass.team.split(total, 4 * gathered_rows, [&](IndexRange range, std::uint32_t part) noexcept {
    const std::span scratch(pass.work.products + part * pass.work.product_bytes, pass.work.product_bytes);
    WeightMatrix rows = embedding;
    std::byte* memory = gathered + part * gathered_bytes;
    rows.data = memory;
    for (std::uint32_t first = range.first; first < range.first + range.count; first += rows.rows) {
      rows.rows = std::min(gathered_rows, range.first + range.count - first);
      for (std::uint32_t i = 0; i < rows.rows; ++i) {
        const TokenId id = clusters.of(selected[(first + i) / size])[(first + i) % size];
        ids[first + i] = id;
        std::memcpy(memory + i * row_bytes, embedding.row(id), row_bytes);
      }
      pass.linear.matmul(rows, x, pass.precision, logits + first, rows.rows, 0, rows.rows, scratch);
    }
  });
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
