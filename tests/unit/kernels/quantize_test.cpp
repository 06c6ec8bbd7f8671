// SPDX-License-Identifier: Apache-2.0
// Quantised activations: steps, codes, sums, and rows in parts.
#define HWY_TARGET_INCLUDE "unit/kernels/quantize_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/kernels/quantize-inl.hpp>

#include "support/kernel_data.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

constexpr std::uint32_t rows = 5;
constexpr std::uint32_t columns = 96;
constexpr std::size_t stride = columns + 7;

/// Values of every size: row r is scaled by 10^(10 (r - 2)); block 1 of row 1 is zero.
std::vector<float> spread_values() {
  std::vector<float> values = test::normal_vector(rows * stride, 3);
  for (std::uint32_t r = 0; r < rows; ++r) {
    const auto scale = static_cast<float>(std::pow(10.0, 10.0 * (static_cast<double>(r) - 2)));
    for (std::size_t i = 0; i < stride; ++i) values[r * stride + i] *= scale;
  }
  std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(stride + 32), 32, 0.0F);
  return values;
}

void test_blocks() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  const std::vector<float> values = spread_values();
  std::vector<std::byte> memory(quantized_bytes(rows, columns));
  quantize_rows(values.data(), stride, columns, rows, memory.data(), 0, rows);
  const QuantizedRows got = quantized_layout(memory.data(), rows, columns);
  int wrong_steps = 0;
  int wrong_codes = 0;
  int wrong_sums = 0;
  for (std::size_t b = 0; b < rows * columns / 32; ++b) {
    const float* from = values.data() + b / 3 * stride + b % 3 * 32;
    float largest = 0;
    for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(from[i]));
    const float step = largest / 127.0F;
    if (got.blocks[b].step != step) ++wrong_steps;
    std::int32_t sum[2] = {};
    for (int i = 0; i < 32; ++i) {
      const int code = got.codes[b * 32 + static_cast<std::size_t>(i)];
      const double exact = step > 0 ? double{from[i]} / double{step} : 0.0;
      // Half a step, and two roundings of numbers up to 127.
      if (std::fabs(code - exact) > 0.5 + 2 * 127 * 0x1p-24 || code < -127) ++wrong_codes;
      sum[i / 16] += code;
    }
    const ActivationBlock& block = got.blocks[b];
    if (block.minus_32_first != -32 * sum[0] || block.minus_32_second != -32 * sum[1] ||
        block.minus_8_total != -8 * (sum[0] + sum[1])) {
      ++wrong_sums;
    }
  }
  CHECK(wrong_steps == 0);
  CHECK(wrong_codes == 0);
  CHECK(wrong_sums == 0);
}

void test_tiny_blocks() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  // The step would be subnormal and its inverse infinite: such blocks are zero.
  std::vector<float> values(32, 1e-40F);
  std::int8_t codes[32];
  CHECK(quantize_block(values.data(), codes).step == 0.0F);
  CHECK(std::count(codes, codes + 32, 0) == 32);
  // The largest magnitudes become -127 and 127 without overflow.
  values.assign(32, -3.0e38F);
  values[5] = 3.0e38F;
  const float step = quantize_block(values.data(), codes).step;
  CHECK(step == 3.0e38F / 127.0F);
  CHECK(codes[0] == -127);
  CHECK(codes[5] == 127);
}

void test_parts() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  const std::vector<float> values = spread_values();
  std::vector<std::byte> whole(quantized_bytes(rows, columns));
  std::vector<std::byte> parts(whole.size() + 1);
  quantize_rows(values.data(), stride, columns, rows, whole.data(), 0, rows);
  // At another alignment, out of order.
  for (const std::uint32_t row : {3U, 0U, 4U, 2U, 1U}) {
    quantize_rows(values.data(), stride, columns, rows, parts.data() + 1, row, 1);
  }
  const QuantizedRows a = quantized_layout(whole.data(), rows, columns);
  const QuantizedRows b = quantized_layout(parts.data() + 1, rows, columns);
  CHECK(std::memcmp(a.codes, b.codes, rows * columns) == 0);
  CHECK(std::memcmp(a.blocks, b.blocks, rows * columns / 32 * sizeof(ActivationBlock)) == 0);
}

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina {
HWY_EXPORT(test_blocks);
HWY_EXPORT(test_tiny_blocks);
HWY_EXPORT(test_parts);
TEST_CASE("quantize_rows: steps, codes and sums of every block") {
  CHECK(LAMINA_ON_EACH_TARGET(test_blocks) > 0);
}
TEST_CASE("quantize_block: tiny and huge values") { CHECK(LAMINA_ON_EACH_TARGET(test_tiny_blocks) > 0); }
TEST_CASE("quantize_rows: parts give the same bytes") { CHECK(LAMINA_ON_EACH_TARGET(test_parts) > 0); }
}  // namespace lamina
#endif
