// SPDX-License-Identifier: Apache-2.0
// Writers of single blocks: Q8_0 and Q4_0 exactly as the reference rounds, Q4_K, Q5_K and Q6_K by simple
// rounding. Source: weight-files.md §4.10; layouts §4.2, §4.3.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <lamina/formats/format.hpp>
#include <lamina/formats/half.hpp>

namespace lamina {

/// Writes one block of `F` from `info_of(F).block_elements` floats:
///
///   static void write(const float* values, std::byte* block) noexcept;
///
/// Requires finite values whose scale fits f16 (magnitude below about 65504 times the largest code). Others
/// give blocks without meaning, never undefined behaviour.
template <Format F>
struct BlockWriter;

namespace detail {

inline void store_u8(std::byte* out, int value) noexcept { *out = static_cast<std::byte>(value & 255); }

inline void store_u16(std::byte* out, std::uint16_t value) noexcept {
  store_u8(out, value);
  store_u8(out + 1, value >> 8);
}

/// Writes an f16 and returns the value that readers will see.
inline float store_half(std::byte* out, float value) noexcept {
  const std::uint16_t half = float_to_half(value);
  store_u16(out, half);
  return half_to_float(half);
}

/// Converts to an integer between the limits, toward zero; NaN gives `lowest`.
[[nodiscard]] inline int clamp_to_int(float value, int lowest, int highest) noexcept {
  if (!(value > static_cast<float>(lowest))) return lowest;
  return value < static_cast<float>(highest) ? static_cast<int>(value) : highest;
}

/// The same with rounding, halves away from zero.
[[nodiscard]] inline int round_to_int(float value, int lowest, int highest) noexcept {
  return clamp_to_int(std::round(value), lowest, highest);
}

[[nodiscard]] inline float inverse_or_zero(float value) noexcept {
  return value != 0.0f ? 1.0f / value : 0.0f;
}

/// Makes the compiler store the values, so that it cannot fuse the products among them into a later addition:
/// the reference rounds twice, and a fused multiply-add changes codes.
template <int Count>
inline void settle(float (&values)[Count]) noexcept {
  __asm__("" : "+m"(values));
}

/// The value of largest magnitude with its sign, the first one on ties; 0 for all zeros.
[[nodiscard]] inline float signed_extreme(const float* values, int count) noexcept {
  float extreme = 0.0f;
  for (int i = 0; i < count; ++i) {
    if (std::fabs(values[i]) > std::fabs(extreme)) extreme = values[i];
  }
  return extreme;
}

}  // namespace detail

// --- Reference rounding (§4.10): codes come from the unrounded scale ---

template <>
struct BlockWriter<Format::q8_0> {
  static void write(const float* values, std::byte* block) noexcept {
    const float d = std::fabs(detail::signed_extreme(values, 32)) / 127.0f;
    const float inverse = detail::inverse_or_zero(d);
    detail::store_half(block, d);
    for (int i = 0; i < 32; ++i)
      detail::store_u8(block + 2 + i, detail::round_to_int(values[i] * inverse, -127, 127));
  }
};

template <>
struct BlockWriter<Format::q4_0> {
  static void write(const float* values, std::byte* block) noexcept {
    const float d = detail::signed_extreme(values, 32) / -8.0f;
    const float inverse = detail::inverse_or_zero(d);
    detail::store_half(block, d);
    float scaled[32];
    for (int i = 0; i < 32; ++i) scaled[i] = values[i] * inverse;
    detail::settle(scaled);
    for (int i = 0; i < 16; ++i) {
      const int low = detail::clamp_to_int(scaled[i] + 8.5f, 0, 15);
      const int high = detail::clamp_to_int(scaled[i + 16] + 8.5f, 0, 15);
      detail::store_u8(block + 2 + i, low | high << 4);
    }
  }
};

// --- Simple rounding of the K types: right layout, not the search of published quantisers ---

namespace detail {

/// Packs eight 6-bit scales and minima into 12 bytes (table S of §4.3).
inline void pack_scales_and_minima(const int (&scale)[8], const int (&minimum)[8],
                                   std::byte* packed) noexcept {
  for (int j = 0; j < 4; ++j) {
    store_u8(packed + j, scale[j] | (scale[j + 4] >> 4) << 6);
    store_u8(packed + j + 4, minimum[j] | (minimum[j + 4] >> 4) << 6);
    store_u8(packed + j + 8, (scale[j + 4] & 15) | (minimum[j + 4] & 15) << 4);
  }
}

/// Writes the 16 bytes that begin a Q4_K or Q5_K block and computes the 256 codes 0..highest.
inline void quantize_with_minima(const float* values, int highest, std::byte* block,
                                 int (&code)[256]) noexcept {
  float step[8];
  float low[8];
  for (int j = 0; j < 8; ++j) {
    const auto [least, greatest] = std::minmax_element(values + 32 * j, values + 32 * j + 32);
    low[j] = std::fmax(0.0f, -*least);
    step[j] = (std::fmax(0.0f, *greatest) + low[j]) / static_cast<float>(highest);
  }
  const float d = store_half(block, *std::max_element(step, step + 8) / 63.0f);
  const float dmin = store_half(block + 2, *std::max_element(low, low + 8) / 63.0f);
  int scale[8];
  int minimum[8];
  for (int j = 0; j < 8; ++j) {
    scale[j] = round_to_int(step[j] * inverse_or_zero(d), 0, 63);
    minimum[j] = round_to_int(low[j] * inverse_or_zero(dmin), 0, 63);
    const float inverse = inverse_or_zero(d * static_cast<float>(scale[j]));
    const float offset = dmin * static_cast<float>(minimum[j]);  // exact: 11 + 6 bits
    for (int i = 32 * j; i < 32 * j + 32; ++i)
      code[i] = round_to_int((values[i] + offset) * inverse, 0, highest);
  }
  pack_scales_and_minima(scale, minimum, block + 4);
}

/// Writes the lower four bits of 256 codes: 64 elements in 32 bytes, the first 32 in the low nibbles.
inline void pack_nibbles(const int (&code)[256], std::byte* out) noexcept {
  for (int i = 0; i < 128; ++i) {
    const int first = i / 32 * 64 + i % 32;
    store_u8(out + i, (code[first] & 15) | (code[first + 32] & 15) << 4);
  }
}

}  // namespace detail

template <>
struct BlockWriter<Format::q4_k> {
  static void write(const float* values, std::byte* block) noexcept {
    int code[256];
    detail::quantize_with_minima(values, 15, block, code);
    detail::pack_nibbles(code, block + 16);
  }
};

template <>
struct BlockWriter<Format::q5_k> {
  static void write(const float* values, std::byte* block) noexcept {
    int code[256];
    detail::quantize_with_minima(values, 31, block, code);
    for (int l = 0; l < 32; ++l) {
      int high = 0;
      for (int b = 0; b < 8; ++b) high |= (code[32 * b + l] >> 4) << b;
      detail::store_u8(block + 16 + l, high);
    }
    detail::pack_nibbles(code, block + 48);
  }
};

template <>
struct BlockWriter<Format::q6_k> {
  static void write(const float* values, std::byte* block) noexcept {
    float step[16];
    for (int s = 0; s < 16; ++s) step[s] = detail::signed_extreme(values + 16 * s, 16) / -32.0f;
    const float d = detail::store_half(block + 208, detail::signed_extreme(step, 16) / -128.0f);
    int code[256];
    for (int s = 0; s < 16; ++s) {
      const int scale = detail::round_to_int(step[s] * detail::inverse_or_zero(d), -128, 127);
      const float inverse = detail::inverse_or_zero(d * static_cast<float>(scale));
      detail::store_u8(block + 192 + s, scale);
      for (int i = 16 * s; i < 16 * s + 16; ++i)
        code[i] = detail::round_to_int(values[i] * inverse, -32, 31) + 32;
    }
    for (int i = 0; i < 64; ++i) {  // 128 elements in four groups of 32 make 64 low and 32 high bytes
      const int* group = code + i / 32 * 128 + i % 32;
      const int low = i / 32 * 64 + i % 32;
      detail::store_u8(block + low, (group[0] & 15) | (group[64] & 15) << 4);
      detail::store_u8(block + low + 32, (group[32] & 15) | (group[96] & 15) << 4);
      detail::store_u8(block + 128 + i,
                       group[0] >> 4 | (group[32] >> 4) << 2 | (group[64] >> 4) << 4 | (group[96] >> 4) << 6);
    }
  }
};

}  // namespace lamina
