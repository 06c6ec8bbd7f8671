// SPDX-License-Identifier: Apache-2.0
// One output row of a causal depthwise convolution: each channel over its own last rows.
// Source: audio.md §3.7.

#if defined(LAMINA_ROWS_DEPTHWISE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_ROWS_DEPTHWISE_INL_HPP
#undef LAMINA_ROWS_DEPTHWISE_INL_HPP
#else
#define LAMINA_ROWS_DEPTHWISE_INL_HPP
#endif

#include <cstddef>

#include <lamina/simd/prelude.hpp>
#include <lamina/rows/elementwise-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Computes out[c] = Σ_k weights[k, c] · x[k, c] over `taps` rows. The first rows of a clip have fewer rows
/// behind them: give the last `taps` rows of the weights.
///
/// Shapes    x [taps, n] with `stride` floats between rows, the last one that of `out` · weights [taps, n] · out [n]
/// Requires  out overlaps nothing; taps > 0
/// Effects   an element's bits do not depend on its place or on n
HWY_INLINE void depthwise(const float* x, std::size_t stride, const float* HWY_RESTRICT weights,
                          std::size_t taps, float* HWY_RESTRICT out, std::size_t n) noexcept {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (const std::size_t end = n - n % lanes; i < end; i += lanes) {
    auto sum = hn::Zero(d);
    for (std::size_t k = 0; k < taps; ++k) {
      sum = hn::MulAdd(hn::LoadU(d, weights + k * n + i), hn::LoadU(d, x + k * stride + i), sum);
    }
    hn::StoreU(sum, d, out + i);
  }
  if (i < n) {
    auto sum = hn::Zero(d);
    for (std::size_t k = 0; k < taps; ++k) {
      sum =
          hn::MulAdd(load_part(d, weights + k * n + i, n - i), load_part(d, x + k * stride + i, n - i), sum);
    }
    store_part(sum, d, out + i, n - i);
  }
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
