// SPDX-License-Identifier: Apache-2.0
// A picture in memory: width, height and its RGB bytes; and how large a picture from outside may be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <lamina/core/file_error.hpp>
#include <lamina/media/buffer.hpp>

namespace lamina {

/// What a file may ask for, checked against its header before anything is decoded.
struct PictureLimits {
  std::uint64_t max_bytes = std::uint64_t{1} << 28;   ///< of the file
  std::uint64_t max_pixels = std::uint64_t{1} << 26;  ///< width times height: 8192 x 8192
  std::uint64_t max_side = 65'535;                    ///< the longest side of a JPEG or GIF
};

/// Red, green and blue of every pixel, one byte each, rows from top to bottom.
class Picture {
 public:
  Picture() noexcept = default;
  Picture(Picture&& other) noexcept
      : rgb_(std::move(other.rgb_)),
        width_(std::exchange(other.width_, 0)),
        height_(std::exchange(other.height_, 0)) {}
  Picture& operator=(Picture&& other) noexcept {
    rgb_ = std::move(other.rgb_);
    width_ = std::exchange(other.width_, 0);
    height_ = std::exchange(other.height_, 0);
    return *this;
  }

  /// Takes memory for a picture whose bytes are not set. `where` names it in errors.
  ///
  /// Requires  3·width·height fits in std::size_t (any size within limits does)
  /// Errors    out_of_memory
  [[nodiscard]] static Result<Picture> make(std::size_t width, std::size_t height,
                                            const FixedText<192>& where) noexcept {
    auto rgb = Buffer<std::uint8_t>::make(3 * width * height, where);
    if (!rgb) return rgb.error();
    Picture picture;
    picture.rgb_ = *std::move(rgb);
    picture.width_ = width;
    picture.height_ = height;
    return picture;
  }

  [[nodiscard]] std::size_t width() const noexcept { return width_; }
  [[nodiscard]] std::size_t height() const noexcept { return height_; }
  [[nodiscard]] bool empty() const noexcept { return rgb_.empty(); }
  /// [height, width, 3]
  [[nodiscard]] std::span<std::uint8_t> rgb() noexcept { return rgb_.span(); }
  [[nodiscard]] std::span<const std::uint8_t> rgb() const noexcept { return rgb_.span(); }

 private:
  Buffer<std::uint8_t> rgb_;
  std::size_t width_ = 0;
  std::size_t height_ = 0;
};

/// "width x height", as messages write it.
[[nodiscard]] inline FixedText<160> size_text(std::uint64_t width, std::uint64_t height) noexcept {
  return text("%llu x %llu", static_cast<unsigned long long>(width), static_cast<unsigned long long>(height));
}

/// Checks the size that a header states.
///
/// Errors   bad_file (no pixel), out_of_memory (over a limit)
[[nodiscard]] inline Status check_picture_size(std::uint64_t width, std::uint64_t height,
                                               const PictureLimits& limits,
                                               const FixedText<192>& where) noexcept {
  if (width == 0 || height == 0) {
    return bad_file(where, "picture without pixels", "a width and a height of at least 1",
                    size_text(width, height));
  }
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  if (width > limits.max_side || height > limits.max_side) {
    return file_error(ErrorCode::out_of_memory, where, "picture is too large",
                      text("sides of at most %llu pixels", number(limits.max_side)),
                      size_text(width, height));
  }
  std::uint64_t pixels = 0;
  if (!checked_multiply(width, height, pixels) || pixels > limits.max_pixels) {
    return file_error(ErrorCode::out_of_memory, where, "picture is too large",
                      text("at most %llu pixels", number(limits.max_pixels)), size_text(width, height));
  }
  return Done{};
}

namespace detail {

/// The file ends in the middle of something.
[[nodiscard]] inline Error truncated(const FixedText<192>& where, std::string_view expected) noexcept {
  return bad_file(where, "file is truncated", expected, "the end of the file");
}

}  // namespace detail

}  // namespace lamina
