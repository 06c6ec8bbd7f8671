// SPDX-License-Identifier: Apache-2.0
// Pictures as rows of numbers: their shape in an encoder, and cutting them into squares.
// Source: vision.md §2.4, §2.5.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/encoders/media_input.hpp>
#include <lamina/schedule/encoders/description.hpp>

namespace lamina {

/// Builds the error of an input that an encoder does not take.
[[nodiscard]] inline Error media_error(std::string_view what, std::string_view expected,
                                       std::string_view found) noexcept {
  return {ErrorCode::bad_argument, "encode", what, expected, found, ""};
}

/// The shape of a picture in squares of `side` pixels of which `per_token` · `per_token` make a soft token.
///
/// Errors   bad_argument (no picture, sides that are not whole soft tokens, too many of them, or another number
///          of bytes)
[[nodiscard]] inline Result<MediaShape> picture_shape(const MediaInput& input, std::uint32_t side,
                                                      std::uint32_t per_token) noexcept {
  if (input.kind != MediaKind::picture)
    return media_error("encoder takes pictures", "a picture", "another input");
  const std::uint32_t unit = side * per_token;
  const std::uint32_t width = input.width;
  const std::uint32_t height = input.height;
  if (width == 0 || height == 0 || width % unit != 0 || height % unit != 0) {
    return media_error("sides of a picture do not fit the encoder",
                       text("multiples of %u pixels above 0", unit), text("%u x %u", width, height));
  }
  const std::uint64_t tokens = std::uint64_t{width / unit} * (height / unit);
  if (tokens > most_soft_tokens) {
    return media_error("picture is too large for the encoder",
                       text("at most %u soft tokens", most_soft_tokens),
                       text("%llu", static_cast<unsigned long long>(tokens)));
  }
  const std::uint64_t bytes = std::uint64_t{width} * height * 3;
  if (input.pixels.size() != bytes) {
    return media_error("pixels do not fit the picture's size",
                       text("%llu bytes", static_cast<unsigned long long>(bytes)),
                       text("%zu", input.pixels.size()));
  }
  const auto count = static_cast<std::uint32_t>(tokens);
  return MediaShape{count * per_token * per_token, width / side, count};
}

/// Positions of a picture must be in the table of learned vectors. Errors: bad_argument.
[[nodiscard]] inline Status check_positions(const MediaInput& input, const MediaShape& shape,
                                            const EncoderSizes& sizes) noexcept {
  const std::uint32_t rows = shape.rows / shape.columns;
  const std::uint32_t most = shape.columns > rows ? shape.columns : rows;
  if (most <= static_cast<std::uint32_t>(sizes.positions)) return Done{};
  return media_error("picture is longer than the encoder has positions",
                     text("at most %d squares on a side", sizes.positions),
                     text("%u (%u x %u pixels)", most, input.width, input.height));
}

/// The value of each byte, b / 255 rounded once.
inline constexpr std::array<float, 256> pixel_values = [] {
  std::array<float, 256> values{};
  for (std::size_t byte = 0; byte < values.size(); ++byte) values[byte] = static_cast<float>(byte) / 255.0F;
  return values;
}();

/// The same, from -1 to 1.
inline constexpr std::array<float, 256> signed_pixel_values = [] {
  std::array<float, 256> values{};
  for (std::size_t byte = 0; byte < values.size(); ++byte) values[byte] = 2.0F * (pixel_values[byte] - 0.5F);
  return values;
}();

/// Copies square number `index` (row by row) of `side` · `side` pixels of a picture to `out` [side · side ·
/// 3], in the order in which weights of `layout` want it: pixel by pixel, or channel by channel.
inline void cut_square(const MediaInput& picture, std::uint32_t index, std::uint32_t side, MediaLayout layout,
                       const std::array<float, 256>& values, float* out) noexcept {
  const std::uint32_t columns = picture.width / side;
  const std::size_t stride = std::size_t{picture.width} * 3;
  const std::uint8_t* from =
      picture.pixels.data() + index / columns * side * stride + std::size_t{index % columns} * side * 3;
  const std::size_t area = std::size_t{side} * side;
  for (std::size_t row = 0; row < side; ++row, from += stride) {
    for (std::size_t i = 0; i < std::size_t{side} * 3; ++i) {
      const std::size_t to =
          layout == MediaLayout::gguf ? i % 3 * area + row * side + i / 3 : row * side * 3 + i;
      out[to] = values[from[i]];
    }
  }
}

}  // namespace lamina
