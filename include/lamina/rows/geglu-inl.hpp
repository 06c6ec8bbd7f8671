// SPDX-License-Identifier: Apache-2.0
// The gate of feed-forward blocks: gelu_tanh(gate) ⊙ up.
// Source: text-decoder.md §2.5.

#if defined(LAMINA_KERNELS_GEGLU_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_GEGLU_INL_HPP
#undef LAMINA_KERNELS_GEGLU_INL_HPP
#else
#define LAMINA_KERNELS_GEGLU_INL_HPP
#endif

#include <cstddef>

#include <lamina/simd/prelude.hpp>
#include <lamina/rows/elementwise-inl.hpp>

#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

namespace detail {

/// 0.5 z (1 + tanh(u)), u = √(2/π) (z + 0.044715 z³), written as z / (1 + exp(-2u)): the same value without
/// the cancellation of 1 + tanh for negative z, and with one exponential.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V gelu_tanh(D d, V z) noexcept {
  const V cubic = hn::Set(d, -2.0F * 0.7978845608028654F * 0.044715F);
  const V linear = hn::Set(d, -2.0F * 0.7978845608028654F);
  const V exponent = hn::Mul(z, hn::MulAdd(hn::Mul(z, z), cubic, linear));
  // exp(88) is finite; there z / exp(88) is below 1e-35 already.
  const V power = hn::Exp(d, hn::Min(exponent, hn::Set(d, 88.0F)));
  return hn::Div(z, hn::Add(hn::Set(d, 1.0F), power));
}

}  // namespace detail

/// Computes out = gelu_tanh(gate) ⊙ up. An element's bits do not depend on its place or on n.
///
/// Shapes    gate, up, out [n]; out may be gate or up
HWY_INLINE void geglu(const float* gate, const float* up, float* out, std::size_t n) noexcept {
  map_pairs(gate, up, out, n,
            [](auto d, auto z, auto y) HWY_ATTR { return hn::Mul(detail::gelu_tanh(d, z), y); });
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
