// SPDX-License-Identifier: Apache-2.0
// What an encoder is given: the bytes of a picture, features or samples of a sound. Owns nothing.
// Source: vision.md §2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/schedule/encoders/kinds.hpp>

namespace lamina {

/// One picture or one sound, in the form that its encoder takes.
///
/// Shapes   pixels [height, width, 3] RGB · values [frames, 128] of log-mel features, or [samples] at 16 kHz
struct MediaInput {
  MediaKind kind = MediaKind::picture;
  std::span<const std::uint8_t> pixels{};
  std::uint32_t width = 0;   ///< of a picture, in pixels
  std::uint32_t height = 0;  ///< of a picture, in pixels
  std::span<const float> values{};

  /// A picture whose sides have the size that an encoder wants: multiples of 48.
  [[nodiscard]] static constexpr MediaInput picture(std::span<const std::uint8_t> rgb, std::uint32_t width,
                                                    std::uint32_t height) noexcept {
    return {MediaKind::picture, rgb, width, height, {}};
  }
  [[nodiscard]] static constexpr MediaInput log_mel(std::span<const float> features) noexcept {
    return {MediaKind::log_mel, {}, 0, 0, features};
  }
  [[nodiscard]] static constexpr MediaInput samples(std::span<const float> sound) noexcept {
    return {MediaKind::samples, {}, 0, 0, sound};
  }
};

/// How an input lies in an encoder's stream.
struct MediaShape {
  std::uint32_t rows = 0;     ///< of the stream
  std::uint32_t columns = 0;  ///< of a picture's patches or blocks, from left to right; 0: no picture
  std::uint32_t tokens = 0;   ///< soft tokens
};

/// Soft tokens that an encoder makes of one input at most. The largest budget is 1120.
inline constexpr std::uint32_t most_soft_tokens = 4096;

}  // namespace lamina
