// SPDX-License-Identifier: Apache-2.0
// Readers of the encodings that index codebooks: IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, IQ1_S, IQ1_M.
// Source: weight-files.md §4.7. In all of them a part is four groups of eight elements.
#pragma once

#include <bit>

#include <lamina/blocks/block_codec.hpp>
#include <lamina/blocks/codebooks.hpp>

namespace lamina {

namespace detail {

/// Widens a seven-bit sign index: bit 7 makes the number of set bits even.
[[nodiscard]] constexpr unsigned with_parity(unsigned index) noexcept {
  return index | (static_cast<unsigned>(std::popcount(index)) & 1) << 7;
}

/// Sets `count` codes to the magnitudes, negated where the bit of `signs` is set (bit 0 for the first).
template <int Count>
inline void set_signed(std::int8_t* code, const std::int8_t (&magnitude)[Count], unsigned signs) noexcept {
  for (int j = 0; j < Count; ++j) {
    const int negative = -static_cast<int>(signs >> j & 1);  // 0 or all ones
    code[j] = static_cast<std::int8_t>((magnitude[j] ^ negative) - negative);
  }
}

/// Sets a group of IQ1: 8 * (G1 + delta) for delta = -1/8 or 1/8, so that it is an integer.
inline void set_shifted(std::int8_t* code, const std::int8_t (&value)[8], bool minus) noexcept {
  const int shift = minus ? -1 : 1;
  for (int j = 0; j < 8; ++j) code[j] = static_cast<std::int8_t>(8 * value[j] + shift);
}

/// The scales d * (0.5 + nibble) / 4 of IQ2_XS and IQ2_S; the low nibble belongs to the first 16 elements.
inline void set_half_step_scales(CodeBlock& out, float d, int nibbles) noexcept {
  set_scales(out, d * (0.5f + static_cast<float>(nibbles & 15)) * 0.25f,
             d * (0.5f + static_cast<float>(nibbles >> 4)) * 0.25f);
}

}  // namespace detail

/// f16 d, eight records of 4 index bytes and a word: four 7-bit sign indices, 4-bit scale.
template <>
struct BlockCodec<Format::iq2_xxs> : detail::HalfScalesAt<0> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    const std::byte* record = block + 2 + 8 * part;
    const std::uint32_t word = detail::load_u32(record + 4);
    detail::set_scale(out, detail::load_half(block) * (0.5f + static_cast<float>(word >> 28)) * 0.25f);
    for (int l = 0; l < 4; ++l) {
      detail::set_signed(out.code + 8 * l, codebook_g2xxs.value[detail::as_bytes(record)[l]],
                         detail::with_parity(word >> (7 * l) & 127));
    }
  }
};

/// f16 d, 32 words of a 9-bit index and a 7-bit sign index, 8 bytes of scale nibbles.
template <>
struct BlockCodec<Format::iq2_xs> : detail::HalfScalesAt<0> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    detail::set_half_step_scales(out, detail::load_half(block), detail::as_bytes(block + 66)[part]);
    for (int l = 0; l < 4; ++l) {
      const unsigned q = detail::load_u16(block + 2 + 2 * (4 * part + l));
      detail::set_signed(out.code + 8 * l, codebook_g2xs.value[q & 511], detail::with_parity(q >> 9));
    }
  }
};

/// f16 d, 32 low index bytes, 32 sign bytes, 8 bytes of upper index pairs, 8 bytes of scale nibbles.
template <>
struct BlockCodec<Format::iq2_s> : detail::HalfScalesAt<0> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    const std::uint8_t* low = detail::as_bytes(block + 2 + 4 * part);
    const std::uint8_t* signs = detail::as_bytes(block + 34 + 4 * part);
    const unsigned high = detail::as_bytes(block + 66)[part];
    detail::set_half_step_scales(out, detail::load_half(block), detail::as_bytes(block + 74)[part]);
    for (int l = 0; l < 4; ++l) {
      const unsigned index = low[l] | (high >> (2 * l) & 3) << 8;
      detail::set_signed(out.code + 8 * l, codebook_g2s.value[index], signs[l]);
    }
  }
};

/// f16 d, 64 index bytes (two for a group of eight), 8 words: four 7-bit sign indices, 4-bit scale.
template <>
struct BlockCodec<Format::iq3_xxs> : detail::HalfScalesAt<0> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    const std::uint8_t* index = detail::as_bytes(block + 2 + 8 * part);
    const std::uint32_t word = detail::load_u32(block + 66 + 4 * part);
    detail::set_scale(out, detail::load_half(block) * (0.5f + static_cast<float>(word >> 28)) * 0.5f);
    for (int l = 0; l < 4; ++l) {
      const unsigned signs = detail::with_parity(word >> (7 * l) & 127);
      detail::set_signed(out.code + 8 * l, codebook_g3xxs.value[index[2 * l]], signs);
      detail::set_signed(out.code + 8 * l + 4, codebook_g3xxs.value[index[2 * l + 1]], signs >> 4);
    }
  }
};

/// f16 d, 64 low index bytes, 8 bytes of ninth index bits, 32 sign bytes, 4 bytes of scale nibbles.
template <>
struct BlockCodec<Format::iq3_s> : detail::HalfScalesAt<0> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    const std::uint8_t* low = detail::as_bytes(block + 2 + 8 * part);
    const unsigned high = detail::as_bytes(block + 66)[part];
    const std::uint8_t* signs = detail::as_bytes(block + 74 + 4 * part);
    const int nibble = detail::as_bytes(block + 106)[part / 2] >> (part % 2 * 4) & 15;
    detail::set_scale(out, detail::load_half(block) * static_cast<float>(1 + 2 * nibble));
    for (int k = 0; k < 8; ++k) {  // groups of four
      const unsigned index = low[k] | (high >> k & 1) << 8;
      detail::set_signed(out.code + 4 * k, codebook_g3s.value[index], unsigned{signs[k / 2]} >> (k % 2 * 4));
    }
  }
};

/// f16 d, 32 low index bytes, 8 words: four 3-bit upper indices, 3-bit scale, sign of the shift.
template <>
struct BlockCodec<Format::iq1_s> : detail::HalfScalesAt<0> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    const std::uint8_t* low = detail::as_bytes(block + 2 + 4 * part);
    const unsigned word = detail::load_u16(block + 34 + 2 * part);
    const auto step = static_cast<float>(2 * (word >> 12 & 7) + 1);
    detail::set_scale(out, detail::load_half(block) * step * 0.125f);
    for (int l = 0; l < 4; ++l) {
      const unsigned index = low[l] | (word >> (3 * l) & 7) << 8;
      detail::set_shifted(out.code + 8 * l, codebook_g1.value[index], (word >> 15) != 0);
    }
  }
};

/// 32 low index bytes, 16 bytes of nibbles (3-bit upper index, sign of the shift), 4 words: the top nibbles
/// make up the f16 d, the rest holds 3-bit scales of 16 elements each.
template <>
struct BlockCodec<Format::iq1_m> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    const std::uint8_t* low = detail::as_bytes(block + 4 * part);
    const std::uint8_t* nibbles = detail::as_bytes(block + 32 + 2 * part);
    const unsigned steps = detail::load_u16(block + 48 + part / 2 * 2) >> (part % 2 * 6);
    const float d = half_to_float(scale_field(block));
    detail::set_scales(out, d * static_cast<float>(2 * (steps & 7) + 1) * 0.125f,
                       d * static_cast<float>(2 * (steps >> 3 & 7) + 1) * 0.125f);
    for (int l = 0; l < 4; ++l) {
      const unsigned nibble = unsigned{nibbles[l / 2]} >> (l % 2 * 4) & 15;
      detail::set_shifted(out.code + 8 * l, codebook_g1.value[low[l] | (nibble & 7) << 8], nibble >= 8);
    }
  }
  [[nodiscard]] static bool has_finite_scales(const std::byte* block) noexcept {
    return detail::is_finite_half(scale_field(block));
  }

 private:
  static std::uint16_t scale_field(const std::byte* block) noexcept {
    unsigned bits = 0;
    for (int k = 0; k < 4; ++k) bits |= unsigned{detail::load_u16(block + 48 + 2 * k)} >> 12 << (4 * k);
    return static_cast<std::uint16_t>(bits);
  }
};

}  // namespace lamina
