// SPDX-License-Identifier: Apache-2.0
// Quantises rows of activations to int8 in blocks of 32: step = largest magnitude / 127, kept in float32.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_KERNELS_QUANTIZE_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_QUANTIZE_INL_HPP_
#undef LAMINA_KERNELS_QUANTIZE_INL_HPP_
#else
#define LAMINA_KERNELS_QUANTIZE_INL_HPP_
#endif

#include <cfloat>
#include <cstddef>
#include <cstdint>

#include <lamina/core/config.hpp>
#include <lamina/kernels/linear.hpp>
#include <lamina/simd/compat-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Quantises 32 values. Blocks too small for a normal step become zero.
HWY_INLINE ActivationBlock quantize_block(const float* values, std::int8_t* codes) noexcept {
  const compat::TagF32 df;
  const compat::TagI32 di;
  const hn::Rebind<std::int8_t, compat::TagI32> d8;
  constexpr int lanes = compat::lanes32;
  auto largest = hn::Zero(df);
  for (int i = 0; i < code_block_elements; i += lanes) {
    largest = hn::Max(largest, hn::Abs(hn::LoadU(df, values + i)));
  }
  const float step = hn::GetLane(hn::MaxOfLanes(df, largest)) / 127.0f;
  const bool is_normal = step >= FLT_MIN;
  const auto inverse = hn::Set(df, is_normal ? 1.0f / step : 0.0f);

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
  return {is_normal ? step : 0.0f, -8 * (half_sum[0] + half_sum[1]), -32 * half_sum[0], -32 * half_sum[1]};
}

/// Quantises a range of rows; see `LinearKernels::quantize_rows`.
inline void quantize_rows(const float* values, std::size_t stride, std::uint32_t columns, std::uint32_t rows,
                          std::byte* memory, std::uint32_t first, std::uint32_t count) noexcept {
  LAMINA_DCHECK(columns % code_block_elements == 0 && first + count <= rows);
  const QuantizedRows to = quantized_layout(memory, rows, columns);
  const std::size_t blocks = columns / code_block_elements;
  for (std::size_t row = first; row < std::size_t{first} + count; ++row) {
    for (std::size_t b = 0; b < blocks; ++b) {
      const std::size_t index = row * blocks + b;
      to.blocks[index] = quantize_block(values + row * stride + b * code_block_elements,
                                        to.codes + index * code_block_elements);
    }
  }
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_QUANTIZE_INL_HPP_
