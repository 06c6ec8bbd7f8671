// SPDX-License-Identifier: Apache-2.0
// How a camera was held: the orientation of EXIF data, and turning a picture upright (vision.md §2.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <lamina/media/byte_scanner.hpp>
#include <lamina/media/picture/picture.hpp>

namespace lamina {

/// Where the first row and column of the stored picture belong; the numbers are those of EXIF tag 0x0112.
enum class Orientation : std::uint8_t {
  upright = 1,
  mirrored = 2,  ///< left and right exchanged
  turned_180 = 3,
  mirrored_180 = 4,         ///< top and bottom exchanged
  transposed = 5,           ///< rows and columns exchanged
  needs_clockwise = 6,      ///< to be turned by 90 degrees clockwise
  transversed = 7,          ///< rows and columns exchanged, then turned by 180 degrees
  needs_anticlockwise = 8,  ///< to be turned by 90 degrees anticlockwise
};

/// Reads the orientation of EXIF data (a TIFF header and its first directory, either byte order).
///
/// Data that break the rules of TIFF, and values outside 1..8, mean `upright`: the pixels are there whatever
/// a camera wrote about them, and the reference takes them so.
///
/// Cost   reads at most one directory of 65 535 entries
[[nodiscard]] inline Orientation exif_orientation(std::span<const std::byte> tiff) noexcept {
  ByteScanner header(tiff);
  const bool is_little = header.accept("II");
  if (!is_little && !header.accept("MM")) return Orientation::upright;
  const auto read16 = [is_little](ByteScanner& from, std::uint32_t& value) {
    return is_little ? from.little16(value) : from.big16(value);
  };
  const auto read32 = [is_little](ByteScanner& from, std::uint32_t& value) {
    return is_little ? from.little32(value) : from.big32(value);
  };
  std::uint32_t magic = 0;
  std::uint32_t offset = 0;
  std::uint32_t entries = 0;
  ByteScanner directory(tiff);
  if (!read16(header, magic) || magic != 42 || !read32(header, offset) || !directory.skip(offset) ||
      !read16(directory, entries)) {
    return Orientation::upright;
  }
  for (std::uint32_t i = 0; i < entries; ++i) {
    std::span<const std::byte> bytes;
    if (!directory.take(12, bytes)) break;
    ByteScanner entry(bytes);
    std::uint32_t tag = 0;
    std::uint32_t type = 0;
    std::uint32_t count = 0;
    std::uint32_t value = 0;
    (void)(read16(entry, tag) && read16(entry, type) && read32(entry, count));
    if (tag != 0x0112) continue;
    constexpr std::uint32_t short_type = 3;
    constexpr std::uint32_t long_type = 4;
    const bool is_read =
        (type == short_type && read16(entry, value)) || (type == long_type && read32(entry, value));
    return is_read && count == 1 && value >= 1 && value <= 8 ? static_cast<Orientation>(value)
                                                             : Orientation::upright;
  }
  return Orientation::upright;
}

/// Turns a picture upright.
///
/// Errors   out_of_memory
[[nodiscard]] inline Result<Picture> turn_upright(Picture picture, Orientation orientation,
                                                  const FixedText<192>& where) noexcept {
  if (orientation == Orientation::upright) return picture;
  const bool is_transposed = orientation >= Orientation::transposed;
  const std::size_t width = picture.width();
  const std::size_t height = picture.height();
  auto turned = Picture::make(is_transposed ? height : width, is_transposed ? width : height, where);
  if (!turned) return turned.error();
  const bool right_to_left = orientation == Orientation::mirrored || orientation == Orientation::turned_180 ||
                             orientation == Orientation::transversed ||
                             orientation == Orientation::needs_anticlockwise;
  const bool bottom_to_top =
      orientation == Orientation::turned_180 || orientation == Orientation::mirrored_180 ||
      orientation == Orientation::needs_clockwise || orientation == Orientation::transversed;
  const std::uint8_t* from = picture.rgb().data();
  std::uint8_t* to = turned->rgb().data();
  for (std::size_t y = 0; y < turned->height(); ++y) {
    for (std::size_t x = 0; x < turned->width(); ++x) {
      const std::size_t column = is_transposed ? y : x;
      const std::size_t row = is_transposed ? x : y;
      const std::size_t source_x = right_to_left ? width - 1 - column : column;
      const std::size_t source_y = bottom_to_top ? height - 1 - row : row;
      std::memcpy(to, from + 3 * (source_y * width + source_x), 3);
      to += 3;
    }
  }
  return turned;
}

}  // namespace lamina
