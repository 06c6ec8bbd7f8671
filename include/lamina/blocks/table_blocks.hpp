// SPDX-License-Identifier: Apache-2.0
// Readers of the encodings whose nibbles index a table of 16 values: IQ4_NL, IQ4_XS, MXFP4 and NVFP4.
// Source: weight-files.md §4.2, §4.4, §4.5, §4.6.
#pragma once

#include <bit>

#include <lamina/blocks/block_codec.hpp>

namespace lamina {

/// Values of IQ4_NL and IQ4_XS nibbles; aligned for vector loads.
alignas(16) inline constexpr std::int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                           1,    13,   25,  38,  53,  69,  89,  113};

/// Twice the values of MXFP4 and NVFP4 nibbles (E2M1), so that they are integers.
inline constexpr std::int8_t doubled_e2m1_values[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                                        0, -1, -2, -3, -4, -6, -8, -12};

/// Half the value of an MXFP4 exponent byte (E8M0): 2^(x - 128), exact down to the subnormals 2^-128 and
/// 2^-127. 255, NaN by the OCP standard, gives 2^127 as in the reference implementation.
[[nodiscard]] constexpr float half_of_e8m0(std::uint8_t x) noexcept {
  return std::bit_cast<float>(x < 2 ? 0x0020'0000u << x : (x - 1u) << 23);
}

/// Half the value of an NVFP4 scale byte (E4M3 without sign, bias 7); bit 7 is no part of the number.
/// 0x7F, NaN in E4M3, gives 0 as in the reference implementation, which compares all eight bits: 0xFF gives
/// 240.
[[nodiscard]] constexpr float half_of_ue4m3(std::uint8_t x) noexcept {
  if (x == 0x7F) return 0.0f;
  const std::uint32_t exponent = x >> 3 & 15;
  const std::uint32_t mantissa = x & 7;
  if (exponent == 0) return static_cast<float>(mantissa) * 0x1p-10f;
  return std::bit_cast<float>((exponent + 127 - 8) << 23 | mantissa << 20);
}

/// f16 scale, 16 bytes of nibbles; value = d * iq4_values[nibble].
template <>
struct BlockCodec<Format::iq4_nl> : detail::HalfScalesAt<0> {
  static void codes(const std::byte* block, int /*part*/, CodeBlock& out) noexcept {
    detail::set_scale(out, detail::load_half(block));
    detail::fill_from_nibbles(out, detail::as_bytes(block + 2),
                              [](int nibble, int) { return iq4_values[nibble]; });
  }
};

/// f16 d, u16 of upper scale bits, 4 bytes of lower scale nibbles, 128 bytes of nibbles; 6-bit scales
/// less 32.
template <>
struct BlockCodec<Format::iq4_xs> : detail::HalfScalesAt<0> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    const int low = detail::as_bytes(block + 4)[part / 2] >> (part % 2 * 4) & 15;
    const int high = detail::load_u16(block + 2) >> (2 * part) & 3;
    detail::set_scale(out, detail::load_half(block) * static_cast<float>(low + high * 16 - 32));
    detail::fill_from_nibbles(out, detail::as_bytes(block + 8 + 16 * part),
                              [](int nibble, int) { return iq4_values[nibble]; });
  }
};

/// Exponent byte, 16 bytes of nibbles.
template <>
struct BlockCodec<Format::mxfp4> {
  static void codes(const std::byte* block, int /*part*/, CodeBlock& out) noexcept {
    detail::set_scale(out, half_of_e8m0(*detail::as_bytes(block)));
    detail::fill_from_nibbles(out, detail::as_bytes(block + 1),
                              [](int nibble, int) { return doubled_e2m1_values[nibble]; });
  }
  [[nodiscard]] static bool has_finite_scales(const std::byte* block) noexcept {
    return *detail::as_bytes(block) != 255;
  }
};

/// 4 scale bytes, 32 bytes of nibbles; sub-blocks of 16 elements, each 8 bytes in nibble split order.
/// The tensor's second scale (`WeightMatrix::scales`) is not part of the block and not applied here.
template <>
struct BlockCodec<Format::nvfp4> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    const std::uint8_t* scale = detail::as_bytes(block + 2 * part);
    detail::set_scales(out, half_of_ue4m3(scale[0]), half_of_ue4m3(scale[1]));
    const std::uint8_t* q = detail::as_bytes(block + 4 + 16 * part);
    detail::fill_codes(
        out, [q](int e) { return doubled_e2m1_values[q[e / 16 * 8 + e % 8] >> (e / 8 % 2 * 4) & 15]; });
  }
  [[nodiscard]] static bool has_finite_scales(const std::byte* /*block*/) noexcept { return true; }
};

}  // namespace lamina
