// SPDX-License-Identifier: Apache-2.0
// From a decoded picture to the one that an encoder reads: both sides multiples of 48 (vision.md §2).
#pragma once

#include <cstddef>
#include <utility>

#include <lamina/core/file_error.hpp>
#include <lamina/media/picture/picture.hpp>
#include <lamina/media/picture/resize.hpp>
#include <lamina/media/picture/size.hpp>

namespace lamina {

/// Soft tokens of a picture whose sides are multiples of `soft_token_side`.
[[nodiscard]] inline std::size_t soft_tokens(const Picture& picture) noexcept {
  return PictureSize{picture.height(), picture.width()}.soft_tokens();
}

/// Resizes a picture to what `budget` soft tokens allow.
///
/// Errors   bad_argument (the budget is none of `image_budgets`, a picture without pixels), out_of_memory
[[nodiscard]] inline Result<Picture> prepare_picture(Picture picture, int budget = default_image_budget,
                                                     Resampling rule = Resampling::resize16,
                                                     const FixedText<192>& where = "picture") noexcept {
  const auto size = target_size(picture.height(), picture.width(), budget);
  if (!size) return size.error();
  return resize(std::move(picture), size->width, size->height, rule, where);
}

/// Whether an encoder can read a picture as it is, without resizing.
///
/// Errors   bad_argument (sides that are no multiples of 48, more soft tokens than any budget)
[[nodiscard]] inline Status check_as_is(const Picture& picture,
                                        const FixedText<192>& where = "picture") noexcept {
  const FixedText<160> found = size_text(picture.width(), picture.height());
  if (picture.empty() || picture.width() % soft_token_side != 0 || picture.height() % soft_token_side != 0) {
    return file_error(ErrorCode::bad_argument, where, "a picture of this size must be resized",
                      "sides that are multiples of 48 pixels", found);
  }
  constexpr auto most = static_cast<std::size_t>(image_budgets.back());
  if (soft_tokens(picture) > most) {
    return file_error(ErrorCode::bad_argument, where, "a picture of this size must be resized",
                      text("at most %zu squares of 48 x 48 pixels", most), found);
  }
  return Done{};
}

}  // namespace lamina
