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
#include <lamina/kernels/elementwise-inl.hpp>

#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Replaces every z by cap · tanh(z / cap). An element's bits do not depend on its place or on n.
///
/// Shapes    z [n] in place
/// Requires  cap > 0
HWY_INLINE void soft_cap(float* z, std::size_t n, float cap) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, cap);
  std::size_t i = 0;
  for (; n - i >= lanes; i += lanes) {
    hn::StoreU(hn::Mul(hn::Tanh(d, hn::Div(hn::LoadU(d, z + i), factor)), factor), d, z + i);
  }
  if (i < n) {
    const auto part = load_part(d, z + i, n - i);
    store_part(hn::Mul(hn::Tanh(d, hn::Div(part, factor)), factor), d, z + i, n - i);
  }
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

/// Returns Σ exp(z - largest), and writes the terms to `terms` [n] unless null.
HWY_INLINE float sum_of_powers(const float* z, std::size_t n, float largest, float* terms) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto shift = hn::Set(d, largest);
  auto sum = hn::Zero(d);
  std::size_t i = 0;
  for (; n - i >= lanes; i += lanes) {
    const auto term = hn::Exp(d, hn::Sub(hn::LoadU(d, z + i), shift));
    sum = hn::Add(sum, term);
    if (terms != nullptr) hn::StoreU(term, d, terms + i);
  }
  if (i < n) {
    const auto live = hn::FirstN(d, n - i);
    const auto term = hn::IfThenElseZero(live, hn::Exp(d, hn::Sub(load_part(d, z + i, n - i), shift)));
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
