// SPDX-License-Identifier: Apache-2.0
// UTF-8 in small steps: encode, check, trim white space; core/utf8.hpp decodes.
// Source: tokenizer-and-chat.md §3 (invalid input), §4 (streaming), §6 (trim is Python's strip).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <lamina/core/utf8.hpp>

namespace lamina {

inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";  ///< U+FFFD
inline constexpr std::string_view space_symbol = "\xE2\x96\x81";  ///< U+2581, stands for a space in pieces

/// Appends one scalar value to a string or list of characters. Requires a Unicode scalar value (no surrogate,
/// at most U+10FFFF).
template <class Out>
constexpr void append_utf8(Out& out, char32_t scalar) {
  const auto put = [&out](char32_t byte) {
    out.push_back(static_cast<char>(static_cast<std::uint8_t>(byte)));
  };
  if (scalar < 0x80) {
    put(scalar);
    return;
  }
  if (scalar < 0x800) {
    put(0xC0 | (scalar >> 6));
  } else if (scalar < 0x10000) {
    put(0xE0 | (scalar >> 12));
    put(0x80 | ((scalar >> 6) & 0x3F));
  } else {
    put(0xF0 | (scalar >> 18));
    put(0x80 | ((scalar >> 12) & 0x3F));
    put(0x80 | ((scalar >> 6) & 0x3F));
  }
  put(0x80 | (scalar & 0x3F));
}

/// Cost   about 1 ns a character
[[nodiscard]] constexpr bool is_valid_utf8(std::string_view text) noexcept {
  const auto byte_at = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  const auto continues = [&](std::size_t at) { return (byte_at(at) & 0xC0) == 0x80; };
  while (!text.empty()) {
    // The characters that most texts are made of.
    const std::uint8_t first = byte_at(0);
    std::size_t size = 0;
    if (first < 0x80) {
      size = 1;
    } else if (first >= 0xC2 && first < 0xE0 && text.size() > 1 && continues(1)) {
      size = 2;
    } else if (first > 0xE0 && first < 0xED && text.size() > 2 && continues(1) && continues(2)) {
      size = 3;
    }
    if (size > 0) {
      text.remove_prefix(size);
      continue;
    }
    const Utf8Step step = decode_utf8(text);
    if (step.status != Utf8Status::valid) return false;
    text.remove_prefix(step.size);
  }
  return true;
}

/// Scalar values from `first` to `last`.
struct ScalarRange {
  std::uint32_t first;
  std::uint32_t last;
};

/// Tells whether one of a few ranges holds the scalar value.
template <std::size_t N>
[[nodiscard]] constexpr bool lies_in(const ScalarRange (&ranges)[N], char32_t scalar) noexcept {
  for (const ScalarRange& range : ranges) {
    if (scalar >= range.first && scalar <= range.last) return true;
  }
  return false;
}

/// Tells whether Python's `str.isspace` calls the scalar value white space (Unicode 14).
[[nodiscard]] constexpr bool is_space(char32_t scalar) noexcept {
  if (scalar < 0x80)
    return scalar == ' ' || (scalar >= 0x09 && scalar <= 0x0D) || (scalar >= 0x1C && scalar <= 0x1F);
  if (scalar >= 0x2000 && scalar <= 0x200A) return true;
  switch (scalar) {
    case 0x85:
    case 0xA0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202F:
    case 0x205F:
    case 0x3000:
      return true;
    default:
      return false;
  }
}

/// Bytes of white space at the beginning of a text.
[[nodiscard]] constexpr std::size_t leading_space(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    const Utf8Step step = decode_utf8(text.substr(at));
    if (step.status != Utf8Status::valid || !is_space(step.scalar)) break;
    at += step.size;
  }
  return at;
}

/// Removes white space at the end, as Python's `rstrip`.
[[nodiscard]] constexpr std::string_view trim_end(std::string_view text) noexcept {
  std::size_t end = text.size();
  while (end > 0) {
    std::size_t begin = end - 1;
    while (begin > 0 && end - begin < 4 && (static_cast<std::uint8_t>(text[begin]) & 0xC0) == 0x80) --begin;
    const Utf8Step step = decode_utf8(text.substr(begin, end - begin));
    if (step.status != Utf8Status::valid || step.size != end - begin || !is_space(step.scalar)) break;
    end = begin;
  }
  return text.substr(0, end);
}

/// Removes white space at both ends, as Python's `strip`.
[[nodiscard]] constexpr std::string_view trim(std::string_view text) noexcept {
  return trim_end(text.substr(leading_space(text)));
}

}  // namespace lamina
