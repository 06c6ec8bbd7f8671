// SPDX-License-Identifier: Apache-2.0
// The soft cap of a row of logits, cap · tanh(z / cap).
// Source: text-decoder.md §2.8 (soft cap).

#if defined(LAMINA_ROWS_SOFT_CAP_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_ROWS_SOFT_CAP_INL_HPP
#undef LAMINA_ROWS_SOFT_CAP_INL_HPP
#else
#define LAMINA_ROWS_SOFT_CAP_INL_HPP
#endif

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

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
