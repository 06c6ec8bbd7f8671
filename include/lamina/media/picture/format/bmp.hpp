// SPDX-License-Identifier: Apache-2.0
// Windows bitmaps: not through stb_image, which takes colours of short and of OS/2 palettes from memory that
// was never written, and the masks of 56-byte headers from the pixels.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/file_error.hpp>
#include <lamina/media/byte_scanner.hpp>
#include <lamina/media/picture/colour.hpp>
#include <lamina/media/picture/picture.hpp>

namespace lamina::detail {

struct BmpHeader {
  std::size_t width = 0;
  std::size_t height = 0;
  bool is_top_down = false;
  std::uint32_t bits = 0;       ///< of a pixel
  std::uint32_t masks[4] = {};  ///< of red, green, blue and opacity, for 16 and 32 bits
  std::size_t palette_at = 0;
  std::size_t palette_entries = 0;
  std::size_t palette_entry_bytes = 4;
  std::size_t pixels_at = 0;

  [[nodiscard]] std::size_t row_bytes() const noexcept { return (width * bits + 31) / 32 * 4; }
};

/// Reads masks of red, green, blue and, where the header or the compression has one, of opacity.
[[nodiscard]] inline bool read_masks(ByteScanner& scanner, BmpHeader& header, bool has_opacity) noexcept {
  for (int i = 0; i < (has_opacity ? 4 : 3); ++i) {
    if (!scanner.little32(header.masks[i])) return false;
    // Contiguous ones: everything else is no number.
    const std::uint32_t mask = header.masks[i];
    if (mask != 0 && !std::has_single_bit((mask >> std::countr_zero(mask)) + std::uint64_t{1})) return false;
  }
  return (header.masks[0] | header.masks[1] | header.masks[2]) != 0;
}

[[nodiscard]] inline Result<BmpHeader> read_bmp_header(std::span<const std::byte> bytes,
                                                       const PictureLimits& limits,
                                                       const FixedText<192>& where) noexcept {
  ByteScanner scanner(bytes);
  std::uint32_t pixels_at = 0;
  std::uint32_t header_size = 0;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t planes = 0;
  std::uint32_t compression = 0;
  std::uint32_t colours = 0;
  BmpHeader header;
  if (!scanner.accept("BM") || !scanner.skip(8) || !scanner.little32(pixels_at) ||
      !scanner.little32(header_size)) {
    return truncated(where, "a BMP header");
  }
  const bool is_old = header_size == 12;  // OS/2: 16-bit sides, palettes of three bytes
  if (!is_old && header_size != 40 && header_size != 52 && header_size != 56 && header_size != 108 &&
      header_size != 124) {
    return file_error(ErrorCode::unsupported, where, "BMP header", "12, 40, 52, 56, 108 or 124 bytes",
                      text("%u bytes", header_size));
  }
  const bool has_sides = is_old ? scanner.little16(width) && scanner.little16(height)
                                : scanner.little32(width) && scanner.little32(height);
  if (!has_sides || !scanner.little16(planes) || !scanner.little16(header.bits) ||
      (!is_old && (!scanner.little32(compression) || !scanner.skip(12) || !scanner.little32(colours) ||
                   !scanner.skip(4)))) {
    return truncated(where, "a BMP header");
  }
  header.is_top_down = !is_old && height > INT32_MAX;
  if (header.is_top_down) height = 0U - height;
  LAMINA_TRY(check_picture_size(width, height, limits, where));
  header.width = width;
  header.height = height;
  const bool has_masks = compression == 3 || compression == 6;
  const bool has_palette = header.bits <= 8;
  const bool is_known = header.bits == 1 || header.bits == 4 || header.bits == 8 || header.bits == 24 ||
                        ((header.bits == 16 || header.bits == 32) && !is_old);
  if (!is_known || (compression != 0 && !(has_masks && (header.bits == 16 || header.bits == 32)))) {
    return file_error(ErrorCode::unsupported, where, "kind of BMP",
                      "1 to 32 bits a pixel without compression",
                      text("%u bits, compression %u", header.bits, compression));
  }
  if (has_masks) {
    if (!read_masks(scanner, header, header_size >= 56 || compression == 6)) {
      return bad_file(where, "BMP masks", "runs of bits for red, green and blue", "others");
    }
  } else if (header.bits == 16) {
    std::copy_n(std::to_array<std::uint32_t>({0x7C00, 0x3E0, 0x1F, 0}).begin(), 4, header.masks);
  } else if (header.bits == 32) {  // the fourth byte means nothing here
    std::copy_n(std::to_array<std::uint32_t>({0xFF0000, 0xFF00, 0xFF, 0}).begin(), 4, header.masks);
  }
  if (has_palette) {
    const std::size_t most = std::size_t{1} << header.bits;
    header.palette_entry_bytes = is_old ? 3 : 4;
    header.palette_at = 14 + std::size_t{header_size};
    header.palette_entries = colours == 0 || colours > most ? most : colours;
    // Files that state no number of colours may hold fewer than there can be.
    if (pixels_at > header.palette_at) {
      header.palette_entries =
          std::min(header.palette_entries, (pixels_at - header.palette_at) / header.palette_entry_bytes);
    }
    if (header.palette_at + header.palette_entries * header.palette_entry_bytes > bytes.size()) {
      return truncated(where, "a BMP palette");
    }
  }
  header.pixels_at = pixels_at;
  if (pixels_at > bytes.size() || bytes.size() - pixels_at < header.row_bytes() * header.height) {
    return truncated(where, text("%zu rows of %zu bytes", header.height, header.row_bytes()));
  }
  return header;
}

/// The bits of `value` under `mask`, scaled to 0..255.
[[nodiscard]] inline std::uint8_t masked_channel(std::uint32_t value, std::uint32_t mask) noexcept {
  if (mask == 0) return 0;
  const int shift = std::countr_zero(mask);
  const std::uint64_t most = mask >> shift;
  return static_cast<std::uint8_t>(((value & mask) >> shift) * std::uint64_t{255} / most);
}

/// The colour of one pixel: red, green, blue, opacity.
struct BmpColour {
  std::uint8_t channels[4] = {0, 0, 0, 255};
};

[[nodiscard]] inline BmpColour bmp_palette_colour(std::span<const std::byte> bytes, const BmpHeader& header,
                                                  std::size_t index) noexcept {
  BmpColour colour;
  if (index >= header.palette_entries) return colour;  // black, as other readers show it
  const std::byte* entry = bytes.data() + header.palette_at + index * header.palette_entry_bytes;
  for (std::size_t c = 0; c < 3; ++c) colour.channels[c] = std::to_integer<std::uint8_t>(entry[2 - c]);
  return colour;
}

[[nodiscard]] inline BmpColour bmp_colour(std::span<const std::byte> bytes, const BmpHeader& header,
                                          const std::byte* row, std::size_t x) noexcept {
  const auto at = [row](std::size_t i) { return std::to_integer<std::uint32_t>(row[i]); };
  if (header.bits <= 8) {
    const std::size_t bit = x * header.bits;
    const std::uint32_t index = at(bit / 8) >> (8 - header.bits - bit % 8) & ((1U << header.bits) - 1);
    return bmp_palette_colour(bytes, header, index);
  }
  BmpColour colour;
  const std::size_t first = x * (header.bits / 8);
  if (header.bits == 24) {
    for (std::size_t c = 0; c < 3; ++c) colour.channels[c] = static_cast<std::uint8_t>(at(first + 2 - c));
    return colour;
  }
  std::uint32_t value = at(first) | at(first + 1) << 8;
  if (header.bits == 32) value |= at(first + 2) << 16 | at(first + 3) << 24;
  for (std::size_t c = 0; c < 3; ++c) colour.channels[c] = masked_channel(value, header.masks[c]);
  if (header.masks[3] != 0) colour.channels[3] = masked_channel(value, header.masks[3]);
  return colour;
}

/// Decodes a Windows or OS/2 bitmap of 1, 4, 8, 16, 24 or 32 bits a pixel.
///
/// Errors   bad_file, out_of_memory, unsupported (run-length encoding, embedded JPEG and PNG)
[[nodiscard]] inline Result<Picture> decode_bmp(std::span<const std::byte> bytes, const PictureLimits& limits,
                                                const FixedText<192>& where) noexcept {
  const auto header = read_bmp_header(bytes, limits, where);
  if (!header) return header.error();
  auto picture = Picture::make(header->width, header->height, where);
  if (!picture) return picture.error();
  std::uint8_t* out = picture->rgb().data();
  for (std::size_t y = 0; y < header->height; ++y) {
    const std::size_t stored = header->is_top_down ? y : header->height - 1 - y;
    const std::byte* row = bytes.data() + header->pixels_at + stored * header->row_bytes();
    for (std::size_t x = 0; x < header->width; ++x, out += 3) {
      const BmpColour colour = bmp_colour(bytes, *header, row, x);
      to_rgb(colour.channels, 4, {out, 3});
    }
  }
  return picture;
}

}  // namespace lamina::detail
