// SPDX-License-Identifier: Apache-2.0
// The chunks of a PNG file, checked before its pixels are decoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/file_error.hpp>
#include <lamina/media/byte_scanner.hpp>
#include <lamina/media/picture/orientation.hpp>
#include <lamina/media/picture/picture.hpp>

namespace lamina::detail {

/// What is known of a PNG file without decoding it.
struct PngHeader {
  std::size_t width = 0;
  std::size_t height = 0;
  std::uint32_t depth = 0;        ///< bits of a channel, or of a palette index
  std::uint32_t colour_type = 0;  ///< 0 grey, 2 RGB, 3 palette, 4 grey and opacity, 6 RGB and opacity
  Orientation orientation = Orientation::upright;
  std::size_t palette_end = 0;  ///< position behind the entries of the palette; 0: no palette
  std::size_t palette_entries = 0;

  [[nodiscard]] bool has_palette() const noexcept { return colour_type == 3; }
  /// Entries that an index may name and the file does not have.
  [[nodiscard]] std::size_t missing_entries() const noexcept {
    return has_palette() ? (std::size_t{1} << depth) - palette_entries : 0;
  }
};

[[nodiscard]] constexpr std::uint32_t chunk_name(const char (&name)[5]) noexcept {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(name[i]);
  return value;
}

[[nodiscard]] inline FixedText<160> chunk_text(std::uint32_t type) noexcept {
  return text("chunk %c%c%c%c", static_cast<char>(type >> 24), static_cast<char>(type >> 16),
              static_cast<char>(type >> 8), static_cast<char>(type));
}

/// Reads the 13 bytes of the chunk IHDR.
[[nodiscard]] inline Result<PngHeader> read_ihdr(std::span<const std::byte> data, const PictureLimits& limits,
                                                 const FixedText<192>& where) noexcept {
  ByteScanner scanner(data);
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t compression = 0;
  std::uint32_t filter = 0;
  std::uint32_t interlace = 0;
  PngHeader header;
  if (!scanner.big32(width) || !scanner.big32(height) || !scanner.byte(header.depth) ||
      !scanner.byte(header.colour_type) || !scanner.byte(compression) || !scanner.byte(filter) ||
      !scanner.byte(interlace) || scanner.remaining() != 0) {
    return bad_file(where, "PNG chunk IHDR has another size", "13 bytes", text("%zu bytes", data.size()));
  }
  LAMINA_TRY(check_picture_size(width, height, limits, where));
  // Bit n of an element: depth n is allowed for that type of colour.
  constexpr std::uint32_t depths[7] = {0x10116, 0, 0x10100, 0x116, 0x10100, 0, 0x10100};
  if (header.colour_type > 6 || header.depth > 16 || (depths[header.colour_type] >> header.depth & 1) == 0) {
    return bad_file(where, "PNG with a colour type or depth that there is not", "types 0, 2, 3, 4, 6",
                    text("type %u of %u bits", header.colour_type, header.depth));
  }
  if (compression != 0 || filter != 0 || interlace > 1) {
    return bad_file(where, "PNG with an unknown method", "compression 0, filter 0, interlace 0 or 1",
                    text("%u, %u, %u", compression, filter, interlace));
  }
  header.width = width;
  header.height = height;
  return header;
}

/// Walks over all chunks of a PNG file: what a decoder is handed has the dimensions stated here, one palette
/// of known size, no unknown chunk that it would need, and an end.
///
/// Errors   bad_file, out_of_memory (over a limit), unsupported (an unknown critical chunk)
/// Cost     one step a chunk; the pixels are not read
[[nodiscard]] inline Result<PngHeader> read_png_header(std::span<const std::byte> bytes,
                                                       const PictureLimits& limits,
                                                       const FixedText<192>& where) noexcept {
  ByteScanner scanner(bytes);
  if (!scanner.accept("\x89PNG\r\n\x1a\n")) return bad_file(where, "not a PNG file");
  PngHeader header;
  bool is_first = true;
  bool has_pixels = false;
  for (;;) {
    std::uint32_t size = 0;
    std::uint32_t type = 0;
    std::uint32_t checksum = 0;
    std::span<const std::byte> data;
    if (!scanner.big32(size) || !scanner.big32(type)) return truncated(where, "PNG chunk IEND");
    if (!scanner.take(size, data) || !scanner.big32(checksum)) {
      return truncated(where, text("PNG %s of %u bytes", chunk_text(type).c_str(), size));
    }
    if (is_first != (type == chunk_name("IHDR"))) {
      return bad_file(where, "PNG chunks in a wrong order", "one IHDR, first", chunk_text(type));
    }
    is_first = false;
    if (type == chunk_name("IHDR")) {
      auto read = read_ihdr(data, limits, where);
      if (!read) return read.error();
      header = *read;
    } else if (type == chunk_name("PLTE")) {
      const std::size_t most = header.has_palette() ? std::size_t{1} << header.depth : 256;
      if (header.palette_end != 0 || size == 0 || size % 3 != 0 || size / 3 > most) {
        return bad_file(where, "PNG palette", text("one of 1 to %zu colours", most), text("%u bytes", size));
      }
      header.palette_entries = size / 3;
      header.palette_end = scanner.position() - 4;
    } else if (type == chunk_name("IDAT")) {
      has_pixels = true;
    } else if (type == chunk_name("eXIf")) {
      header.orientation = exif_orientation(data);
    } else if (type == chunk_name("IEND")) {
      break;
    } else if ((type >> 29 & 1) == 0) {  // a capital letter first: what follows cannot be read without it
      return file_error(ErrorCode::unsupported, where, "PNG chunk that is not known", "a standard PNG file",
                        chunk_text(type));
    }
  }
  if (!has_pixels) return bad_file(where, "PNG without pixels", "chunk IDAT", "none");
  if (header.has_palette() && header.palette_end == 0) {
    return bad_file(where, "PNG without its palette", "chunk PLTE", "none");
  }
  return header;
}

}  // namespace lamina::detail
