// SPDX-License-Identifier: Apache-2.0
// The arithmetic of products of integer weights with int8 activations, one for a token and for a batch.
//
// The bits of an output element are fixed (architecture 11). Over the blocks of 32 of its row, in order, with
//   n  = exact integer sum of code * code, one per half where the halves of a block have scales of their own
// targets whose blocks have steps of their own compute
//   s  = scale * n                       two halves: s = fma(scale1, n1, scale0 * n0)
//   s  = fma(-offset, sum of codes, s)   per half; formats with offsets only
//   y  = fma(s, step of the activations, y)
// and targets whose blocks share steps
//   s  = fma(scale, n, s)                from zero where a step begins; halves in order
//   s  = fma(-offset, sum of codes, s)   per half; formats with offsets only
//   y  = fma(s, step of the activations, y)   where the step ends
// Lanes are rows: neither a row's place nor the number of tokens matters. Unfused targets multiply, then add.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_LINEAR_CODE_PRODUCTS_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LINEAR_CODE_PRODUCTS_INL_HPP_
#undef LAMINA_LINEAR_CODE_PRODUCTS_INL_HPP_
#else
#define LAMINA_LINEAR_CODE_PRODUCTS_INL_HPP_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <lamina/linear/linear.hpp>
#include <lamina/linear/unpack-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Blocks of 32 columns that share a step of the activations; the last of a row may be fewer. Where results
/// and the sums of a step have registers of their own, one product less a block is worth a little accuracy
/// (docs/performance.md); with 16 registers it costs more than it saves. Gop/s of a Zen 4 core with 512
/// tokens, a step a block | a step every four, Q4_0 Q8_0 Q4_K Q6_K:
///
///   AVX-512 VNNI   337 340 312 316 | 364 354 339 317
///   AVX2           265 125 242 200 | 225 116 219 151
inline constexpr std::size_t step_blocks = compat::lanes32 >= 16 ? 4 : 1;

/// Added to sums of codes that accumulators start with; see `has_biased_sums`.
inline constexpr std::int32_t start_bias = step_blocks == 1 ? sum_bias_bits : 0;

/// A sum of codes times an offset, as quantised, as a float.
HWY_INLINE compat::VecF32 widened_start(std::int32_t start) noexcept {
  if constexpr (start_bias != 0) return hn::Set(compat::TagF32(), without_bias(start));
  return hn::ConvertTo(compat::TagF32(), hn::Set(compat::TagI32(), start));
}

/// True if the (first) sum of a block is left as it starts: the bits of the float `sum_bias` + n. One fma
/// makes of it what a conversion and a product would, scale * n rounded once, because scale * sum_bias is
/// exact: scales have at most 22 bits (an f16 times at most 8 bits). Formats with offsets need no start
/// otherwise, so that a conversion costs them no more. One thread of an AVX2 machine, Q4_0 with 512 tokens:
/// 0.95 of the time. Where conversions run beside the products, as AVX-512's do, there is nothing to gain.
[[nodiscard]] constexpr bool has_biased_sums(CodeClass shape) noexcept {
  return HWY_NATIVE_FMA != 0 && step_blocks == 1 && !shape.offsets;
}

/// What a sum of code products starts with, so that the panel's code offset falls out; half -1: a whole
/// block.
template <CodeClass shape, int rows>
HWY_INLINE std::int32_t initial_sum(const ActivationBlock<rows>& x, int row, int half) noexcept {
  constexpr int offset = shape.code_offset();
  static_assert(offset == 0 || offset == 8 || offset == 32 || offset == 128);
  if (half == 1) return x.minus_32_second[row] * (offset / 32);
  constexpr std::int32_t bias = has_biased_sums(shape) ? sum_bias_bits : 0;
  if constexpr (offset == 0) return bias;
  const std::int32_t biased = half == 0 ? x.biased_minus_32_first[row] : x.biased_minus_8_total[row];
  const std::int32_t factor = half == 0 ? offset / 32 : offset / 8;
  return (biased - start_bias) * factor + bias;
}

/// What adds up blocks: the results y [lanes32] so far, or the sum of a step, which begins with nothing.
HWY_INLINE compat::VecF32 begin_sum(const float* y) noexcept {
  if constexpr (step_blocks == 1) return hn::LoadU(compat::TagF32(), y);
  return hn::Zero(compat::TagF32());
}

/// The end of the blocks that add up in one sum, of `blocks` blocks from block `first` on.
HWY_INLINE std::size_t sum_end(std::size_t first, std::size_t blocks) noexcept {
  return step_blocks == 1 ? blocks : std::min(first + step_blocks, blocks);
}

/// The sum after one more block, with row `row` of `x`: the arithmetic at the head of this file. `scale`
/// [scales_per_block, lanes32].
template <CodeClass shape, int rows>
HWY_INLINE compat::VecF32 add_block(compat::VecF32 before, compat::VecI32 sum, compat::VecI32 second_sum,
                                    const float* scale, const ActivationBlock<rows>& x, int row) noexcept {
  const compat::TagF32 df;
  constexpr int lanes = compat::lanes32;
  const auto first_scale = hn::Load(df, scale);
  compat::VecF32 s;
  if constexpr (step_blocks > 1) {
    s = hn::MulAdd(first_scale, hn::ConvertTo(df, sum), before);
  } else if constexpr (has_biased_sums(shape)) {
    s = hn::MulAdd(first_scale, hn::BitCast(df, sum), hn::Mul(first_scale, hn::Set(df, -sum_bias)));
  } else {
    s = hn::Mul(first_scale, hn::ConvertTo(df, sum));
  }
  if constexpr (shape.halves) {
    s = hn::MulAdd(hn::Load(df, scale + lanes), hn::ConvertTo(df, second_sum), s);
  }
  if constexpr (shape.offsets && !shape.halves) {
    s = hn::MulAdd(hn::Load(df, scale + lanes), widened_start(x.biased_minus_8_total[row]), s);
  }
  if constexpr (shape.offsets && shape.halves) {
    const auto second = hn::Set(df, static_cast<float>(x.minus_32_second[row]));
    s = hn::MulAdd(hn::Load(df, scale + 2 * lanes), widened_start(x.biased_minus_32_first[row]), s);
    s = hn::MulAdd(hn::Load(df, scale + 3 * lanes), second, s);
  }
  return step_blocks > 1 ? s : hn::MulAdd(s, hn::Set(df, x.step[row]), before);
}

/// Brings a sum whose last block was `x` to the results: y [lanes32].
template <int rows>
HWY_INLINE void end_sum(compat::VecF32 sum, const ActivationBlock<rows>& x, int row, float* y) noexcept {
  const compat::TagF32 df;
  if constexpr (step_blocks > 1) sum = hn::MulAdd(sum, hn::Set(df, x.step[row]), hn::LoadU(df, y));
  hn::StoreU(sum, df, y);
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_LINEAR_CODE_PRODUCTS_INL_HPP_
