// SPDX-License-Identifier: Apache-2.0
// Softmax, log-sum-exp and soft cap of rows of logits.
// Source: text-decoder.md §2.8 (soft cap).

#if defined(LAMINA_KERNELS_SOFTMAX_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_SOFTMAX_INL_HPP
#undef LAMINA_KERNELS_SOFTMAX_INL_HPP
#else
#define LAMINA_KERNELS_SOFTMAX_INL_HPP
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <lamina/simd/prelude.hpp>
#include <lamina/rows/elementwise-inl.hpp>

#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Replaces every z by cap · tanh(z / cap). An element's bits do not depend on its place or on n. Returns
/// whether all were finite, before and after: the cap makes a number of an infinity.
///
/// Shapes    z [n] in place
/// Requires  cap > 0
HWY_INLINE bool soft_cap(float* z, std::size_t n, float cap) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, cap);
  auto nothing = hn::Zero(d);  // 0 · z is 0, or NaN
  std::size_t i = 0;
  for (; n - i >= lanes; i += lanes) {
    const auto whole = hn::LoadU(d, z + i);
    const auto capped = hn::Mul(hn::Tanh(d, hn::Div(whole, factor)), factor);
    nothing = hn::MulAdd(hn::Add(whole, capped), hn::Zero(d), nothing);
    hn::StoreU(capped, d, z + i);
  }
  if (i < n) {
    const auto part = load_part(d, z + i, n - i);
    const auto capped = hn::Mul(hn::Tanh(d, hn::Div(part, factor)), factor);
    nothing = hn::MulAdd(hn::Add(part, capped), hn::Zero(d), nothing);
    store_part(capped, d, z + i, n - i);
  }
  return hn::GetLane(hn::SumOfLanes(d, nothing)) == 0.0F;
}

/// Returns the largest of z [n], n > 0.
HWY_INLINE float largest_of(const float* z, std::size_t n) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  float largest = z[0];
  if (n >= lanes) {
    auto most = hn::LoadU(d, z);
    for (i = lanes; n - i >= lanes; i += lanes) most = hn::Max(most, hn::LoadU(d, z + i));
    largest = hn::GetLane(hn::MaxOfLanes(d, most));
  }
  for (; i < n; ++i) largest = std::max(largest, z[i]);
  return largest;
}

namespace detail {

/// Returns Σ exp(z - largest), and writes the terms to `terms` [n] unless null. A NaN stays one, and so does
/// the difference of two infinities; `Exp` alone makes 0 of it.
HWY_INLINE float sum_of_powers(const float* z, std::size_t n, float largest, float* terms) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto shift = hn::Set(d, largest);
  auto sum = hn::Zero(d);
  std::size_t i = 0;
  for (; n - i >= lanes; i += lanes) {
    const auto difference = hn::Sub(hn::LoadU(d, z + i), shift);
    const auto term = hn::IfThenElse(hn::IsNaN(difference), difference, hn::Exp(d, difference));
    sum = hn::Add(sum, term);
    if (terms != nullptr) hn::StoreU(term, d, terms + i);
  }
  if (i < n) {
    const auto live = hn::FirstN(d, n - i);
    const auto difference = hn::Sub(load_part(d, z + i, n - i), shift);
    const auto power = hn::IfThenElse(hn::IsNaN(difference), difference, hn::Exp(d, difference));
    const auto term = hn::IfThenElseZero(live, power);
    sum = hn::Add(sum, term);
    if (terms != nullptr) store_part(term, d, terms + i, n - i);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

}  // namespace detail

/// Replaces z by exp(z) / Σ exp(z), computed from differences to the largest element.
///
/// Shapes    z [n] in place, n > 0
HWY_INLINE void softmax(float* z, std::size_t n) noexcept {
  const float sum = detail::sum_of_powers(z, n, largest_of(z, n), z);
  scale(z, n, 1.0F / sum);
}

/// Returns log Σ exp(z), computed from differences to the largest element.
///
/// Shapes    z [n], n > 0
HWY_INLINE float log_sum_exp(const float* z, std::size_t n) noexcept {
  const float largest = largest_of(z, n);
  return largest + std::log(detail::sum_of_powers(z, n, largest, nullptr));
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
