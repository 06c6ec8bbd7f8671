// SPDX-License-Identifier: Apache-2.0
// Pictures and sounds inside of messages: base64 text and data URLs (RFC 4648 §4, RFC 2397) to bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include <lamina/core/file_error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/media/buffer.hpp>

namespace lamina {

/// Bytes that a data URL holds.
struct DataUrl {
  Medium kind = Medium::image;
  std::string_view media_type;  ///< as written, "image/png": a view of the URL. What the bytes are, they say.
  Buffer<std::byte> bytes;
};

namespace detail {

inline constexpr std::uint8_t not_base64 = 64;

inline constexpr std::array<std::uint8_t, 256> base64_values = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(not_base64);
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < digits.size(); ++i) {
    values[static_cast<std::uint8_t>(digits[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}();

/// Whether `text` begins with `prefix`, whatever the case of its ASCII letters. `prefix` is in lower case.
[[nodiscard]] inline bool begins_with(std::string_view text, std::string_view prefix) noexcept {
  if (text.size() < prefix.size()) return false;
  for (std::size_t i = 0; i < prefix.size(); ++i) {
    const char letter = text[i];
    if ((letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + ('a' - 'A')) : letter) != prefix[i])
      return false;
  }
  return true;
}

}  // namespace detail

/// Decodes base64: the standard alphabet, padded, nothing between the digits, unused bits zero.
///
/// Errors   bad_file (the first byte that breaks a rule is named), out_of_memory (more than `most_bytes`, or
///          the system refused)
/// Threads  safe
[[nodiscard]] inline Result<Buffer<std::byte>> decode_base64(std::string_view digits,
                                                             std::uint64_t most_bytes,
                                                             const FixedText<192>& where) noexcept {
  if (digits.empty()) return bad_file(where, "base64", "at least four digits", "nothing");
  if (digits.size() % 4 != 0) {
    return bad_file(where, "base64 has another length",
                    "a multiple of 4, padded with =", text("%zu digits", digits.size()));
  }
  const std::size_t padding = digits.back() != '=' ? 0 : digits[digits.size() - 2] != '=' ? 1 : 2;
  const std::size_t size = digits.size() / 4 * 3 - padding;
  if (size > most_bytes) {
    return file_error(ErrorCode::out_of_memory, where, "base64 is too long",
                      text("at most %llu bytes", static_cast<unsigned long long>(most_bytes)),
                      text("%zu bytes", size));
  }
  auto bytes = Buffer<std::byte>::make(size, where);
  if (!bytes) return bytes;
  std::uint32_t held = 0;
  std::size_t written = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const bool is_padding = i >= digits.size() - padding;
    const std::uint8_t value =
        is_padding ? std::uint8_t{0} : detail::base64_values[static_cast<std::uint8_t>(digits[i])];
    if (value == detail::not_base64) {
      return bad_file(where, text("base64 digit %zu", i), "A-Z, a-z, 0-9, + or /",
                      text("byte %02X", static_cast<unsigned>(static_cast<std::uint8_t>(digits[i]))));
    }
    held = held << 6 | value;
    if (i % 4 != 3) continue;
    for (int shift = 16; shift >= 0; shift -= 8) {
      if (written < size) {
        bytes->data()[written++] = static_cast<std::byte>(held >> shift & 255);
      } else if ((held >> shift & 255) != 0) {
        return bad_file(where, "base64 ends within a byte", "unused bits of zero", "others");
      }
    }
    held = 0;
  }
  return bytes;
}

/// Whether a text is a data URL, as opposed to a path or another kind of URL.
[[nodiscard]] inline bool is_data_url(std::string_view text) noexcept {
  return detail::begins_with(text, "data:");
}

/// Decodes `data:image/png;base64,...`, and likewise for `audio/` and `video/`; parameters are skipped.
///
/// Errors   as `decode_base64`; bad_file (no media type, no comma), unsupported (other types, other encodings)
/// Threads  safe
[[nodiscard]] inline Result<DataUrl> decode_data_url(std::string_view url, std::uint64_t most_bytes,
                                                     const FixedText<192>& where = "data URL") noexcept {
  // Only the head is searched: a message that is no URL may be long.
  constexpr std::size_t longest_head = 256;
  const std::size_t comma = url.substr(0, longest_head).find(',');
  if (!is_data_url(url) || comma == std::string_view::npos) {
    return bad_file(where, "not a data URL", "data:TYPE;base64,DIGITS",
                    FixedText<160>(url.substr(0, 32)).view());
  }
  std::string_view head = url.substr(5, comma - 5);
  const std::string_view media_type = head.substr(0, head.find(';'));
  constexpr std::string_view encoding = ";base64";
  if (head.size() < encoding.size() ||
      !detail::begins_with(head.substr(head.size() - encoding.size()), encoding)) {
    return file_error(ErrorCode::unsupported, where, "encoding of a data URL", "TYPE;base64", head);
  }
  DataUrl result;
  result.media_type = media_type;
  if (detail::begins_with(media_type, "audio/")) {
    result.kind = Medium::audio;
  } else if (detail::begins_with(media_type, "video/")) {
    result.kind = Medium::video;
  } else if (!detail::begins_with(media_type, "image/")) {
    return file_error(ErrorCode::unsupported, where, "type of a data URL", "image/, audio/ or video/",
                      media_type);
  }
  auto bytes = decode_base64(url.substr(comma + 1), most_bytes, where);
  if (!bytes) return bytes.error();
  result.bytes = *std::move(bytes);
  return result;
}

}  // namespace lamina
