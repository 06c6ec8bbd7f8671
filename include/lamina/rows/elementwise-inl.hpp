// SPDX-License-Identifier: Apache-2.0
// Element-by-element vector arithmetic: scale, add, multiply-add, and conversions of cache rows.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_KERNELS_ELEMENTWISE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_ELEMENTWISE_INL_HPP
#undef LAMINA_KERNELS_ELEMENTWISE_INL_HPP
#else
#define LAMINA_KERNELS_ELEMENTWISE_INL_HPP
#endif

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <lamina/formats/half.hpp>
#include <lamina/simd/prelude.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// --- Partial vectors ---

/// Loads `count` < Lanes(d) floats, zeros above them, without touching memory behind them. Tails then run
/// through the same instructions as whole vectors, so that an element's bits do not depend on where it
/// stands.
template <class D>
HWY_INLINE hn::Vec<D> load_part(D d, const float* HWY_RESTRICT from, std::size_t count) noexcept {
  HWY_ALIGN float lanes[hn::MaxLanes(d)] = {};
  for (std::size_t i = 0; i < count; ++i) lanes[i] = from[i];
  return hn::Load(d, lanes);
}

/// Stores the lowest `count` < Lanes(d) lanes and touches nothing behind them.
template <class D>
HWY_INLINE void store_part(hn::Vec<D> v, D d, float* HWY_RESTRICT to, std::size_t count) noexcept {
  HWY_ALIGN float lanes[hn::MaxLanes(d)];
  hn::Store(v, d, lanes);
  for (std::size_t i = 0; i < count; ++i) to[i] = lanes[i];
}

/// Computes out[i] = op(a[i], b[i]) for n elements, in whole vectors and a part of one. An element's bits do
/// not depend on its place or on n.
///
/// Shapes    a, b, out [n]; out may be a or b · op(d, x, y) takes and returns vectors of `d`
template <class Op>
HWY_INLINE void map_pairs(const float* a, const float* b, float* out, std::size_t n, const Op& op) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (const std::size_t end = n - n % lanes; i < end; i += lanes)
    hn::StoreU(op(d, hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, out + i);
  if (i < n) store_part(op(d, load_part(d, a + i, n - i), load_part(d, b + i, n - i)), d, out + i, n - i);
}

// --- Arithmetic on rows ---

/// Multiplies x [n] by `factor` in place.
HWY_INLINE void scale(float* x, std::size_t n, float factor) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto f = hn::Set(d, factor);
  std::size_t i = 0;
  for (const std::size_t end = n - n % lanes; i < end; i += lanes)
    hn::StoreU(hn::Mul(hn::LoadU(d, x + i), f), d, x + i);
  if (i < n) store_part(hn::Mul(load_part(d, x + i, n - i), f), d, x + i, n - i);
}

/// Adds `addend` [n] to x [n] in place.
HWY_INLINE void add(float* x, const float* addend, std::size_t n) noexcept {
  map_pairs(x, addend, x, n, [](auto, auto a, auto b) HWY_ATTR { return hn::Add(a, b); });
}

/// Adds `factor` · y [n] to x [n] in place, with one rounding where the target has fused multiply-add.
HWY_INLINE void multiply_add(float* x, const float* y, float factor, std::size_t n) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto f = hn::Set(d, factor);
  std::size_t i = 0;
  for (const std::size_t end = n - n % lanes; i < end; i += lanes) {
    hn::StoreU(hn::MulAdd(hn::LoadU(d, y + i), f, hn::LoadU(d, x + i)), d, x + i);
  }
  if (i < n) {
    store_part(hn::MulAdd(load_part(d, y + i, n - i), f, load_part(d, x + i, n - i)), d, x + i, n - i);
  }
}

/// Returns whether all of x [n] are finite.
HWY_INLINE bool all_finite(const float* x, std::size_t n) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto nothing = hn::Zero(d);  // 0 · x is 0, or NaN
  std::size_t i = 0;
  for (const std::size_t end = n - n % lanes; i < end; i += lanes)
    nothing = hn::MulAdd(hn::LoadU(d, x + i), hn::Zero(d), nothing);
  if (i < n) nothing = hn::MulAdd(load_part(d, x + i, n - i), hn::Zero(d), nothing);
  return hn::GetLane(hn::SumOfLanes(d, nothing)) == 0.0F;
}

// --- Conversions ---

/// Rounds x [n] to bf16 bits, nearest even; a NaN stays a NaN.
HWY_INLINE void to_bf16(const float* HWY_RESTRICT x, std::uint16_t* HWY_RESTRICT out,
                        std::size_t n) noexcept {
  for (std::size_t i = 0; i < n; ++i) out[i] = float_to_bfloat(x[i]);
}

/// Rounds x [n] to int8 codes, x ≈ code · factor, and returns the factor max|x| / 127 (0 for a row of zeros,
/// NaN or infinite if an element is: no product with the row is finite then).
HWY_INLINE float to_int8(const float* HWY_RESTRICT x, std::int8_t* HWY_RESTRICT out, std::size_t n) noexcept {
  // Compared as integers, a NaN is above infinity and does not get lost.
  std::uint32_t largest_bits = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x[i]) & 0x7FFFFFFFu;
    largest_bits = bits > largest_bits ? bits : largest_bits;
  }
  const auto largest = std::bit_cast<float>(largest_bits);
  const float inverse = largest > 0.0F ? 127.0F / largest : 0.0F;
  // Adding 1.5 · 2^23 leaves round-to-nearest-even of a small float in the low bits: no library call per
  // element.
  constexpr float magic = 12582912.0F;
  for (std::size_t i = 0; i < n; ++i) {
    const float shifted = x[i] * inverse + magic;
    out[i] =
        static_cast<std::int8_t>(std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(magic));
  }
  return largest / 127.0F;
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
