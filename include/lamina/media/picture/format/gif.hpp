// SPDX-License-Identifier: Apache-2.0
// GIF files, frame by frame: not through stb_image, which paints what a first frame leaves transparent, in a
// colour with red and blue exchanged, and reads before its own memory when frames are to be undone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include <lamina/core/file_error.hpp>
#include <lamina/media/byte_scanner.hpp>
#include <lamina/media/picture/colour.hpp>
#include <lamina/media/picture/format/gif_lzw.hpp>
#include <lamina/media/picture/picture.hpp>

namespace lamina {

namespace detail {

/// A frame of a GIF file: where it is drawn, its colours and its compressed pixels.
struct GifFrame {
  std::size_t left = 0, top = 0, width = 0, height = 0;
  std::span<const std::byte> colours;  ///< [entries, 3], local or global
  std::size_t pixels_at = 0;           ///< position of the code size and the blocks of codes behind it
  bool is_interlaced = false;
  int transparent = -1;        ///< index of a colour that is not drawn, or -1
  std::uint32_t disposal = 0;  ///< what becomes of it before the next: 2 cleared, 3 undone, others left
  std::uint32_t delay = 0;     ///< until the next, in hundredths of a second
};

}  // namespace detail

/// Reads a GIF file: its frames one after another, each composed with those before.
///
/// Holds the file's bytes as a view, and memory for one frame, whatever the number of frames.
class GifReader {
 public:
  /// Reads the header; the blocks behind it are read by `next`.
  ///
  /// Errors   bad_file, out_of_memory
  [[nodiscard]] static Result<GifReader> open(std::span<const std::byte> bytes, const PictureLimits& limits,
                                              const FixedText<192>& where) noexcept {
    GifReader reader(bytes, where);
    std::uint32_t width = 0, height = 0, flags = 0;
    if (!reader.scanner_.accept("GIF87a") && !reader.scanner_.accept("GIF89a")) {
      return bad_file(where, "not a GIF file");
    }
    if (!reader.scanner_.little16(width) || !reader.scanner_.little16(height) ||
        !reader.scanner_.byte(flags) || !reader.scanner_.skip(2) ||
        !reader.read_colours(flags, reader.global_colours_)) {
      return detail::truncated(where, "a GIF header");
    }
    LAMINA_TRY(check_picture_size(width, height, limits, where));
    reader.width_ = width;
    reader.height_ = height;
    return reader;
  }

  [[nodiscard]] std::size_t width() const noexcept { return width_; }
  [[nodiscard]] std::size_t height() const noexcept { return height_; }

  /// Goes to the next frame without decoding it; false behind the last one.
  ///
  /// Errors   bad_file (also for a frame whose pixels do not end, or that lies outside of the picture)
  [[nodiscard]] Result<bool> skip() noexcept {
    auto frame = find_frame();
    if (!frame) return frame.error();
    return *frame;
  }

  /// Goes to the next frame, decodes it and composes it; false behind the last one.
  ///
  /// Errors   as `skip`, and out_of_memory
  [[nodiscard]] Result<bool> next() noexcept {
    auto found = find_frame();
    if (!found || !*found) return found;
    LAMINA_TRY(prepare_canvas());
    dispose();
    LAMINA_TRY(draw());
    return true;
  }

  /// Time from the frame that was read last to the next, in hundredths of a second, as stored.
  [[nodiscard]] std::uint32_t delay() const noexcept { return frame_.delay; }

  /// The picture that is shown after the last `next`.
  ///
  /// Errors   out_of_memory
  [[nodiscard]] Result<Picture> picture() const noexcept {
    auto made = Picture::make(width_, height_, where_);
    if (made) to_rgb(canvas_.span(), 4, made->rgb());
    return made;
  }

 private:
  GifReader(std::span<const std::byte> bytes, const FixedText<192>& where) noexcept
      : bytes_(bytes), scanner_(bytes), where_(where) {}

  [[nodiscard]] bool read_colours(std::uint32_t flags, std::span<const std::byte>& colours) noexcept {
    return (flags & 0x80) == 0 || scanner_.take(std::size_t{3} << ((flags & 7) + 1), colours);
  }

  [[nodiscard]] bool skip_blocks() noexcept {
    std::uint32_t size = 0;
    do {
      if (!scanner_.byte(size) || !scanner_.skip(size)) return false;
    } while (size != 0);
    return true;
  }

  /// A graphic control extension, or one that does not matter.
  [[nodiscard]] bool read_extension(detail::GifFrame& frame) noexcept {
    std::uint32_t label = 0, flags = 0, transparent = 0;
    if (!scanner_.byte(label)) return false;
    if (label == 0xF9 && scanner_.accept("\x04")) {
      if (!scanner_.byte(flags) || !scanner_.little16(frame.delay) || !scanner_.byte(transparent))
        return false;
      frame.transparent = (flags & 1) != 0 ? static_cast<int>(transparent) : -1;
      frame.disposal = flags >> 2 & 7;
    }
    return skip_blocks();
  }

  [[nodiscard]] bool read_descriptor(detail::GifFrame& frame) noexcept {
    std::uint32_t left = 0, top = 0, width = 0, height = 0, flags = 0;
    if (!scanner_.little16(left) || !scanner_.little16(top) || !scanner_.little16(width) ||
        !scanner_.little16(height) || !scanner_.byte(flags)) {
      return false;
    }
    frame.left = left;
    frame.top = top;
    frame.width = width;
    frame.height = height;
    frame.is_interlaced = (flags & 0x40) != 0;
    frame.colours = global_colours_;
    return read_colours(flags, frame.colours);
  }

  [[nodiscard]] Result<bool> find_frame() noexcept {
    detail::GifFrame frame;
    for (;;) {
      std::uint32_t tag = 0;
      if (!scanner_.byte(tag)) return detail::truncated(where_, "the end mark of a GIF file");
      if (tag == 0x3B) return false;
      if (tag == 0x21) {
        if (!read_extension(frame)) return detail::truncated(where_, "a GIF extension");
      } else if (tag == 0x2C) {
        if (!read_descriptor(frame)) return detail::truncated(where_, "a GIF frame");
        frame.pixels_at = scanner_.position();
        if (!scanner_.skip(1) || !skip_blocks())
          return detail::truncated(where_, "the pixels of a GIF frame");
        if (frame.left + frame.width > width_ || frame.top + frame.height > height_) {
          return bad_file(where_, "GIF frame lies outside of the picture", size_text(width_, height_),
                          text("%zu x %zu at %zu, %zu", frame.width, frame.height, frame.left, frame.top));
        }
        if (frame.colours.empty()) return bad_file(where_, "GIF frame without colours", "a palette", "none");
        previous_ = std::exchange(frame_, frame);
        return true;
      } else {
        return bad_file(where_, "GIF block", "a frame, an extension or the end", text("tag %02X", tag));
      }
    }
  }

  [[nodiscard]] Status prepare_canvas() noexcept {
    if (!canvas_.empty()) return Done{};
    auto canvas = Buffer<std::uint8_t>::make(4 * width_ * height_, where_);
    auto indices = Buffer<std::uint8_t>::make(width_ * height_, where_);
    auto lzw = Buffer<detail::GifLzw>::make(1, where_);
    if (!canvas) return canvas.error();
    if (!indices) return indices.error();
    if (!lzw) return lzw.error();
    canvas_ = *std::move(canvas);
    indices_ = *std::move(indices);
    lzw_ = *std::move(lzw);
    std::fill(canvas_.span().begin(), canvas_.span().end(), std::uint8_t{0});
    previous_ = {};
    return Done{};
  }

  /// Does to the frame before what it asks for.
  void dispose() noexcept {
    if (previous_.disposal == 3 && !saved_.empty()) {
      std::memcpy(canvas_.data(), saved_.data(), canvas_.size());
    } else if (previous_.disposal == 2) {
      for (std::size_t y = 0; y < previous_.height; ++y) {
        std::memset(canvas_.data() + 4 * ((previous_.top + y) * width_ + previous_.left), 0,
                    4 * previous_.width);
      }
    }
  }

  [[nodiscard]] Status draw() noexcept {
    if (frame_.disposal == 3) {
      if (saved_.empty()) {
        auto saved = Buffer<std::uint8_t>::make(canvas_.size(), where_);
        if (!saved) return saved.error();
        saved_ = *std::move(saved);
      }
      std::memcpy(saved_.data(), canvas_.data(), canvas_.size());
    }
    ByteScanner blocks(bytes_.subspan(frame_.pixels_at));
    std::uint32_t code_size = 0;
    if (!blocks.byte(code_size) || code_size < 1 || code_size > 8) {
      return bad_file(where_, "GIF code size", "1 to 8 bits", text("%u", code_size));
    }
    const auto indices = indices_.span().first(frame_.width * frame_.height);
    detail::GifCodes codes(blocks);
    const std::size_t written = lzw_.data()->expand(codes, code_size, indices);
    if (written < indices.size()) {
      return bad_file(where_, "GIF frame has too few pixels, or damaged ones", text("%zu", indices.size()),
                      text("%zu", written));
    }
    const std::uint8_t* index = indices.data();
    for (std::size_t row = 0; row < frame_.height; ++row) {
      const std::size_t y = frame_.top + (frame_.is_interlaced ? interlaced_row(row) : row);
      std::uint8_t* pixel = canvas_.data() + 4 * (y * width_ + frame_.left);
      for (std::size_t x = 0; x < frame_.width; ++x, ++index, pixel += 4) {
        if (*index == frame_.transparent) continue;
        const std::size_t at = 3 * std::size_t{*index};
        for (std::size_t c = 0; c < 3; ++c) {  // colours that the palette has not are black
          pixel[c] = at < frame_.colours.size() ? std::to_integer<std::uint8_t>(frame_.colours[at + c]) : 0;
        }
        pixel[3] = 255;
      }
    }
    return Done{};
  }

  /// Rows come as every eighth from 0, every eighth from 4, every fourth from 2, every second from 1.
  [[nodiscard]] std::size_t interlaced_row(std::size_t row) const noexcept {
    constexpr std::size_t starts[] = {0, 4, 2, 1};
    constexpr std::size_t steps[] = {8, 8, 4, 2};
    for (std::size_t pass = 0; pass < 4; ++pass) {
      const std::size_t rows =
          frame_.height > starts[pass] ? (frame_.height - starts[pass] - 1) / steps[pass] + 1 : 0;
      if (row < rows) return starts[pass] + row * steps[pass];
      row -= rows;
    }
    return 0;
  }

  std::span<const std::byte> bytes_;
  ByteScanner scanner_;
  FixedText<192> where_;
  std::size_t width_ = 0;
  std::size_t height_ = 0;
  std::span<const std::byte> global_colours_;
  detail::GifFrame frame_;
  detail::GifFrame previous_;
  Buffer<std::uint8_t> canvas_;   ///< [height, width, 4]: red, green, blue, opacity
  Buffer<std::uint8_t> saved_;    ///< the canvas before a frame that is to be undone
  Buffer<std::uint8_t> indices_;  ///< [height, width]
  Buffer<detail::GifLzw> lzw_;    ///< 20 KB: not on the stack
};

}  // namespace lamina
