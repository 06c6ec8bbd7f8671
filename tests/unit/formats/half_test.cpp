// SPDX-License-Identifier: Apache-2.0
// f16 and bf16 conversions, exhaustively over all 16-bit patterns and their rounding boundaries.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

#include <lamina/formats/half.hpp>

namespace {

using lamina::bfloat_to_float;
using lamina::float_to_bfloat;
using lamina::float_to_half;
using lamina::half_to_float;

/// binary16 by its definition, in double arithmetic.
double half_by_definition(unsigned half) {
  const int exponent = static_cast<int>(half >> 10 & 31);
  const int mantissa = static_cast<int>(half & 1023);
  const double sign = (half & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 31) return sign * (mantissa == 0 ? HUGE_VAL : std::nan(""));
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

bool same_bits(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

}  // namespace

TEST_CASE("every f16 widens to its exact value and rounds back to itself") {
  int finite = 0;
  int nans = 0;
  for (unsigned half = 0; half < 65536; ++half) {
    const float value = half_to_float(static_cast<std::uint16_t>(half));
    const double expected = half_by_definition(half);
    if (std::isnan(expected)) {
      REQUIRE(std::isnan(value));
      REQUIRE(std::signbit(value) == ((half & 0x8000) != 0));
      REQUIRE(float_to_half(value) == (half | 0x0200));  // payload kept, quiet
      ++nans;
    } else {
      REQUIRE(same_bits(value, static_cast<float>(expected)));
      REQUIRE(float_to_half(value) == half);
      finite += std::isfinite(value) ? 1 : 0;
    }
  }
  CHECK(finite == 2 * 31 * 1024);
  CHECK(nans == 2 * 1023);
}

TEST_CASE("float32 rounds to the nearest f16, ties to even, at every boundary") {
  const float infinity = std::numeric_limits<float>::infinity();
  int boundaries = 0;
  for (unsigned half = 0; half < 0x7C00; ++half) {
    const double low = half_by_definition(half);
    // The step above the largest finite f16 leads to 65536, which is written as infinity.
    const double high = half == 0x7BFF ? 65536.0 : half_by_definition(half + 1);
    const auto middle = static_cast<float>((low + high) / 2);  // exact: one bit more than f16
    const auto even = static_cast<std::uint16_t>(half + (half & 1));
    for (const float sign : {1.0f, -1.0f}) {
      const unsigned sign_bit = sign < 0 ? 0x8000 : 0;
      REQUIRE(float_to_half(sign * middle) == (even | sign_bit));
      REQUIRE(float_to_half(sign * std::nextafter(middle, 0.0f)) == (half | sign_bit));
      REQUIRE(float_to_half(sign * std::nextafter(middle, infinity)) == ((half + 1) | sign_bit));
    }
    ++boundaries;
  }
  CHECK(boundaries == 0x7C00);
  CHECK(float_to_half(infinity) == 0x7C00);
  CHECK(float_to_half(-infinity) == 0xFC00);
  CHECK(float_to_half(std::numeric_limits<float>::max()) == 0x7C00);
  CHECK(float_to_half(std::numeric_limits<float>::denorm_min()) == 0);
  CHECK(float_to_half(-0.0f) == 0x8000);
  CHECK((float_to_half(std::bit_cast<float>(0x7F800001u)) & 0x7E00) == 0x7E00);
}

TEST_CASE("bf16 is the upper half of float32, rounded to nearest even") {
  int finite = 0;
  for (std::uint32_t bfloat = 0; bfloat < 65536; ++bfloat) {
    const float value = bfloat_to_float(static_cast<std::uint16_t>(bfloat));
    REQUIRE(std::bit_cast<std::uint32_t>(value) == bfloat << 16);
    if (std::isnan(value)) {
      REQUIRE(float_to_bfloat(value) == (bfloat | 0x0040));
      continue;
    }
    REQUIRE(float_to_bfloat(value) == bfloat);
    if (!std::isfinite(value)) continue;
    const std::uint32_t middle = (bfloat << 16) + 0x8000;
    REQUIRE(float_to_bfloat(std::bit_cast<float>(middle)) == bfloat + (bfloat & 1));
    REQUIRE(float_to_bfloat(std::bit_cast<float>(middle - 1)) == bfloat);
    REQUIRE(float_to_bfloat(std::bit_cast<float>(middle + 1)) == bfloat + 1);
    ++finite;
  }
  CHECK(finite == 2 * 255 * 128);
  CHECK(float_to_bfloat(std::bit_cast<float>(0x7F800001u)) == 0x7FC0);  // payload in the lost bits stays NaN
}
