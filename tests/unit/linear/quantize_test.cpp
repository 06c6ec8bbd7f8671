// SPDX-License-Identifier: Apache-2.0
// Quantised activations: steps, codes, sums, and rows in parts.
#define HWY_TARGET_INCLUDE "unit/linear/quantize_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/linear/quantize-inl.hpp>

#include "support/kernel_data.hpp"

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

constexpr std::uint32_t rows = 5;
constexpr std::uint32_t columns = 224;  // the last blocks are fewer than share a step
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

struct Wrong {
  std::uint32_t blocks_seen = 0;
  int steps = 0;
  int codes = 0;
  int sums = 0;
};

/// Checks row `row` of a tile against its values.
template <int tile_rows>
void check_row(const ActivationBlock<tile_rows>* blocks, int row, const float* values, Wrong& wrong) {
  for (std::uint32_t b = 0; b < columns / 32; ++b, ++wrong.blocks_seen) {
    const float* from = values + b * 32;
    const ActivationBlock<tile_rows>& block = blocks[b];
    const std::size_t step_begin = b / step_blocks * step_blocks * 32;
    const std::size_t step_end = std::min<std::size_t>(step_begin + step_blocks * 32, columns);
    float largest = 0;
    for (std::size_t i = step_begin; i < step_end; ++i) largest = std::max(largest, std::fabs(values[i]));
    const float step = largest / 127.0F;
    if (block.step[row] != step) ++wrong.steps;
    std::int32_t sum[2] = {};
    for (int i = 0; i < 32; ++i) {
      std::int8_t codes[4];
      std::memcpy(codes, &block.quads[i / 4][row], 4);
      const int code = codes[i % 4];
      const double exact = step > 0 ? double{from[i]} / double{step} : 0.0;
      // Half a step, and two roundings of numbers up to 127.
      if (std::fabs(code - exact) > 0.5 + 2 * 127 * 0x1p-24 || code < -127) ++wrong.codes;
      sum[i / 16] += code;
    }
    if (block.biased_minus_32_first[row] - start_bias != -32 * sum[0] ||
        block.minus_32_second[row] != -32 * sum[1] ||
        block.biased_minus_8_total[row] - start_bias != -8 * (sum[0] + sum[1])) {
      ++wrong.sums;
    }
  }
}

void test_blocks() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  const std::vector<float> values = spread_values();
  std::vector<std::byte> memory(rows * quantized_row_bytes(columns));
  quantize_rows(values.data(), stride, columns, rows, memory.data());
  Wrong wrong;
  for (int row = 0; row < 4; ++row) {
    check_row(tile_at<4>(memory.data()), row, values.data() + static_cast<std::size_t>(row) * stride, wrong);
  }
  check_row(tile_at<1>(memory.data() + 4 * quantized_row_bytes(columns)), 0, values.data() + 4 * stride,
            wrong);
  CHECK(wrong.blocks_seen == rows * columns / 32);
  CHECK(wrong.steps == 0);
  CHECK(wrong.codes == 0);
  CHECK(wrong.sums == 0);
}

void test_tiny_blocks() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  // The step would be subnormal and its inverse infinite: such blocks are zero.
  std::vector<float> values(32, 1e-40F);
  ActivationBlock<1> block;
  std::int8_t codes[32];
  quantize_step(values.data(), 1, &block, 0);
  std::memcpy(codes, block.quads, 32);
  CHECK(block.step[0] == 0.0F);
  CHECK(std::count(codes, codes + 32, 0) == 32);
  // The largest magnitudes become -127 and 127 without overflow.
  values.assign(32, -3.0e38F);
  values[5] = 3.0e38F;
  quantize_step(values.data(), 1, &block, 0);
  std::memcpy(codes, block.quads, 32);
  CHECK(block.step[0] == 3.0e38F / 127.0F);
  CHECK(codes[0] == -127);
  CHECK(codes[5] == 127);
}

/// A number that is not finite anywhere makes its step so and the step's codes zero, and changes nothing
/// else.
void test_not_finite() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  const std::vector<float> values = spread_values();
  constexpr std::size_t row_bytes = quantized_row_bytes(columns);
  std::vector<std::byte> clean(rows * row_bytes);
  quantize_rows(values.data(), stride, columns, rows, clean.data());
  int wrong = 0;
  for (const float damage : test::not_finite) {
    for (std::size_t at = 0; at < columns; ++at) {
      std::vector<float> damaged = values;
      damaged[2 * stride + at] = damage;  // row 2
      std::vector<std::byte> memory(rows * row_bytes);
      quantize_rows(damaged.data(), stride, columns, rows, memory.data());
      const std::size_t first = at / 32 / step_blocks * step_blocks;
      for (std::size_t b = first; b < std::min(first + step_blocks, std::size_t{columns / 32}); ++b) {
        ActivationBlock<4> block = tile_at<4>(memory.data())[b];
        const ActivationBlock<4>& before = tile_at<4>(clean.data())[b];
        wrong += std::isfinite(block.step[2]);
        wrong += block.biased_minus_8_total[2] != start_bias || block.minus_32_second[2] != 0 ||
                 block.biased_minus_32_first[2] != start_bias;
        for (auto& quad : block.quads) wrong += quad[2] != 0;
        // With what it had before, all bytes are as they were.
        for (int quad = 0; quad < 8; ++quad) block.quads[quad][2] = before.quads[quad][2];
        block.step[2] = before.step[2];
        block.biased_minus_8_total[2] = before.biased_minus_8_total[2];
        block.biased_minus_32_first[2] = before.biased_minus_32_first[2];
        block.minus_32_second[2] = before.minus_32_second[2];
        std::memcpy(memory.data() + b * sizeof block, &block, sizeof block);
      }
      wrong += memory != clean;
    }
  }
  CHECK(wrong == 0);
}

/// Rows that are quantised together get the bits that each gets alone, ties and steps near the smallest
/// normal number included.
void test_together() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  int wrong = 0;
  int tiles = 0;
  for (const float scale : {1.0F, 1e-20F, 127.0F * FLT_MIN, 1e-40F, 1e36F}) {
    std::vector<float> values = test::normal_vector(4 * stride, 5);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] *= scale;
      if (i / stride == 3) values[i] = scale * (static_cast<float>(i % 9) - 4.5F);  // codes half way
    }
    values[stride + 40] = 0.0F;
    std::vector<std::byte> whole(4 * quantized_row_bytes(columns));
    quantize_rows(values.data(), stride, columns, 4, whole.data());
    const ActivationBlock<4>* together = tile_at<4>(whole.data());
    for (std::size_t b = 0; b < columns / 32; b += step_blocks) {
      const std::size_t blocks = std::min(step_blocks, columns / 32 - b);
      ActivationBlock<4> alone[step_blocks];
      for (int row = 0; row < 4; ++row) {
        quantize_step(values.data() + static_cast<std::size_t>(row) * stride + b * 32, blocks, alone, row);
      }
      wrong += std::memcmp(alone, together + b, blocks * sizeof *alone) != 0;
      tiles += static_cast<int>(blocks);
    }
  }
  CHECK(tiles == 5 * columns / 32);
  CHECK(wrong == 0);
}

void test_parts() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  const std::vector<float> values = spread_values();
  constexpr std::size_t row = quantized_row_bytes(columns);
  std::vector<std::byte> whole(rows * row);
  std::vector<std::byte> parts(whole.size() + sizeof(float));
  quantize_rows(values.data(), stride, columns, rows, whole.data());
  // At another alignment, out of order.
  std::byte* to = parts.data() + sizeof(float);
  quantize_rows(values.data() + activation_tile * stride, stride, columns, 1, to + activation_tile * row);
  quantize_rows(values.data(), stride, columns, activation_tile, to);
  CHECK(std::memcmp(whole.data(), to, whole.size()) == 0);
}

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina {
HWY_EXPORT(test_blocks);
HWY_EXPORT(test_tiny_blocks);
HWY_EXPORT(test_not_finite);
HWY_EXPORT(test_parts);
HWY_EXPORT(test_together);
TEST_CASE("quantize_rows: steps, codes and sums of every block") {
  CHECK(LAMINA_ON_EACH_TARGET(test_blocks) > 0);
}
TEST_CASE("quantize_step: tiny and huge values") { CHECK(LAMINA_ON_EACH_TARGET(test_tiny_blocks) > 0); }
TEST_CASE("quantize_rows: NaN and infinities are not hidden") {
  CHECK(LAMINA_ON_EACH_TARGET(test_not_finite) > 0);
}
TEST_CASE("quantize_rows: four rows together give what each gives alone") {
  CHECK(LAMINA_ON_EACH_TARGET(test_together) > 0);
}
TEST_CASE("quantize_rows: parts give the same bytes") { CHECK(LAMINA_ON_EACH_TARGET(test_parts) > 0); }
}  // namespace lamina
#endif
