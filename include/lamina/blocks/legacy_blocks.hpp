// SPDX-License-Identifier: Apache-2.0
// Readers of Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0: 32 elements with one scale (weight-files.md §4.2).
#pragma once

#include <lamina/blocks/block_codec.hpp>

namespace lamina {

/// f16 scale, 16 bytes of nibbles; value = d * (nibble - 8).
template <>
struct BlockCodec<Format::q4_0> : detail::HalfScalesAt<0> {
  static void codes(const std::byte* block, int /*part*/, CodeBlock& out) noexcept {
    detail::set_scale(out, detail::load_half(block));
    detail::fill_from_nibbles(out, detail::as_bytes(block + 2), [](int nibble, int) { return nibble - 8; });
  }
};

/// f16 scale, f16 minimum, 16 bytes of nibbles; value = d * nibble + m.
template <>
struct BlockCodec<Format::q4_1> : detail::HalfScalesAt<0, 2> {
  static void codes(const std::byte* block, int /*part*/, CodeBlock& out) noexcept {
    detail::set_scale(out, detail::load_half(block), -detail::load_half(block + 2));
    detail::fill_from_nibbles(out, detail::as_bytes(block + 4), [](int nibble, int) { return nibble; });
  }
};

/// f16 scale, 32 fifth bits, 16 bytes of nibbles; value = d * (nibble + 16 * bit - 16).
template <>
struct BlockCodec<Format::q5_0> : detail::HalfScalesAt<0> {
  static void codes(const std::byte* block, int /*part*/, CodeBlock& out) noexcept {
    const std::uint32_t high = detail::load_u32(block + 2);
    detail::set_scale(out, detail::load_half(block));
    detail::fill_from_nibbles(out, detail::as_bytes(block + 6), [high](int nibble, int e) {
      return nibble + static_cast<int>((high >> e & 1) << 4) - 16;
    });
  }
};

/// f16 scale, f16 minimum, 32 fifth bits, 16 bytes of nibbles; value = d * (nibble + 16 * bit) + m.
template <>
struct BlockCodec<Format::q5_1> : detail::HalfScalesAt<0, 2> {
  static void codes(const std::byte* block, int /*part*/, CodeBlock& out) noexcept {
    const std::uint32_t high = detail::load_u32(block + 4);
    detail::set_scale(out, detail::load_half(block), -detail::load_half(block + 2));
    detail::fill_from_nibbles(out, detail::as_bytes(block + 8), [high](int nibble, int e) {
      return nibble + static_cast<int>((high >> e & 1) << 4);
    });
  }
};

/// f16 scale, 32 signed bytes; value = d * byte.
template <>
struct BlockCodec<Format::q8_0> : detail::HalfScalesAt<0> {
  static void codes(const std::byte* block, int /*part*/, CodeBlock& out) noexcept {
    detail::set_scale(out, detail::load_half(block));
    std::memcpy(out.code, block + 2, sizeof out.code);
  }
};

}  // namespace lamina
