// SPDX-License-Identifier: Apache-2.0
// Quantises rows of activations to int8 in blocks of 32: step = largest magnitude / 127, kept in float32.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_LINEAR_QUANTIZE_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LINEAR_QUANTIZE_INL_HPP_
#undef LAMINA_LINEAR_QUANTIZE_INL_HPP_
#else
#define LAMINA_LINEAR_QUANTIZE_INL_HPP_
#endif

#include <bit>
#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <lamina/core/config.hpp>
#include <lamina/linear/linear.hpp>
#include <lamina/simd/compat-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Quantises 32 values into row `row` of a block of `rows` rows. Blocks too small for a normal step become
/// zero; one with a NaN or an infinity becomes zeros with a step that is not finite, which makes NaN of every
/// product of its row.
template <int rows>
HWY_INLINE void quantize_block(const float* values, ActivationBlock<rows>& to, int row) noexcept {
  const compat::TagF32 df;
  const compat::TagI32 di;
  const hn::Rebind<std::int8_t, compat::TagI32> d8;
  constexpr int lanes = compat::lanes32;
  // Magnitudes compare as integers as they do as floats, but no NaN gets lost: it is above infinity.
  auto largest = hn::Zero(di);
  for (int i = 0; i < code_block_elements; i += lanes) {
    largest = hn::Max(largest, hn::BitCast(di, hn::Abs(hn::LoadU(df, values + i))));
  }
  const std::int32_t magnitude = hn::GetLane(hn::MaxOfLanes(di, largest));
  // Nothing that is not finite may be converted to an integer.
  static constexpr float zeros[code_block_elements] = {};
  constexpr std::int32_t infinity = 0x7F800000;
  if (magnitude >= infinity) values = zeros;
  const float step = std::bit_cast<float>(magnitude) / 127.0f;
  const bool is_normal = step >= FLT_MIN;
  const auto inverse = hn::Set(df, is_normal ? 1.0f / step : 0.0f);

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
    std::memcpy(&to.quads[quad][row], codes + 4 * quad, 4);
  }
  to.step[row] = step < FLT_MIN ? 0.0f : step;
  to.biased_minus_8_total[row] = sum_bias_bits - 8 * (half_sum[0] + half_sum[1]);
  to.biased_minus_32_first[row] = sum_bias_bits - 32 * half_sum[0];
  to.minus_32_second[row] = -32 * half_sum[1];
}

/// Quantises a tile of `rows` rows.
template <int rows>
void quantize_tile(const float* values, std::size_t stride, std::size_t blocks,
                   ActivationBlock<rows>* to) noexcept {
  for (std::size_t b = 0; b < blocks; ++b) {
    for (int row = 0; row < rows; ++row) {
      quantize_block(values + static_cast<std::size_t>(row) * stride + b * code_block_elements, to[b], row);
    }
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
