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
#include <span>

#include <lamina/core/types.hpp>
#include <lamina/formats/linear.hpp>
#include <lamina/forward/drafting/token_clusters.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/simd/prelude.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Σ a[i] b[i], in one fixed order.
HWY_INLINE float dot_of(const float* a, const float* b, std::size_t n) noexcept {
  const hn::ScalableTag<float> d;
  auto sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d))
    sum = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum);
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < n; ++i) total += a[i] * b[i];
  return total;
}

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

/// Tokens of the clusters `selected` and their logits E[token] · u.
///
/// Shapes    u [D] · ids, logits [selected · tokens of a cluster] · rows [threads, D] scratch
inline void clustered_logits(const Pass& pass, const WeightMatrix& embedding, const TokenClusters& clusters,
                             std::span<const std::uint32_t> selected, const float* u, TokenId* ids,
                             float* logits, float* rows) noexcept {
  const auto size = static_cast<std::uint32_t>(clusters.of(0).size());
  constexpr std::uint32_t grain = 256;  // rows a thread takes at least: some ten microseconds of work
  const auto total = static_cast<std::uint32_t>(selected.size()) * size;
  pass.team.split(total, grain, [&](IndexRange range, std::uint32_t part) HWY_ATTR {
    float* row = rows + std::size_t{part} * pass.hidden;
    for (std::uint32_t i = range.first; i < range.first + range.count; ++i) {
      ids[i] = clusters.of(selected[i / size])[i % size];
      pass.linear.embed_row(embedding, ids[i], 0, pass.hidden, 1.0F, row);
      logits[i] = dot_of(row, u, pass.hidden);
    }
  });
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
