// SPDX-License-Identifier: Apache-2.0
// Readers of the one- and two-bit encodings without tables: TQ1_0, TQ2_0, Q1_0, Q2_0 (weight-files.md §4.8).
#pragma once

#include <lamina/blocks/block_codec.hpp>

namespace lamina {

/// 48 + 4 bytes of base-3 digits (five to a byte, four in the last 4), f16 d; value = d * (digit - 1).
template <>
struct BlockCodec<Format::tq1_0> : detail::HalfScalesAt<52> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    const std::uint8_t* q = detail::as_bytes(block);
    detail::set_scale(out, detail::load_half(block + 52));
    if (part < 5) {
      detail::fill_codes(out, [=](int e) { return digit(q[e], part) - 1; });
    } else if (part < 7) {
      detail::fill_codes(out, [=](int e) { return digit(q[32 + e % 16], 2 * (part - 5) + e / 16) - 1; });
    } else {
      detail::fill_codes(out, [=](int e) {
        return (e < 16 ? digit(q[32 + e], 4) : digit(q[48 + e % 4], (e - 16) / 4)) - 1;
      });
    }
  }

 private:
  /// Digit `n` (0 = first): the byte is a fraction of 256, so multiplying by 3 moves digits over the point.
  static int digit(unsigned byte, int n) noexcept {
    constexpr std::uint8_t power[5] = {1, 3, 9, 27, 81};
    return static_cast<int>((byte * power[n] & 255) * 3 >> 8);
  }
};

/// 64 bytes of 2-bit codes in the order of Q2_K, f16 d; value = d * (code - 1).
template <>
struct BlockCodec<Format::tq2_0> : detail::HalfScalesAt<64> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    const std::uint8_t* q = detail::as_bytes(block + part / 4 * 32);
    const int shift = part % 4 * 2;
    detail::set_scale(out, detail::load_half(block + 64));
    detail::fill_codes(out, [q, shift](int e) { return (q[e] >> shift & 3) - 1; });
  }
};

/// f16 d, 128 bits; value = d where the bit is set, else -d.
template <>
struct BlockCodec<Format::q1_0> : detail::HalfScalesAt<0> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    const std::uint32_t bits = detail::load_u32(block + 2 + 4 * part);
    detail::set_scale(out, detail::load_half(block));
    detail::fill_codes(out, [bits](int e) { return static_cast<int>(bits >> e & 1) * 2 - 1; });
  }
};

/// f16 d, 64 2-bit codes, four consecutive elements to a byte; value = d * (code - 1).
template <>
struct BlockCodec<Format::q2_0> : detail::HalfScalesAt<0> {
  static void codes(const std::byte* block, int part, CodeBlock& out) noexcept {
    const std::uint8_t* q = detail::as_bytes(block + 2 + 8 * part);
    detail::set_scale(out, detail::load_half(block));
    detail::fill_codes(out, [q](int e) { return (q[e / 4] >> (e % 4 * 2) & 3) - 1; });
  }
};

}  // namespace lamina
