// SPDX-License-Identifier: Apache-2.0
// Quantises rows of activations to int8 in steps of 32 or 128 columns: step = largest magnitude / 127, kept
// in float32.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_LINEAR_QUANTIZE_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LINEAR_QUANTIZE_INL_HPP_
#undef LAMINA_LINEAR_QUANTIZE_INL_HPP_
#else
#define LAMINA_LINEAR_QUANTIZE_INL_HPP_
#endif

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <lamina/core/config.hpp>
#include <lamina/linear/code_products-inl.hpp>
#include <lamina/linear/linear.hpp>
#include <lamina/simd/compat-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Quantises a step of `blocks` <= `step_blocks` blocks of 32 values into row `row` of tiles of
/// `rows` rows. Values too small for a normal step become zero; where one is a NaN or an infinity all become
/// zeros with a step that is not finite, which makes NaN of every product of the row.
template <int rows>
HWY_INLINE void quantize_step(const float* values, std::size_t blocks, ActivationBlock<rows>* to,
                              int row) noexcept {
  const compat::TagF32 df;
  const compat::TagI32 di;
  const hn::Rebind<std::int8_t, compat::TagI32> d8;
  constexpr int lanes = compat::lanes32;
  // Magnitudes compare as integers as they do as floats, but no NaN gets lost: it is above infinity.
  auto largest = hn::Zero(di);
  for (std::size_t i = 0; i < blocks * code_block_elements; i += lanes) {
    largest = hn::Max(largest, hn::BitCast(di, hn::Abs(hn::LoadU(df, values + i))));
  }
  const std::int32_t magnitude = hn::GetLane(hn::MaxOfLanes(di, largest));
  // Nothing that is not finite may be converted to an integer.
  static constexpr float zeros[step_blocks * code_block_elements] = {};
  constexpr std::int32_t infinity = 0x7F800000;
  if (magnitude >= infinity) values = zeros;
  const float step = std::bit_cast<float>(magnitude) / 127.0f;
  const bool is_normal = step >= FLT_MIN;
  const auto inverse = hn::Set(df, is_normal ? 1.0f / step : 0.0f);

  for (std::size_t b = 0; b < blocks; ++b, values += code_block_elements) {
    HWY_ALIGN std::int8_t codes[code_block_elements];
    std::int32_t half_sum[2];
    for (int h = 0; h < 2; ++h) {
      auto sum = hn::Zero(di);
      constexpr int half = code_block_elements / 2;
      for (int i = h * half; i < (h + 1) * half; i += lanes) {
        const auto code = hn::NearestInt(hn::Mul(hn::LoadU(df, values + i), inverse));
        hn::StoreU(hn::DemoteTo(d8, code), d8, codes + i);
        sum = hn::Add(sum, code);
      }
      half_sum[h] = compat::ReduceSum(di, sum);
    }
    for (int quad = 0; quad < code_block_elements / 4; ++quad) {
      std::memcpy(&to[b].quads[quad][row], codes + 4 * quad, 4);
    }
    to[b].step[row] = step < FLT_MIN ? 0.0f : step;
    to[b].biased_minus_8_total[row] = start_bias - 8 * (half_sum[0] + half_sum[1]);
    to[b].biased_minus_32_first[row] = start_bias - 32 * half_sum[0];
    to[b].minus_32_second[row] = -32 * half_sum[1];
  }
}

#if defined(LAMINA_BYTE_DOT_VNNI) && HWY_TARGET <= HWY_AVX3
/// Quantises a step of four rows together, to the bits of `quantize_step`: what that does for one row at the
/// end of a vector is done for four at once. Returns false, and writes nothing, if a number is not finite.
/// PLACEHOLDER2
HWY_INLINE bool quantize_four(const float* values, std::size_t stride, std::size_t blocks,
                              ActivationBlock<4>* to) noexcept {
  const compat::TagF32 df;
  const compat::TagI32 di;
  const hn::Repartition<std::int64_t, compat::TagI32> d64;
  const hn::Half<compat::TagI32> di_half;
  const hn::CappedTag<std::int32_t, 4> di4;
  const hn::CappedTag<float, 4> df4;
  const hn::Rebind<std::int8_t, compat::TagI32> d8;
  const hn::Twice<decltype(d8)> d8_two;
  const hn::Twice<decltype(d8_two)> d8_four;
  static_assert(compat::lanes32 == 16);
  const auto load = [values, stride](int row, std::size_t half) HWY_ATTR {
    return hn::LoadU(compat::TagF32(), values + static_cast<std::size_t>(row) * stride + 16 * half);
  };
  const auto largest = [&](int row) HWY_ATTR {
    auto magnitude = hn::BitCast(di, hn::Abs(load(row, 0)));
    for (std::size_t half = 1; half < 2 * blocks; ++half)
      magnitude = hn::Max(magnitude, hn::BitCast(di, hn::Abs(load(row, half))));
    return magnitude;
  };
  // Lanes of one row, and of four rows side by side, until four are left: the rows' magnitudes.
  const auto of_two = [&](int row) HWY_ATTR {
    const auto a = largest(row);
    const auto b = largest(row + 1);
    return hn::BitCast(d64, hn::Max(hn::InterleaveLower(di, a, b), hn::InterleaveUpper(di, a, b)));
  };
  const auto low = of_two(0);
  const auto high = of_two(2);
  const auto of_four = hn::Max(hn::BitCast(di, hn::InterleaveLower(d64, low, high)),
                               hn::BitCast(di, hn::InterleaveUpper(d64, low, high)));
  const auto folded = hn::Max(hn::LowerHalf(di_half, of_four), hn::UpperHalf(di_half, of_four));
  const auto magnitude = hn::Max(hn::LowerHalf(di4, folded), hn::UpperHalf(di4, folded));
  constexpr std::int32_t infinity = 0x7F800000;
  if (!hn::AllTrue(di4, hn::Lt(magnitude, hn::Set(di4, infinity)))) return false;
  const auto quotient = hn::Div(hn::BitCast(df4, magnitude), hn::Set(df4, 127.0f));
  const auto is_normal = hn::Ge(quotient, hn::Set(df4, FLT_MIN));
  const auto step = hn::IfThenElseZero(is_normal, quotient);
  HWY_ALIGN float inverse[4];
  hn::Store(hn::IfThenElseZero(is_normal, hn::Div(hn::Set(df4, 1.0f), quotient)), df4, inverse);

  // From [row, quad] to [quad, row].
  HWY_ALIGN static constexpr std::int32_t places[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  const auto indices = hn::Load(di, places);
  const auto bias = hn::Set(di4, start_bias);
  for (std::size_t b = 0; b < blocks; ++b, ++to) {
    hn::StoreU(step, df4, to->step);
    hn::Vec<decltype(di4)> half_sum[2];
    HWY_UNROLL(2)
    for (std::size_t half = 0; half < 2; ++half) {
      const auto codes = [&](int row) HWY_ATTR {
        return hn::DemoteTo(d8, hn::NearestInt(hn::Mul(load(row, 2 * b + half), hn::Set(df, inverse[row]))));
      };
      const auto bytes = hn::Combine(d8_four, hn::Combine(d8_two, codes(3), codes(2)),
                                     hn::Combine(d8_two, codes(1), codes(0)));
      const auto words = compat::permute(hn::BitCast(di, bytes), indices);
      hn::StoreU(words, di, &to->quads[4 * half][0]);
      compat::VecI32 sum;
      compat::ByteSums partial;
      compat::add_byte_products<compat::CodeRange::nibble>(sum, partial, hn::Set(di, 0x01010101), words, 0, 0,
                                                           1);
      const auto two = hn::Add(hn::LowerHalf(di_half, sum), hn::UpperHalf(di_half, sum));
      half_sum[half] = hn::Add(hn::LowerHalf(di4, two), hn::UpperHalf(di4, two));
    }
    hn::StoreU(hn::Sub(bias, hn::ShiftLeft<3>(hn::Add(half_sum[0], half_sum[1]))), di4,
               to->biased_minus_8_total);
    hn::StoreU(hn::Sub(bias, hn::ShiftLeft<5>(half_sum[0])), di4, to->biased_minus_32_first);
    hn::StoreU(hn::Neg(hn::ShiftLeft<5>(half_sum[1])), di4, to->minus_32_second);
  }
  return true;
}
#endif

/// Quantises a tile of `rows` rows.
template <int rows>
void quantize_tile(const float* values, std::size_t stride, std::size_t blocks,
                   ActivationBlock<rows>* to) noexcept {
  for (std::size_t b = 0; b < blocks; b += step_blocks) {
    const float* from = values + b * code_block_elements;
    const std::size_t count = std::min(step_blocks, blocks - b);
#if defined(LAMINA_BYTE_DOT_VNNI) && HWY_TARGET <= HWY_AVX3
    if constexpr (rows == 4) {
      if (quantize_four(from, stride, count, to + b)) continue;
    }
#endif
    for (int row = 0; row < rows; ++row)
      quantize_step(from + static_cast<std::size_t>(row) * stride, count, to + b, row);
  }
}

/// Quantises rows; see `LinearKernels::quantize_rows`.
inline void quantize_rows(const float* values, std::size_t stride, std::uint32_t columns, std::uint32_t rows,
                          std::byte* to) noexcept {
  LAMINA_DCHECK(columns % code_block_elements == 0);
  const std::size_t blocks = columns / code_block_elements;
  static_assert(activation_tile == 4);
  for (std::size_t row = 0; row < rows; row += activation_tile) {
    const float* from = values + row * stride;
    std::byte* tile = to + row * quantized_row_bytes(columns);
    switch (rows - row) {
      case 1:
        quantize_tile(from, stride, blocks, reinterpret_cast<ActivationBlock<1>*>(tile));
        break;
      case 2:
        quantize_tile(from, stride, blocks, reinterpret_cast<ActivationBlock<2>*>(tile));
        break;
      case 3:
        quantize_tile(from, stride, blocks, reinterpret_cast<ActivationBlock<3>*>(tile));
        break;
      default:
        quantize_tile(from, stride, blocks, reinterpret_cast<ActivationBlock<4>*>(tile));
    }
  }
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_LINEAR_QUANTIZE_INL_HPP_
