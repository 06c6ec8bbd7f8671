// SPDX-License-Identifier: Apache-2.0
// Attention of one query over its last few rows, with a row for every distance and capped scores.
// Source: audio.md §3.6.

#if defined(LAMINA_ATTENTION_ATTEND_RELATIVE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_ATTENTION_ATTEND_RELATIVE_INL_HPP
#undef LAMINA_ATTENTION_ATTEND_RELATIVE_INL_HPP
#else
#define LAMINA_ATTENTION_ATTEND_RELATIVE_INL_HPP
#endif

#include <algorithm>
#include <cstddef>

#include <lamina/rows/elementwise-inl.hpp>
#include <lamina/rows/soft_cap-inl.hpp>
#include <lamina/simd/prelude.hpp>

#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Keys and values of one head, from the first row that the query sees to the query's own.
struct RelativeKeys {
  const float* keys;      ///< [count, d], `stride` floats between rows
  const float* values;    ///< likewise
  const float* distance;  ///< [count, d], `distance_stride` between rows: the row of distance 0 first
  std::size_t stride;
  std::size_t distance_stride;
  std::size_t count;
};

namespace detail {

/// key_scale · (q · key) + q · distance.
HWY_INLINE float relative_score(const float* HWY_RESTRICT q, const float* HWY_RESTRICT key,
                                const float* HWY_RESTRICT distance, float key_scale, std::size_t n) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto content = hn::Zero(d);
  auto place = hn::Zero(d);
  std::size_t i = 0;
  for (const std::size_t end = n - n % lanes; i < end; i += lanes) {
    const auto query = hn::LoadU(d, q + i);
    content = hn::MulAdd(query, hn::LoadU(d, key + i), content);
    place = hn::MulAdd(query, hn::LoadU(d, distance + i), place);
  }
  if (i < n) {
    const auto query = load_part(d, q + i, n - i);
    content = hn::MulAdd(query, load_part(d, key + i, n - i), content);
    place = hn::MulAdd(query, load_part(d, distance + i, n - i), place);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::MulAdd(content, hn::Set(d, key_scale), place)));
}

/// Makes weights that sum to 1 of scores, in place.
HWY_INLINE void softmax_few(float* scores, std::size_t n) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto largest = hn::Set(d, *std::max_element(scores, scores + n));
  std::size_t i = 0;
  for (const std::size_t end = n - n % lanes; i < end; i += lanes) {
    hn::StoreU(hn::Exp(d, hn::Sub(hn::LoadU(d, scores + i), largest)), d, scores + i);
  }
  if (i < n) store_part(hn::Exp(d, hn::Sub(load_part(d, scores + i, n - i), largest)), d, scores + i, n - i);
  float sum = 0.0F;
  for (std::size_t j = 0; j < n; ++j) sum += scores[j];
  scale(scores, n, 1.0F / sum);
}

}  // namespace detail

/// Attends with one head of one row: out = Σ_j softmax_j(cap · tanh(s_j / cap)) · value_j,
/// s_j = key_scale · (q · key_j) + q · distance_row(j).
///
/// Shapes    q [n], scaled · out [n]
/// Requires  0 < rows.count <= most_rows; out overlaps nothing
/// Effects   returns whether all scores were finite: the cap makes numbers of infinities
template <std::size_t most_rows>
HWY_INLINE bool attend_relative(const float* q, const RelativeKeys& rows, float key_scale, float cap,
                                float* out, std::size_t n) noexcept {
  float scores[most_rows];
  for (std::size_t j = 0; j < rows.count; ++j) {
    scores[j] =
        detail::relative_score(q, rows.keys + j * rows.stride,
                               rows.distance + (rows.count - 1 - j) * rows.distance_stride, key_scale, n);
  }
  const bool finite = soft_cap(scores, rows.count, cap);
  detail::softmax_few(scores, rows.count);
  std::fill_n(out, n, 0.0F);
  for (std::size_t j = 0; j < rows.count; ++j) multiply_add(out, rows.values + j * rows.stride, scores[j], n);
  return finite;
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
