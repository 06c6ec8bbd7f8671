// SPDX-License-Identifier: Apache-2.0
// The 16-bit floating-point types of weight files, f16 and bf16, to and from float32 (weight-files.md §4.1).
#pragma once

#include <bit>
#include <cstdint>

#include <lamina/core/config.hpp>

namespace lamina {

/// Widens an IEEE binary16 exactly: subnormals, infinities and the payload of NaN included.
///
/// Works without float32 subnormals, so it is right in programs that flush them to zero, and without
/// branches, so that loops over it vectorise.
[[nodiscard]] constexpr float half_to_float(std::uint16_t half) noexcept {
  const std::uint32_t magnitude = static_cast<std::uint32_t>(half & 0x7FFF) << 13;
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16;
  // The exponent moves from bias 15 to bias 127; its all-ones value has to become all ones again.
  const std::uint32_t normal = magnitude + (112u << 23) + ((half & 0x7C00) == 0x7C00 ? 112u << 23 : 0u);
  // A subnormal is m * 2^-24: (1 + m / 1024) * 2^-14 - 2^-14, both exact.
  const float subnormal = std::bit_cast<float>(magnitude + (113u << 23)) - std::bit_cast<float>(113u << 23);
  const std::uint32_t is_subnormal = 0u - static_cast<std::uint32_t>((half & 0x7C00) == 0);  // a mask
  const std::uint32_t bits =
      (std::bit_cast<std::uint32_t>(subnormal) & is_subnormal) | (normal & ~is_subnormal);
  return std::bit_cast<float>(bits | sign);
}

/// Rounds to IEEE binary16, nearest even; beyond 65504 + 1/2 ulp to infinity, NaN to a quiet NaN.
[[nodiscard]] constexpr std::uint16_t float_to_half(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000;
  const std::uint32_t magnitude = bits & 0x7FFF'FFFF;
  std::uint32_t half = 0;
  if (magnitude > 0x7F80'0000) {
    half = 0x7E00 | (magnitude >> 13 & 0x3FF);
  } else if (magnitude >=
             143u << 23) {  // 65536 and more; what lies between 65504 and that rounds by its carry
    half = 0x7C00;
  } else if (magnitude >= 113u << 23) {
    half = (magnitude + 0xFFF + (magnitude >> 13 & 1) - (112u << 23)) >> 13;
  } else {
    // One unit in the last place of 0.5 is 2^-24, the step of f16 subnormals: the addition rounds.
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - (126u << 23);
  }
  return static_cast<std::uint16_t>(sign | half);
}

/// Widens a bfloat16 exactly: it is the upper half of a float32.
[[nodiscard]] constexpr float bfloat_to_float(std::uint16_t bfloat) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bfloat) << 16);
}

/// Rounds to bfloat16, nearest even; NaN keeps its upper bits and becomes quiet.
[[nodiscard]] constexpr std::uint16_t float_to_bfloat(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = bits + 0x7FFF + (bits >> 16 & 1);
  const bool is_nan = (bits & 0x7FFF'FFFF) > 0x7F80'0000;
  return static_cast<std::uint16_t>((is_nan ? bits | 0x0040'0000 : rounded) >> 16);
}

static_assert(half_to_float(0x3C00) == 1.0f && half_to_float(0x0001) == 0x1p-24f &&
              half_to_float(0xFBFF) == -65504.0f);
static_assert(float_to_half(65519.0f) == 0x7BFF && float_to_half(65520.0f) == 0x7C00 &&
              float_to_half(-0x1p-25f) == 0x8000);
static_assert(float_to_bfloat(1.00390625f) == 0x3F80 && float_to_bfloat(1.01171875f) == 0x3F82);

}  // namespace lamina
