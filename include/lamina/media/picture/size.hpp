// SPDX-License-Identifier: Apache-2.0
// The size to which a picture is brought: as large as its budget of soft tokens allows (vision.md §2.2).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <lamina/core/error.hpp>

namespace lamina {

/// Soft tokens that a picture may become (vision.md §1.3).
inline constexpr std::array<int, 5> image_budgets{70, 140, 280, 560, 1120};
inline constexpr int default_image_budget = 280;
inline constexpr int video_frame_budget = 70;
/// Pixels on a side of the square that becomes one soft token: 3 x 3 patches of 16 x 16.
inline constexpr std::size_t soft_token_side = 48;

[[nodiscard]] constexpr bool is_image_budget(int budget) noexcept {
  return std::find(image_budgets.begin(), image_budgets.end(), budget) != image_budgets.end();
}

/// A size of which both sides are multiples of `soft_token_side`.
struct PictureSize {
  std::size_t height = 0;
  std::size_t width = 0;
  [[nodiscard]] constexpr std::size_t soft_tokens() const noexcept {
    return height / soft_token_side * (width / soft_token_side);
  }
  friend bool operator==(const PictureSize&, const PictureSize&) = default;
};

/// The size that a picture of `height` x `width` pixels is resized to for `budget` soft tokens.
///
/// Small pictures are enlarged; the aspect ratio is kept up to the rounding of both sides.
///
/// Errors   bad_argument (a budget that is none of `image_budgets`, a side of 0, more than 2^50 pixels)
[[nodiscard]] inline Result<PictureSize> target_size(std::size_t height, std::size_t width,
                                                     int budget) noexcept {
  if (!is_image_budget(budget)) {
    return Error{
        ErrorCode::bad_argument,     "image budget",     "not a number of soft tokens that models know",
        "70, 140, 280, 560 or 1120", text("%d", budget), ""};
  }
  constexpr std::size_t most_pixels = std::size_t{1} << 50;  // a product that a double holds exactly
  if (height == 0 || width == 0 || height > most_pixels / width) {
    return Error{ErrorCode::bad_argument,          "picture size",
                 "no size to resize from",         "1 to 2^50 pixels",
                 text("%zu x %zu", width, height), ""};
  }
  constexpr auto side = static_cast<double>(soft_token_side);
  const std::size_t max_pixels = static_cast<std::size_t>(budget) * 9 * 256;
  const std::size_t max_side = static_cast<std::size_t>(budget) * soft_token_side;
  // Multiplied first, then divided, then floored: exact fits depend on the last bit.
  const double factor = std::sqrt(static_cast<double>(max_pixels) / static_cast<double>(height * width));
  const double ideal_height = factor * static_cast<double>(height);
  const double ideal_width = factor * static_cast<double>(width);
  PictureSize size{static_cast<std::size_t>(std::floor(ideal_height / side)) * soft_token_side,
                   static_cast<std::size_t>(std::floor(ideal_width / side)) * soft_token_side};
  if (size.height == 0) {
    size = {soft_token_side, std::min(width / height * soft_token_side, max_side)};
  } else if (size.width == 0) {
    size = {std::min(height / width * soft_token_side, max_side), soft_token_side};
  }
  LAMINA_DCHECK(size.soft_tokens() >= 1 && size.soft_tokens() <= static_cast<std::size_t>(budget));
  return size;
}

}  // namespace lamina
