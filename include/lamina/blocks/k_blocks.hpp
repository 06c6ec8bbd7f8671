// SPDX-License-Identifier: Apache-2.0
// Readers of Q2_K, Q3_K, Q4_K, Q5_K and Q6_K: 256 elements with sub-scales (weight-files.md §4.3).
#pragma once

#include <lamina/blocks/block_codec.hpp>

namespace lamina {

namespace detail {

/// A six-bit scale and minimum of Q4_K and Q5_K.
struct ScaleAndMinimum {
  int scale;
  int minimum;
};

/// Unpacks pair `j` (0..7) of the 12 bytes that hold eight of them.
[[nodiscard]] inline ScaleAndMinimum load_scale_and_minimum(const std::byte* packed, int j) noexcept {
  const std::uint8_t* s = as_bytes(packed);
  if (j < 4) return {s[j] & 63, s[j + 4] & 63};
  return {(s[j + 4] & 15) | (s[j - 4] >> 6) << 4, (s[j + 4] >> 4) | (s[j] >> 6) << 4};
}

/// Sets scale d * scale_j and offset dmin * minimum_j of a Q4_K or Q5_K block, whose first 16 bytes are
/// alike.
inline void set_scale_and_minimum(CodeBlock& out, const std::byte* block, int j) noexcept {
  const ScaleAndMinimum pair = load_scale_and_minimum(block + 4, j);
  set_scale(out, load_half(block) * static_cast<float>(pair.scale),
            load_half(block + 2) * static_cast<float>(pair.minimum));
}

}  // namespace detail

/// 16 bytes (scale | minimum << 4), 64 bytes of 2-bit codes, f16 d, f16 dmin.
template <>
struct BlockCodec<Format::q2_k> : detail::HalfScalesAt<80, 82> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    const float d = detail::load_half(block + 80);
    const float dmin = detail::load_half(block + 82);
    for (int h = 0; h < 2; ++h) {
      const int packed = detail::as_bytes(block)[2 * part + h];
      out.scale[h] = d * static_cast<float>(packed & 15);
      out.offset[h] = dmin * static_cast<float>(packed >> 4);
    }
    const std::uint8_t* q = detail::as_bytes(block + 16 + part / 4 * 32);
    const int shift = part % 4 * 2;
    detail::fill_codes(out, [q, shift](int e) { return q[e] >> shift & 3; });
  }
};

/// 32 bytes of third bits, 64 bytes of 2-bit codes, 12 bytes of 6-bit scales, f16 d.
template <>
struct BlockCodec<Format::q3_k> : detail::HalfScalesAt<108> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    const float d = detail::load_half(block + 108);
    detail::set_scales(out, d * static_cast<float>(scale(block + 96, 2 * part)),
                       d * static_cast<float>(scale(block + 96, 2 * part + 1)));
    const std::uint8_t* high = detail::as_bytes(block);
    const std::uint8_t* q = detail::as_bytes(block + 32 + part / 4 * 32);
    const int shift = part % 4 * 2;
    // A clear third bit means minus 4.
    detail::fill_codes(out, [=](int e) { return (q[e] >> shift & 3) + (high[e] >> part & 1) * 4 - 4; });
  }

 private:
  static int scale(const std::byte* packed, int i) noexcept {
    const std::uint8_t* s = detail::as_bytes(packed);
    const int low = i < 8 ? s[i] & 15 : s[i - 8] >> 4;
    const int high = s[8 + i % 4] >> (i / 4 * 2) & 3;
    return low + high * 16 - 32;
  }
};

/// f16 d, f16 dmin, 12 bytes of 6-bit scales and minima, 128 bytes of nibbles.
template <>
struct BlockCodec<Format::q4_k> : detail::HalfScalesAt<0, 2> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    detail::set_scale_and_minimum(out, block, part);
    const std::uint8_t* q = detail::as_bytes(block + 16 + part / 2 * 32);
    const int shift = part % 2 * 4;
    detail::fill_codes(out, [q, shift](int e) { return q[e] >> shift & 15; });
  }
};

/// As Q4_K, with 32 bytes of fifth bits (bit b for sub-block b) before the nibbles.
template <>
struct BlockCodec<Format::q5_k> : detail::HalfScalesAt<0, 2> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    detail::set_scale_and_minimum(out, block, part);
    const std::uint8_t* high = detail::as_bytes(block + 16);
    const std::uint8_t* q = detail::as_bytes(block + 48 + part / 2 * 32);
    const int shift = part % 2 * 4;
    detail::fill_codes(out, [=](int e) { return (q[e] >> shift & 15) + (high[e] >> part & 1) * 16; });
  }
};

/// 128 bytes of low nibbles, 64 bytes of upper 2-bit pairs, 16 signed scales of 16 elements each, f16 d.
template <>
struct BlockCodec<Format::q6_k> : detail::HalfScalesAt<208> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    const float d = detail::load_half(block + 208);
    std::int8_t scale[2];
    std::memcpy(scale, block + 192 + 2 * part, sizeof scale);
    detail::set_scales(out, d * static_cast<float>(scale[0]), d * static_cast<float>(scale[1]));
    const int group = part % 4;  // 32 elements of the half block part / 4
    const std::uint8_t* low = detail::as_bytes(block + part / 4 * 64 + group % 2 * 32);
    const std::uint8_t* high = detail::as_bytes(block + 128 + part / 4 * 32);
    const int low_shift = group / 2 * 4;
    const int high_shift = group * 2;
    detail::fill_codes(
        out, [=](int e) { return (low[e] >> low_shift & 15) + (high[e] >> high_shift & 3) * 16 - 32; });
  }
};

}  // namespace lamina
