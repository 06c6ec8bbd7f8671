// SPDX-License-Identifier: Apache-2.0
// Layer normalisation: out = w ⊙ (x - mean(x)) · (mean((x - mean(x))²) + ε)^(-1/2) + b.
// Source: vision.md §3U. The variance takes a second pass: of rows that are almost flat, mean(x²) - mean(x)²
// would leave nothing.

#if defined(LAMINA_ROWS_LAYER_NORM_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_ROWS_LAYER_NORM_INL_HPP
#undef LAMINA_ROWS_LAYER_NORM_INL_HPP
#else
#define LAMINA_ROWS_LAYER_NORM_INL_HPP
#endif

#include <cmath>
#include <cstddef>

#include <lamina/rows/norm-inl.hpp>
#include <lamina/simd/prelude.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Returns mean(x).
///
/// Shapes    x [n], n > 0
HWY_INLINE float mean_of(const float* x, std::size_t n) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto sum0 = hn::Zero(d);
  auto sum1 = hn::Zero(d);
  std::size_t i = 0;
  for (const std::size_t end = n - n % (2 * lanes); i < end; i += 2 * lanes) {
    sum0 = hn::Add(sum0, hn::LoadU(d, x + i));
    sum1 = hn::Add(sum1, hn::LoadU(d, x + i + lanes));
  }
  for (const std::size_t end = n - n % lanes; i < end; i += lanes) sum0 = hn::Add(sum0, hn::LoadU(d, x + i));
  if (i < n) sum1 = hn::Add(sum1, load_part(d, x + i, n - i));
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1))) / static_cast<float>(n);
}

/// Normalises one vector in place; returns whether it was finite.
///
/// Shapes    x [n] · weight [n] · bias [n] or null (none)
HWY_INLINE bool layer_norm(float* x, const float* weight, const float* bias, std::size_t n,
                           float epsilon) noexcept {
  // Twice: of a row that is almost flat, what rounding the mean leaves over is much of what remains.
  for (int pass = 0; pass < 2; ++pass) {
    const float mean = mean_of(x, n);
    for (std::size_t i = 0; i < n; ++i) x[i] -= mean;
  }
  const float factor = inverse_rms(x, n, epsilon);  // NaN if an element is not finite
  apply_norm(x, weight, factor, x, n);
  if (bias != nullptr) add(x, bias, n);
  return !std::isnan(factor);
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
