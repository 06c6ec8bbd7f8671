// SPDX-License-Identifier: Apache-2.0
// Quantisers: the examples of weight-files.md §4.10, the rounding rule on random blocks, round trips.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <vector>

#include <lamina/blocks/decode.hpp>
#include <lamina/blocks/quantize.hpp>

#include "support/hex.hpp"

namespace {

using lamina::Format;

using Bytes = std::vector<std::byte>;

Bytes quantize(Format format, const std::vector<float>& values) {
  Bytes row(lamina::row_bytes(format, values.size()));
  REQUIRE(lamina::quantize_row(format, values.data(), values.size(), row.data()));
  return row;
}

std::vector<float> decode_back(Format format, const Bytes& row, std::size_t columns) {
  std::vector<float> values(columns);
  lamina::decode_row(format, row.data(), columns, values.data());
  return values;
}

/// Repeatable values, roughly bell-shaped, of spread about `scale`.
std::vector<float> random_values(std::size_t count, float scale) {
  std::vector<float> values(count);
  std::uint64_t state = 42;
  for (float& value : values) {
    value = -2.0f;
    for (int i = 0; i < 4; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      value += static_cast<float>(state >> 40) * 0x1p-24f;
    }
    value *= scale;
  }
  return values;
}

/// Root mean square of the error of a round trip, relative to that of the values.
double relative_error(Format format, const std::vector<float>& values) {
  const std::vector<float> decoded = decode_back(format, quantize(format, values), values.size());
  double error = 0;
  double power = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double difference = static_cast<double>(decoded[i]) - static_cast<double>(values[i]);
    error += difference * difference;
    power += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
  return std::sqrt(error / power);
}

}  // namespace

TEST_CASE("worked example Q8_0: halves away from zero") {
  std::vector<float> values(32, 0.0f);
  const float first[] = {-127, 0.5f, 1.5f, -0.5f, 2.5f, 100.4f};
  std::copy(std::begin(first), std::end(first), values.begin());
  values[31] = -3.49f;
  Bytes expected = bytes_from_hex("00 3C 81 01 02 FF 03 64");
  expected.resize(34);
  expected[33] = std::byte{0xFD};
  CHECK(quantize(Format::q8_0, values) == expected);
}

TEST_CASE("worked example Q4_0: the extreme keeps its sign and gets code 0") {
  std::vector<float> values(32, 0.0f);
  values[0] = -2;
  values[1] = 1;
  values[2] = 0.125f;
  values[3] = -0.125f;
  values[16] = 1.9f;
  values[17] = 2;
  values[31] = 0.375f;
  const Bytes row = quantize(Format::q4_0, values);
  CHECK(row == bytes_from_hex("00 34 F0 FC 89 88 88 88 88 88 88 88 88 88 88 88 88 A8"));
  const std::vector<float> decoded = decode_back(Format::q4_0, row, 32);
  CHECK(decoded[0] == -2.0f);
  CHECK(decoded[2] == 0.25f);
  CHECK(decoded[16] == 1.75f);
  CHECK(decoded[31] == 0.5f);
}

TEST_CASE("zeros") {
  const std::vector<float> zeros(256, 0.0f);
  CHECK(quantize(Format::q4_0, std::vector<float>(32, 0.0f)) ==
        bytes_from_hex("00 80 88 88 88 88 88 88 88 88 88 88 88 88 88 88 88 88"));
  CHECK(quantize(Format::q8_0, std::vector<float>(32, 0.0f)) == Bytes(34));
  for (const Format format : {Format::q8_0, Format::q4_0, Format::q4_k, Format::q5_k, Format::q6_k}) {
    CHECK(decode_back(format, quantize(format, zeros), 256) == zeros);
  }
}

TEST_CASE("Q8_0 follows the rule of §4.10 on random blocks") {
  constexpr std::size_t blocks = 3000;
  const std::vector<float> values = random_values(32 * blocks, 0.05f);
  const Bytes row = quantize(Format::q8_0, values);
  int differences = 0;
  for (std::size_t block = 0; block < blocks; ++block) {
    const float* x = values.data() + 32 * block;
    float largest = 0;
    for (int i = 0; i < 32; ++i) largest = std::fmax(largest, std::fabs(x[i]));
    const float step = largest / 127.0f;
    differences += lamina::detail::load_half(row.data() + 34 * block) !=
                           lamina::half_to_float(lamina::float_to_half(step))
                       ? 1
                       : 0;
    for (std::size_t i = 0; i < 32; ++i) {
      volatile float product = x[i] * (1.0f / step);
      const double away = std::floor(std::fabs(static_cast<double>(product)) + 0.5);
      const int code = static_cast<int>(std::copysign(away, static_cast<double>(product)));
      differences += static_cast<std::int8_t>(row[34 * block + 2 + i]) != code ? 1 : 0;
    }
  }
  CHECK(differences == 0);
}

TEST_CASE("Q4_0 follows the rule of §4.10 with every operation rounded separately") {
  constexpr std::size_t blocks = 3000;
  std::vector<float> values = random_values(32 * blocks, 0.05f);
  for (std::size_t block = 0; block < blocks; ++block) {
    // Beside random values, some that lie where fusing x * r + 8.5 tends to give another code: half a unit in
    // the last place below a boundary, after rounding of the product.
    float* x = values.data() + 32 * block;
    x[0] = block % 2 == 0 ? 0.3f + std::fabs(x[0]) : -0.3f - std::fabs(x[0]);
    const float inverse = 1.0f / (x[0] / -8.0f);
    for (int n = 9; n < 16; ++n) x[n] = (static_cast<float>(n) - 8.5f - 0x1p-21f) / inverse;
  }
  const Bytes row = quantize(Format::q4_0, values);
  int differences = 0;
  int fused_differences = 0;
  for (std::size_t block = 0; block < blocks; ++block) {
    const float* x = values.data() + 32 * block;
    const float inverse = 1.0f / (x[0] / -8.0f);
    for (std::size_t i = 0; i < 32; ++i) {
      volatile float product = x[i] * inverse;
      volatile float shifted = product + 8.5f;
      const int byte = std::to_integer<int>(row[18 * block + 2 + i % 16]);
      const int found = i < 16 ? byte & 15 : byte >> 4;
      differences += found != std::min(15, static_cast<int>(shifted)) ? 1 : 0;
      fused_differences += found != std::min(15, static_cast<int>(std::fma(x[i], inverse, 8.5f))) ? 1 : 0;
    }
  }
  CHECK(differences == 0);
  CHECK(fused_differences > 100);  // so this test can tell
}

TEST_CASE("round trips lose what the number of bits implies") {
  const std::vector<float> values = random_values(256 * 40, 3.0f);
  // A uniform step s gives rms s / sqrt(12); the bounds are that for the largest value of a block, about 3.5
  // sigma.
  CHECK(relative_error(Format::f32, values) == 0.0);
  CHECK(relative_error(Format::f16, values) < 0.0003);
  CHECK(relative_error(Format::bf16, values) < 0.0025);
  CHECK(relative_error(Format::q8_0, values) < 0.008);
  CHECK(relative_error(Format::q6_k, values) < 0.025);
  CHECK(relative_error(Format::q5_k, values) < 0.05);
  CHECK(relative_error(Format::q4_k, values) < 0.09);
  CHECK(relative_error(Format::q4_0, values) < 0.12);
  // One bit more halves the step.
  const double ratio = relative_error(Format::q4_k, values) / relative_error(Format::q5_k, values);
  CHECK(ratio > 1.8);
  CHECK(ratio < 2.3);
}

TEST_CASE("what is exactly representable survives") {
  std::vector<float> values(256);
  for (std::size_t i = 0; i < 256; ++i)
    values[i] = static_cast<float>(static_cast<int>(i * 7 % 64) - 32) * 0.25f;
  CHECK(decode_back(Format::f16, quantize(Format::f16, values), 256) == values);
  CHECK(decode_back(Format::bf16, quantize(Format::bf16, values), 256) == values);
  // Every 16 elements need the extreme -32 for the exact step; without it the sub-scale is rounded.
  for (std::size_t i = 0; i < 256; i += 16) values[i] = -8.0f;
  CHECK(decode_back(Format::q6_k, quantize(Format::q6_k, values), 256) == values);
}

TEST_CASE("one-sided rows keep their minimum at zero") {
  std::vector<float> values = random_values(256, 1.0f);
  for (float& value : values) value = std::fabs(value) + 1.0f;
  for (const Format format : {Format::q4_k, Format::q5_k}) {
    for (const float value : decode_back(format, quantize(format, values), 256)) REQUIRE(value >= 0.0f);
  }
}

TEST_CASE("formats without a writer are refused and nothing is written") {
  const std::vector<float> values(256, 1.0f);
  Bytes row(1024, std::byte{0x5A});
  int refused = 0;
  for (const lamina::FormatInfo& info : lamina::all_formats) {
    if (lamina::can_quantize(info.format)) continue;
    CHECK(!lamina::quantize_row(info.format, values.data(), values.size(), row.data()));
    ++refused;
  }
  CHECK(refused == 21);
  CHECK(row == Bytes(1024, std::byte{0x5A}));
}

TEST_CASE("values that cannot be encoded do no harm") {
  std::vector<float> values = random_values(256, 1.0f);
  values[3] = std::nanf("");
  values[40] = HUGE_VALF;
  values[77] = -HUGE_VALF;
  values[100] = 3e38f;
  for (const Format format : {Format::q8_0, Format::q4_0, Format::q4_k, Format::q5_k, Format::q6_k}) {
    CHECK(quantize(format, values).size() == lamina::row_bytes(format, 256));
  }
}
