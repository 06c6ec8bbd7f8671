// SPDX-License-Identifier: Apache-2.0
// JSON that people and clients send: ill-formed text in it is treated as in plain text, by one rule.
// Source: tokenizer-and-chat.md §3 (input that is not valid UTF-8).
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/text/unicode.hpp>

namespace lamina {

namespace detail {

/// A "\uXXXX" at the beginning of a text; negative if there is none.
[[nodiscard]] inline std::int32_t code_unit_of(std::string_view text) noexcept {
  if (!text.starts_with("\\u") || text.size() < 6) return -1;
  std::int32_t unit = 0;
  const char* first = text.data() + 2;
  const auto result = std::from_chars(first, first + 4, unit, 16);
  return *first == '-' || result.ec != std::errc{} || result.ptr != first + 4 ? -1 : unit;
}

/// What the first bytes of a JSON text are and what stands for them in the well-formed one.
struct JsonStep {
  std::size_t taken;
  std::string_view written;
};

/// Requires a text that is not empty.
[[nodiscard]] inline JsonStep json_step(std::string_view text) noexcept {
  constexpr JsonStep lone_surrogate{6, "\\ufffd"};
  if (text.front() == '\\') {
    const std::int32_t unit = code_unit_of(text);
    if (unit >= 0xDC00 && unit <= 0xDFFF) return lone_surrogate;
    if (unit >= 0xD800 && unit <= 0xDBFF) {
      const std::int32_t low = code_unit_of(text.substr(6));
      return low >= 0xDC00 && low <= 0xDFFF ? JsonStep{12, text.substr(0, 12)} : lone_surrogate;
    }
    // The byte behind a backslash belongs to it; a second backslash begins no escape of its own.
    const std::size_t size = text.size() > 1 && static_cast<std::uint8_t>(text[1]) < 0x80 ? 2 : 1;
    return {size, text.substr(0, size)};
  }
  const Utf8Step step = decode_utf8(text);
  return {step.size, step.status == Utf8Status::valid ? text.substr(0, step.size) : replacement_character};
}

/// Where the byte `offset` of the well-formed text lies in the original; both count from 1, and one more than
/// there are stands for the end.
[[nodiscard]] inline std::size_t original_offset(std::string_view json, std::size_t offset) noexcept {
  std::size_t taken = 0;
  for (std::size_t written = 0; taken < json.size();) {
    const JsonStep step = json_step(json.substr(taken));
    if (written + step.written.size() >= offset) return taken + std::min(offset - written, step.taken);
    written += step.written.size();
    taken += step.taken;
  }
  return json.size() + 1;
}

/// The last few characters up to a byte, to show where a mistake is.
[[nodiscard]] inline std::string_view text_before(std::string_view json, std::size_t byte) noexcept {
  constexpr std::size_t shown = 24;
  if (byte > json.size()) return "the end of the text";
  std::size_t begin = byte > shown ? byte - shown : 0;
  while (begin < byte && (static_cast<std::uint8_t>(json[begin]) & 0xC0) == 0x80) ++begin;
  return json.substr(begin, byte - begin);
}

}  // namespace detail

/// Makes the text in a JSON document well-formed: each ill-formed part of UTF-8 becomes one U+FFFD, as in
/// plain text, and so does an escape ("\ud83d") of half a character without its other half. Files of a model
/// are not read this way: there, ill-formed text is damage.
///
/// Errors   bad_argument: a NUL byte, at which JSON parsers stop, whatever follows
[[nodiscard]] inline Result<std::string> well_formed_json(std::string_view json) {
  if (const std::size_t nul = json.find('\0'); nul != std::string_view::npos) {
    return Error{ErrorCode::bad_argument,
                 "JSON",
                 "not valid JSON",
                 "JSON text",
                 "a NUL byte",
                 text("the mistake is near byte %zu", nul + 1).view()};
  }
  std::string out;
  out.reserve(json.size());
  while (!json.empty()) {
    const detail::JsonStep step = detail::json_step(json);
    out.append(step.written);
    json.remove_prefix(step.taken);
  }
  return out;
}

}  // namespace lamina
