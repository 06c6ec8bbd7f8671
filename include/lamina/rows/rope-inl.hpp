// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding of query and key heads, pairs (i, i + head_dim / 2).
// Source: text-decoder.md §2.4.1.

#if defined(LAMINA_KERNELS_ROPE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_ROPE_INL_HPP
#undef LAMINA_KERNELS_ROPE_INL_HPP
#else
#define LAMINA_KERNELS_ROPE_INL_HPP
#endif

#include <cstddef>

#include <lamina/simd/prelude.hpp>
#include <lamina/rows/elementwise-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Turns the first `pairs` pairs (i, i + head_dim / 2) of every head in place; the other elements stay.
///
/// Shapes    x [heads, head_dim] · cosines, sines [pairs] from `rope_angles`
/// Requires  2 * pairs <= head_dim
HWY_INLINE void rotate_heads(float* x, std::size_t heads, std::size_t head_dim, std::size_t pairs,
                             const float* HWY_RESTRICT cosines, const float* HWY_RESTRICT sines) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t h = 0; h < heads; ++h) {
    float* low = x + h * head_dim;
    float* high = low + head_dim / 2;
    std::size_t i = 0;
    for (; pairs - i >= lanes; i += lanes) {
      const auto a = hn::LoadU(d, low + i);
      const auto b = hn::LoadU(d, high + i);
      const auto c = hn::LoadU(d, cosines + i);
      const auto s = hn::LoadU(d, sines + i);
      hn::StoreU(hn::NegMulAdd(b, s, hn::Mul(a, c)), d, low + i);
      hn::StoreU(hn::MulAdd(a, s, hn::Mul(b, c)), d, high + i);
    }
    if (i < pairs) {
      const std::size_t rest = pairs - i;
      const auto a = load_part(d, low + i, rest);
      const auto b = load_part(d, high + i, rest);
      const auto c = load_part(d, cosines + i, rest);
      const auto s = load_part(d, sines + i, rest);
      store_part(hn::NegMulAdd(b, s, hn::Mul(a, c)), d, low + i, rest);
      store_part(hn::MulAdd(a, s, hn::Mul(b, c)), d, high + i, rest);
    }
  }
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
