// SPDX-License-Identifier: Apache-2.0
// Writes small files of pictures for tests: PNG of every kind, GIF, JPEG segments, EXIF data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// A file as a test builds it, byte by byte.
class FileBytes {
 public:
  FileBytes& text(std::string_view text) {
    bytes_ += text;
    return *this;
  }
  FileBytes& bytes(std::span<const std::uint8_t> values) {
    for (const std::uint8_t value : values) bytes_.push_back(static_cast<char>(value));
    return *this;
  }
  FileBytes& byte(std::uint32_t value) { return little(value, 1); }
  FileBytes& little(std::uint32_t value, int count) {
    for (int i = 0; i < count; ++i) bytes_.push_back(static_cast<char>(value >> (8 * i) & 255));
    return *this;
  }
  FileBytes& big(std::uint32_t value, int count) {
    for (int i = count; i-- > 0;) bytes_.push_back(static_cast<char>(value >> (8 * i) & 255));
    return *this;
  }
  [[nodiscard]] const std::string& str() const { return bytes_; }

 private:
  std::string bytes_;
};

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// --- PNG ---

inline std::string png_chunk(std::string_view name, std::string_view data) {
  // The checksum is not looked at.
  return FileBytes().big(static_cast<std::uint32_t>(data.size()), 4).text(name).text(data).big(0, 4).str();
}

/// Bytes as zlib data that are not compressed.
inline std::string zlib_stored(std::string_view data) {
  FileBytes out;
  out.byte(0x78).byte(1);
  do {
    const std::string_view block = data.substr(0, 65'535);
    data.remove_prefix(block.size());
    const auto size = static_cast<std::uint32_t>(block.size());
    out.byte(data.empty() ? 1 : 0).little(size, 2).little(~size & 0xFFFF, 2).text(block);
  } while (!data.empty());
  return out.big(0, 4).str();
}

struct PngSpec {
  std::uint32_t width = 1;
  std::uint32_t height = 1;
  std::uint32_t depth = 8;
  std::uint32_t colour_type = 2;
  std::uint32_t interlace = 0;
  std::string before_pixels = {};  ///< chunks between IHDR and IDAT
};

inline std::string png_head(const PngSpec& spec) {
  FileBytes ihdr;
  ihdr.big(spec.width, 4).big(spec.height, 4).byte(spec.depth).byte(spec.colour_type);
  ihdr.byte(0).byte(0).byte(spec.interlace);
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", ihdr.str()) + spec.before_pixels;
}

/// `rows`: each row with its filter byte, as stored.
inline std::string png_file(const PngSpec& spec, std::string_view rows) {
  return png_head(spec) + png_chunk("IDAT", zlib_stored(rows)) + png_chunk("IEND", "");
}

/// An RGB PNG file of the given pixels. Shape: rgb [height, width, 3]
inline std::string rgb_png(std::uint32_t width, std::uint32_t height, std::span<const std::uint8_t> rgb,
                           const std::string& before_pixels = {}) {
  FileBytes rows;
  for (std::uint32_t y = 0; y < height; ++y)
    rows.byte(0).bytes(rgb.subspan(std::size_t{3} * y * width, std::size_t{3} * width));
  return png_file({.width = width, .height = height, .before_pixels = before_pixels}, rows.str());
}

// --- EXIF ---

/// EXIF data with the orientation as its second entry.
inline std::string exif_data(std::uint32_t orientation, bool is_little, std::uint32_t type = 3,
                             std::uint32_t count = 1) {
  FileBytes out;
  const auto number = [&](std::uint32_t value, int bytes) {
    if (is_little) {
      out.little(value, bytes);
    } else {
      out.big(value, bytes);
    }
  };
  out.text(is_little ? "II" : "MM");
  number(42, 2);
  number(8, 4);
  number(2, 2);
  number(0x0100, 2), number(4, 2), number(1, 4), number(77, 4);
  number(0x0112, 2), number(type, 2), number(count, 4);
  number(orientation, type == 3 ? 2 : 4);
  if (type == 3) number(0, 2);
  number(0, 4);
  return out.str();
}

inline std::string jpeg_segment(std::uint32_t marker, std::string_view data) {
  return FileBytes()
      .byte(0xFF)
      .byte(marker)
      .big(static_cast<std::uint32_t>(data.size()) + 2, 2)
      .text(data)
      .str();
}

/// A JPEG file with a segment put behind its first marker.
inline std::string with_segment(std::string_view jpeg, const std::string& segment) {
  return std::string(jpeg.substr(0, 2)) + segment + std::string(jpeg.substr(2));
}

// --- GIF ---

struct GifFrameSpec {
  std::uint32_t left = 0, top = 0, width = 0, height = 0;
  std::vector<std::uint8_t> indices = {};
  int transparent = -1;
  std::uint32_t disposal = 0;
  std::uint32_t delay = 0;
  bool is_interlaced = false;
};

/// Indices of 0 to 3 as codes of three bits, cleared so often that they never grow.
inline std::string gif_codes(std::span<const std::uint8_t> indices) {
  std::vector<std::uint32_t> codes;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (i % 2 == 0) codes.push_back(4);
    codes.push_back(indices[i]);
  }
  codes.push_back(5);
  std::string packed;
  std::uint32_t held = 0;
  int bits = 0;
  for (const std::uint32_t code : codes) {
    held |= code << bits;
    for (bits += 3; bits >= 8; bits -= 8, held >>= 8) packed.push_back(static_cast<char>(held & 255));
  }
  if (bits > 0) packed.push_back(static_cast<char>(held & 255));
  FileBytes out;
  out.byte(2);
  for (std::size_t at = 0; at < packed.size(); at += 255) {
    const std::string block = packed.substr(at, 255);
    out.byte(static_cast<std::uint32_t>(block.size())).text(block);
  }
  return out.byte(0).str();
}

/// A GIF file of four colours: black, red, green, blue. Its background is colour 2.
inline std::string gif_file(std::uint32_t width, std::uint32_t height,
                            const std::vector<GifFrameSpec>& frames) {
  FileBytes out;
  out.text("GIF89a").little(width, 2).little(height, 2).byte(0x81).byte(2).byte(0);
  out.bytes(std::vector<std::uint8_t>{0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255});
  for (const GifFrameSpec& frame : frames) {
    out.byte(0x21).byte(0xF9).byte(4).byte(frame.disposal << 2 | (frame.transparent >= 0 ? 1U : 0U));
    out.little(frame.delay, 2).byte(static_cast<std::uint32_t>(frame.transparent) & 255).byte(0);
    out.byte(0x2C).little(frame.left, 2).little(frame.top, 2).little(frame.width, 2).little(frame.height, 2);
    out.byte(frame.is_interlaced ? 0x40 : 0).text(gif_codes(frame.indices));
  }
  return out.byte(0x3B).str();
}
