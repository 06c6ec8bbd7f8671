// SPDX-License-Identifier: Apache-2.0
// The segments of a JPEG file, checked before its pixels are decoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/file_error.hpp>
#include <lamina/media/byte_scanner.hpp>
#include <lamina/media/picture/orientation.hpp>
#include <lamina/media/picture/picture.hpp>

namespace lamina::detail {

/// What is known of a JPEG file without decoding it.
struct JpegHeader {
  std::size_t width = 0;
  std::size_t height = 0;
  std::uint32_t components = 0;
  Orientation orientation = Orientation::upright;
  bool has_exif = false;
  bool is_adobe = false;
  int scans = 0;
};

/// Scans of a file: encoders write up to a dozen, and each one costs a pass over all pixels.
inline constexpr int most_jpeg_scans = 100;

/// Finds the next marker and skips it. In front of it there may be fill bytes and, where `skips_others`,
/// anything else: entropy-coded data (in which FF 00 is no marker, nor are the restarts FF D0 to FF D7), or
/// what some cameras leave between segments.
[[nodiscard]] inline bool next_marker(ByteScanner& scanner, bool skips_others,
                                      std::uint32_t& marker) noexcept {
  std::uint32_t byte = 0;
  for (;;) {
    if (!scanner.byte(byte)) return false;
    if (byte != 0xFF) {
      if (!skips_others) return false;
      continue;
    }
    while (byte == 0xFF) {
      if (!scanner.byte(byte)) return false;
    }
    const bool is_data = byte == 0 || (byte >= 0xD0 && byte <= 0xD7);
    if (!is_data) {
      marker = byte;
      return true;
    }
    if (!skips_others) return false;
  }
}

/// Checks Huffman tables. A decoder holds 256 symbols of a table, and stb_image 2.27 takes the last of them
/// for "not in the table"; no encoder uses that many.
[[nodiscard]] inline Status check_huffman_tables(std::span<const std::byte> data,
                                                 const FixedText<192>& where) noexcept {
  ByteScanner scanner(data);
  while (scanner.remaining() > 0) {
    std::uint32_t id = 0;
    std::uint32_t symbols = 0;
    std::uint32_t code = 0;
    bool is_good = scanner.byte(id) && id >> 4 <= 1 && (id & 15) <= 3;
    for (unsigned length = 1; is_good && length <= 16; ++length) {
      std::uint32_t count = 0;
      is_good = scanner.byte(count) && (code += count) <= 1U << length;
      code <<= 1;
      symbols += count;
    }
    if (!is_good || symbols > 255 || !scanner.skip(symbols)) {
      return bad_file(where, "JPEG Huffman table", "lengths of at most 255 codes", "another table");
    }
  }
  return Done{};
}

/// Reads a frame header (SOF).
[[nodiscard]] inline Status read_frame_header(std::uint32_t marker, std::span<const std::byte> data,
                                              const PictureLimits& limits, const FixedText<192>& where,
                                              JpegHeader& header) noexcept {
  ByteScanner scanner(data);
  std::uint32_t bits = 0;
  std::uint32_t height = 0;
  std::uint32_t width = 0;
  if (!scanner.byte(bits) || !scanner.big16(height) || !scanner.big16(width) ||
      !scanner.byte(header.components) || scanner.remaining() != 3 * std::size_t{header.components}) {
    return bad_file(where, "JPEG frame header has another size", "8 bytes and 3 a component",
                    text("%zu bytes", data.size()));
  }
  if (marker > 0xC2 || bits != 8) {
    return file_error(ErrorCode::unsupported, where, "kind of JPEG", "8 bits, Huffman-coded, with losses",
                      text("%u bits, frame type FF %02X", bits, marker));
  }
  if (header.components != 1 && header.components != 3 && header.components != 4) {
    return bad_file(where, "JPEG components", "1, 3 or 4", text("%u", header.components));
  }
  LAMINA_TRY(check_picture_size(width, height, limits, where));
  header.width = width;
  header.height = height;
  return Done{};
}

/// Reads an application segment: EXIF data in APP1, the sign of Adobe's colours in APP14.
inline void read_application_segment(std::uint32_t marker, std::span<const std::byte> data,
                                     JpegHeader& header) noexcept {
  ByteScanner scanner(data);
  if (marker == 0xE1 && !header.has_exif && scanner.accept(std::string_view("Exif\0\0", 6))) {
    header.has_exif = true;
    header.orientation = exif_orientation(data.subspan(scanner.position()));
  }
  if (marker == 0xEE && data.size() >= 12 && scanner.accept("Adobe")) header.is_adobe = true;
}

/// Walks over all segments of a JPEG file: what a decoder is handed has one frame of the dimensions stated
/// here, tables that fit, a bounded number of scans, and an end.
///
/// Errors   bad_file, out_of_memory (over a limit), unsupported (lossless, arithmetic coding, 12 bits, four
///          components of which no Adobe segment says what they are)
/// Cost     reads the file once; the pixels are not decoded
[[nodiscard]] inline Result<JpegHeader> read_jpeg_header(std::span<const std::byte> bytes,
                                                         const PictureLimits& limits,
                                                         const FixedText<192>& where) noexcept {
  ByteScanner scanner(bytes);
  std::uint32_t marker = 0;
  if (!next_marker(scanner, false, marker) || marker != 0xD8) return bad_file(where, "not a JPEG file");
  JpegHeader header;
  for (;;) {
    if (!next_marker(scanner, header.width == 0 || marker == 0xDA, marker)) {
      return scanner.remaining() == 0 ? truncated(where, "JPEG marker FF D9")
                                      : bad_file(where, "JPEG segments", "a marker", "something else");
    }
    if (marker == 0xD9) break;
    std::uint32_t size = 0;
    std::span<const std::byte> data;
    if (!scanner.big16(size) || size < 2 || !scanner.take(size - 2, data)) {
      return truncated(where, text("JPEG segment FF %02X of %u bytes", marker, size));
    }
    const bool is_table = marker == 0xC4;
    const bool is_frame = marker >= 0xC0 && marker <= 0xCF && !is_table && marker != 0xC8 && marker != 0xCC;
    if (is_table) {
      LAMINA_TRY(check_huffman_tables(data, where));
    } else if (is_frame) {
      if (header.width != 0) return bad_file(where, "JPEG frames", "one", "a second one");
      LAMINA_TRY(read_frame_header(marker, data, limits, where, header));
    } else if (marker >= 0xE0 && marker <= 0xEF) {
      read_application_segment(marker, data, header);
    } else if (marker == 0xDA) {
      if (header.width == 0) return bad_file(where, "JPEG segments", "a frame before scans", "a scan");
      if (++header.scans > most_jpeg_scans) {
        return bad_file(where, "JPEG scans", text("at most %d", most_jpeg_scans), "more");
      }
    }
  }
  if (header.scans == 0) return bad_file(where, "JPEG without pixels", "a scan", "none");
  if (header.components == 4 && !header.is_adobe) {
    return file_error(ErrorCode::unsupported, where, "JPEG of four components",
                      "an Adobe segment that names them", "none");
  }
  return header;
}

}  // namespace lamina::detail
