// SPDX-License-Identifier: Apache-2.0
// Activations of the conformer: x · sigmoid(x), and the gated linear unit, value · sigmoid(gate).
// Source: audio.md §3.5, §3.7.

#if defined(LAMINA_ROWS_SILU_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_ROWS_SILU_INL_HPP
#undef LAMINA_ROWS_SILU_INL_HPP
#else
#define LAMINA_ROWS_SILU_INL_HPP
#endif

#include <cstddef>

#include <lamina/simd/prelude.hpp>
#include <lamina/rows/elementwise-inl.hpp>

#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

namespace detail {

/// value · sigmoid(gate), as value / (1 + exp(-gate)).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V gated(D d, V value, V gate) noexcept {
  // exp(88) is finite; there the quotient is below 1e-38 times the value already.
  const V power = hn::Exp(d, hn::Min(hn::Neg(gate), hn::Set(d, 88.0F)));
  // 0 · gate is 0, or NaN: the minimum makes a number of a NaN.
  return hn::MulAdd(gate, hn::Zero(d), hn::Div(value, hn::Add(hn::Set(d, 1.0F), power)));
}

}  // namespace detail

/// Computes out = values ⊙ sigmoid(gates); NaN where a gate is not finite. An element's bits do not depend on
/// its place or on n.
///
/// Shapes    values, gates, out [n]; out may be values or gates
HWY_INLINE void glu(const float* values, const float* gates, float* out, std::size_t n) noexcept {
  map_pairs(values, gates, out, n,
            [](auto d, auto value, auto gate) HWY_ATTR { return detail::gated(d, value, gate); });
}

/// Computes x = x ⊙ sigmoid(x) in place; NaN where an element is not finite.
///
/// Shapes    x [n]
HWY_INLINE void silu(float* x, std::size_t n) noexcept { glu(x, x, x, n); }

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
