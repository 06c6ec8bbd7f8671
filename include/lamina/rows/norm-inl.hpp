// SPDX-License-Identifier: Apache-2.0
// Root-mean-square normalisation: out = w ⊙ x · (mean(x²) + ε)^(-1/2).
// Source: text-decoder.md §0 (the weight is w, not 1 + w; ε is inside the root), §5 (all in float32).

#if defined(LAMINA_KERNELS_NORM_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_NORM_INL_HPP
#undef LAMINA_KERNELS_NORM_INL_HPP
#else
#define LAMINA_KERNELS_NORM_INL_HPP
#endif

#include <cmath>
#include <cstddef>
#include <limits>

#include <lamina/simd/prelude.hpp>
#include <lamina/rows/elementwise-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Norms find damage: the sum of squares is finite only if every element is. They then return false and make
// the whole vector NaN, so that whoever does not ask still passes it on.

/// Returns (mean(x²) + epsilon)^(-1/2), the factor that all norms of one vector share; NaN if an element is
/// not finite, or the sum of the squares overflows.
///
/// Shapes    x [n], n > 0
/// Cost      reads x once
HWY_INLINE float inverse_rms(const float* x, std::size_t n, float epsilon) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  // 4 accumulators: FMA latency 4 at one load-bound FMA per cycle.
  auto sum0 = hn::Zero(d);
  auto sum1 = hn::Zero(d);
  auto sum2 = hn::Zero(d);
  auto sum3 = hn::Zero(d);
  std::size_t i = 0;
  for (const std::size_t end = n - n % (4 * lanes); i < end; i += 4 * lanes) {
    const auto x0 = hn::LoadU(d, x + i);
    const auto x1 = hn::LoadU(d, x + i + lanes);
    const auto x2 = hn::LoadU(d, x + i + 2 * lanes);
    const auto x3 = hn::LoadU(d, x + i + 3 * lanes);
    sum0 = hn::MulAdd(x0, x0, sum0);
    sum1 = hn::MulAdd(x1, x1, sum1);
    sum2 = hn::MulAdd(x2, x2, sum2);
    sum3 = hn::MulAdd(x3, x3, sum3);
  }
  for (const std::size_t end = n - n % lanes; i < end; i += lanes) {
    const auto x0 = hn::LoadU(d, x + i);
    sum0 = hn::MulAdd(x0, x0, sum0);
  }
  if (i < n) {
    const auto x0 = load_part(d, x + i, n - i);
    sum1 = hn::MulAdd(x0, x0, sum1);
  }
  const float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3))));
  // Of an infinite sum the root's inverse is 0, which would hide what overflowed.
  if (!std::isfinite(sum)) return std::numeric_limits<float>::quiet_NaN();
  return 1.0F / std::sqrt(sum / static_cast<float>(n) + epsilon);
}

/// Writes x · factor, or x · factor ⊙ weight where a weight is given; `factor` comes from `inverse_rms`.
///
/// Shapes    x, out [n] (may be the same) · weight [n] or null
HWY_INLINE void apply_norm(const float* x, const float* weight, float factor, float* out,
                           std::size_t n) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto f = hn::Set(d, factor);
  std::size_t i = 0;
  if (weight == nullptr) {
    for (const std::size_t end = n - n % lanes; i < end; i += lanes)
      hn::StoreU(hn::Mul(hn::LoadU(d, x + i), f), d, out + i);
    if (i < n) store_part(hn::Mul(load_part(d, x + i, n - i), f), d, out + i, n - i);
    return;
  }
  for (const std::size_t end = n - n % lanes; i < end; i += lanes) {
    hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, x + i), f), hn::LoadU(d, weight + i)), d, out + i);
  }
  if (i < n) {
    const auto scaled = hn::Mul(load_part(d, x + i, n - i), f);
    store_part(hn::Mul(scaled, load_part(d, weight + i, n - i)), d, out + i, n - i);
  }
}

/// Normalises one vector: out = weight ⊙ x · (mean(x²) + epsilon)^(-1/2). Returns whether x was finite.
///
/// Shapes    x, out [n] (may be the same) · weight [n] or null (no weight)
HWY_INLINE bool rms_norm(const float* x, const float* weight, float* out, std::size_t n,
                         float epsilon) noexcept {
  const float factor = inverse_rms(x, n, epsilon);
  apply_norm(x, weight, factor, out, n);
  return !std::isnan(factor);
}

/// Normalises every head by itself, with one weight for all heads (q_norm, k_norm; v_norm has none). Returns
/// whether all were finite.
///
/// Shapes    x, out [heads, head_dim] (may be the same) · weight [head_dim] or null
HWY_INLINE bool rms_norm_heads(const float* x, const float* weight, float* out, std::size_t heads,
                               std::size_t head_dim, float epsilon) noexcept {
  bool finite = true;
  for (std::size_t h = 0; h < heads; ++h) {
    finite &= rms_norm(x + h * head_dim, weight, out + h * head_dim, head_dim, epsilon);
  }
  return finite;
}

/// Adds a normalised branch to the residual stream: x = (x + weight ⊙ y · (mean(y²) + epsilon)^(-1/2)) ·
/// factor. Returns whether y was finite.
///
/// Shapes    x [n] in and out · y [n] · weight [n] or null
/// Effects   `factor` multiplies the whole stream (layer_scalar, §2.3); 1 leaves it as it is
HWY_INLINE bool add_rms_norm(float* HWY_RESTRICT x, const float* HWY_RESTRICT y,
                             const float* HWY_RESTRICT weight, std::size_t n, float epsilon,
                             float factor = 1.0F) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const float inverse = inverse_rms(y, n, epsilon);
  const auto norm = hn::Set(d, inverse);
  const auto whole = hn::Set(d, factor);
  const auto one = hn::Set(d, 1.0F);
  std::size_t i = 0;
  for (const std::size_t end = n - n % lanes; i < end; i += lanes) {
    const auto w = weight != nullptr ? hn::LoadU(d, weight + i) : one;
    const auto sum = hn::MulAdd(hn::Mul(hn::LoadU(d, y + i), norm), w, hn::LoadU(d, x + i));
    hn::StoreU(hn::Mul(sum, whole), d, x + i);
  }
  if (i < n) {
    const auto w = weight != nullptr ? load_part(d, weight + i, n - i) : one;
    const auto sum = hn::MulAdd(hn::Mul(load_part(d, y + i, n - i), norm), w, load_part(d, x + i, n - i));
    store_part(hn::Mul(sum, whole), d, x + i, n - i);
  }
  return !std::isnan(inverse);
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
