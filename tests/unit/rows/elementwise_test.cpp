// SPDX-License-Identifier: Apache-2.0
// Row arithmetic and conversions: exact results, tails, rounding to bf16 and int8.
#define HWY_TARGET_INCLUDE "unit/rows/elementwise_test.cpp"
#include <lamina/testing/for_each_target.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <lamina/rows/elementwise-inl.hpp>
#include <support/kernel_data.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace {

void test_rows() {
  for (const std::size_t n : {1U, 3U, 8U, 15U, 16U, 17U, 65U}) {
    INFO("target ", std::string(hwy::TargetName(HWY_TARGET)), ", n ", n);
    const auto x = test::normal_vector(n + 2, 61);
    const auto y = test::normal_vector(n + 2, 62);
    auto scaled = x, sum = x, fused = x;
    scale(scaled.data() + 1, n, 0.3F);
    add(sum.data() + 1, y.data() + 1, n);
    multiply_add(fused.data() + 1, y.data() + 1, 0.3F, n);
    for (std::size_t i = 1; i <= n; ++i) {
      CHECK(scaled[i] == x[i] * 0.3F);
      CHECK(sum[i] == x[i] + y[i]);
      const double exact = static_cast<double>(x[i]) + static_cast<double>(y[i]) * static_cast<double>(0.3F);
      CHECK(std::fabs(static_cast<double>(fused[i]) - exact) < 5e-7);
    }
    for (const auto* row : {&scaled, &sum, &fused}) {
      CHECK(row->front() == x.front());
      CHECK(row->back() == x.back());
    }
  }
}

void test_bf16() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  // Ties go to the even neighbour; one bit beyond the tie goes up; infinity and NaN stay what they are.
  const std::uint32_t bits[] = {0x3F808000U, 0x3F818000U, 0x3F808001U, 0x3F807FFFU, 0xBF818000U, 0x7F7FFFFFU,
                                0x7F800000U, 0xFF800000U, 0x7F800001U, 0x00000001U, 0x80000000U};
  const std::uint16_t expected[] = {0x3F80, 0x3F82, 0x3F81, 0x3F80, 0xBF82, 0x7F80,
                                    0x7F80, 0xFF80, 0x7FC0, 0x0000, 0x8000};
  float x[11];
  for (std::size_t i = 0; i < 11; ++i) x[i] = std::bit_cast<float>(bits[i]);
  std::uint16_t out[11];
  to_bf16(x, out, 11);
  for (std::size_t i = 0; i < 11; ++i) CHECK(out[i] == expected[i]);
  // Widening is exact: all 65536 patterns come back.
  std::vector<std::uint16_t> all(65536), back(65536);
  std::vector<float> wide(65536);
  for (std::size_t i = 0; i < 65536; ++i) all[i] = static_cast<std::uint16_t>(i);
  for (std::size_t i = 0; i < 65536; ++i) wide[i] = bfloat_to_float(all[i]);
  to_bf16(wide.data(), back.data(), 65536);
  std::size_t changed = 0;
  for (std::size_t i = 0; i < 65536; ++i) changed += back[i] != all[i] && !std::isnan(wide[i]);
  CHECK(changed == 0);
}

void test_int8() {
  for (const std::size_t n : {1U, 2U, 17U, 256U, 513U}) {
    INFO("target ", std::string(hwy::TargetName(HWY_TARGET)), ", n ", n);
    const auto x = test::normal_vector(n, 71 + n, 0.01F);
    std::vector<std::int8_t> codes(n + 1, std::int8_t{99});
    const float factor = to_int8(x.data(), codes.data(), n);
    CHECK(codes[n] == 99);
    double worst = 0.0;
    int largest = 0;
    for (std::size_t i = 0; i < n; ++i) {
      worst = std::max(worst, std::fabs(static_cast<double>(codes[i]) * static_cast<double>(factor) -
                                        static_cast<double>(x[i])));
      largest = std::max(largest, std::abs(static_cast<int>(codes[i])));
    }
    CHECK(worst <= static_cast<double>(factor) * 0.50001);
    CHECK(largest == 127);
  }
  const float zeros[] = {0.0F, -0.0F, 0.0F};
  std::int8_t codes[3] = {1, 1, 1};
  CHECK(to_int8(zeros, codes, 3) == 0.0F);
  CHECK(codes[0] == 0);
  CHECK(codes[2] == 0);
  // The smallest rows: 127 / max would overflow.
  const float tiny[] = {1e-40F, -1e-40F};
  std::int8_t tiny_codes[2] = {};
  const float factor = to_int8(tiny, tiny_codes, 2);
  CHECK(std::isfinite(factor));
  CHECK(std::fabs(static_cast<float>(tiny_codes[0]) * factor) <= 1.1e-40F);
}

/// No conversion makes a number of what is none.
void test_not_finite() {
  INFO("target ", std::string(hwy::TargetName(HWY_TARGET)));
  int wrong = 0;
  for (const float damage : test::not_finite) {
    for (std::size_t at = 0; at < 37; ++at) {
      auto x = test::normal_vector(37, 73);
      x[at] = damage;
      std::vector<std::int8_t> codes(37);
      wrong += std::isfinite(to_int8(x.data(), codes.data(), 37));
      std::vector<std::uint16_t> bits(37);
      std::vector<float> back(37);
      to_bf16(x.data(), bits.data(), 37);
      for (std::size_t i = 0; i < 37; ++i) back[i] = bfloat_to_float(bits[i]);
      for (std::size_t i = 0; i < 37; ++i) {
        wrong += std::isnan(back[i]) != std::isnan(x[i]) || std::isinf(back[i]) != std::isinf(x[i]);
      }
    }
  }
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lamina {
HWY_EXPORT(test_rows);
HWY_EXPORT(test_bf16);
HWY_EXPORT(test_int8);
HWY_EXPORT(test_not_finite);
TEST_CASE("row arithmetic is exact and keeps to its row") { CHECK(LAMINA_ON_EACH_TARGET(test_rows) > 0); }
TEST_CASE("bf16 rounds to nearest even") { CHECK(LAMINA_ON_EACH_TARGET(test_bf16) > 0); }
TEST_CASE("int8 codes are within half a step") { CHECK(LAMINA_ON_EACH_TARGET(test_int8) > 0); }
TEST_CASE("conversions do not hide NaN and infinities") { CHECK(LAMINA_ON_EACH_TARGET(test_not_finite) > 0); }
}  // namespace lamina
#endif
