// SPDX-License-Identifier: Apache-2.0
// Reads UTF-8 one character at a time, with Unicode's maximal-subpart rule, and tells what may be shown.
// Source: tokenizer-and-chat.md §3 (invalid input).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <lamina/core/config.hpp>

namespace lamina {

// Parts of a text. `std::string_view::substr` refers to what throws, and so to a heap, also where it never
// does.

/// The first `count` bytes. Requires count <= size.
[[nodiscard]] constexpr std::string_view head_of(std::string_view text, std::size_t count) noexcept {
  return {text.data(), count};
}
/// All but the first `count` bytes. Requires count <= size.
[[nodiscard]] constexpr std::string_view tail_of(std::string_view text, std::size_t count) noexcept {
  return {text.data() + count, text.size() - count};
}

enum class Utf8Status : std::uint8_t {
  valid,       ///< one whole scalar value
  ill_formed,  ///< bytes that can never become valid: one maximal ill-formed part
  incomplete,  ///< a valid beginning that the text ends in
};

/// What the first bytes of a text are.
struct Utf8Step {
  Utf8Status status = Utf8Status::valid;
  std::uint8_t size = 0;  ///< bytes taken
  char32_t scalar = 0;    ///< the scalar value when valid
};

/// Reads the first scalar value of a text that is not empty.
///
/// An ill-formed part is what Unicode 15 §3.9 calls a maximal subpart, the unit that Python's "replace"
/// handler turns into one U+FFFD: surrogates and overlong forms end at the first byte that cannot continue.
[[nodiscard]] constexpr Utf8Step decode_utf8(std::string_view text) noexcept {
  const auto byte = [text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return {Utf8Status::valid, 1, lead};
  if (lead < 0xC2 || lead > 0xF4) return {Utf8Status::ill_formed, 1, 0};
  const std::uint8_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // Bounds of the second byte rule out overlong forms, surrogates and values above U+10FFFF.
  const std::uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const std::uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  char32_t scalar = lead & (0x7F >> size);
  for (std::uint8_t i = 1; i < size; ++i) {
    if (i >= text.size()) return {Utf8Status::incomplete, i, 0};
    const std::uint8_t next = byte(i);
    if (next < (i == 1 ? low : 0x80) || next > (i == 1 ? high : 0xBF)) return {Utf8Status::ill_formed, i, 0};
    scalar = (scalar << 6) | (next & 0x3F);
  }
  return {Utf8Status::valid, size, scalar};
}

/// Tells whether a terminal or a log may treat the scalar value as a command: control characters (C0, DEL,
/// C1), line and paragraph separators, and what changes the direction of the text around it.
[[nodiscard]] constexpr bool is_control(char32_t scalar) noexcept {
  return scalar < 0x20 || (scalar >= 0x7F && scalar <= 0x9F) || scalar == 0x061C || scalar == 0x200E ||
         scalar == 0x200F || (scalar >= 0x2028 && scalar <= 0x202E) || (scalar >= 0x2066 && scalar <= 0x2069);
}

}  // namespace lamina
