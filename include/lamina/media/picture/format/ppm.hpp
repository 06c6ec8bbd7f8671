// SPDX-License-Identifier: Apache-2.0
// Binary PPM and PGM files: not through stb_image, which ignores the largest value that a file states and
// takes missing pixels from memory that was never written.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/file_error.hpp>
#include <lamina/media/byte_scanner.hpp>
#include <lamina/media/picture/picture.hpp>

namespace lamina::detail {

/// Reads white space, comments and a number of at most nine digits, and the one byte behind it.
[[nodiscard]] inline bool read_ppm_number(ByteScanner& scanner, std::uint32_t& value) noexcept {
  const auto is_space = [](std::uint32_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); };
  std::uint32_t byte = 0;
  do {
    if (!scanner.byte(byte)) return false;
    while (byte == '#') {
      do {
        if (!scanner.byte(byte)) return false;
      } while (byte != '\n' && byte != '\r');
    }
  } while (is_space(byte));
  value = 0;
  for (int digits = 0; byte >= '0' && byte <= '9'; ++digits) {
    value = value * 10 + (byte - '0');
    if (digits == 9 || !scanner.byte(byte)) return false;
    if (is_space(byte)) return true;
  }
  return false;
}

/// Scales a value to 255 as the reference does: rounded, halves to even; values over the largest are white.
[[nodiscard]] inline std::uint8_t ppm_level(std::uint32_t value, std::uint32_t most) noexcept {
  const double scaled = std::nearbyint(static_cast<double>(value) / static_cast<double>(most) * 255);
  return static_cast<std::uint8_t>(scaled > 255 ? 255 : scaled);
}

/// Decodes P5 (grey) and P6 (RGB), with values of one or two bytes.
///
/// Errors   bad_file, out_of_memory, unsupported (text files and bitmaps: P1 to P4, PAM)
[[nodiscard]] inline Result<Picture> decode_ppm(std::span<const std::byte> bytes, const PictureLimits& limits,
                                                const FixedText<192>& where) noexcept {
  ByteScanner scanner(bytes);
  std::uint32_t kind = 0;
  if (!scanner.accept("P") || !scanner.byte(kind)) return truncated(where, "a PPM header");
  if (kind != '5' && kind != '6') {
    return file_error(ErrorCode::unsupported, where, "kind of PPM", "binary PGM or PPM (P5, P6)",
                      text("P%c", static_cast<char>(kind)), "write it in the binary form");
  }
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t most = 0;
  if (!read_ppm_number(scanner, width) || !read_ppm_number(scanner, height) ||
      !read_ppm_number(scanner, most)) {
    return bad_file(where, "PPM header", "width, height and largest value", "something else");
  }
  LAMINA_TRY(check_picture_size(width, height, limits, where));
  if (most == 0 || most > 65'535) {
    return bad_file(where, "PPM largest value", "1 to 65535", text("%u", most));
  }
  const std::size_t channels = kind == '5' ? 1 : 3;
  const std::size_t value_bytes = most < 256 ? 1 : 2;
  const std::size_t needed = std::size_t{width} * height * channels * value_bytes;
  if (scanner.remaining() < needed) return truncated(where, text("%zu bytes of pixels", needed));
  auto picture = Picture::make(width, height, where);
  if (!picture) return picture.error();
  std::uint8_t levels[256] = {};
  for (std::uint32_t value = 0; value < 256; ++value) levels[value] = ppm_level(value, most);
  std::uint8_t* out = picture->rgb().data();
  for (std::size_t i = 0; i < std::size_t{width} * height * channels; ++i) {
    std::uint32_t value = 0;
    (void)(value_bytes == 1 ? scanner.byte(value) : scanner.big16(value));
    const std::uint8_t level = value_bytes == 1 ? levels[value] : ppm_level(value, most);
    for (std::size_t c = 0; c < 3 / channels; ++c) *out++ = level;
  }
  return picture;
}

}  // namespace lamina::detail
