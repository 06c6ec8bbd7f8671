// SPDX-License-Identifier: Apache-2.0
// From the channels that a file has to RGB: grey is replicated, transparency blended onto white
// (vision.md §2.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/config.hpp>

namespace lamina {

/// A channel value `c` of opacity `a` in front of white: (c·a + 255·(255 - a)) / 255, rounded to nearest.
[[nodiscard]] constexpr std::uint8_t blend_on_white(std::uint8_t c, std::uint8_t a) noexcept {
  const std::uint32_t t = 128U * (std::uint32_t{c} * a + 255U * (255U - a) + 128U);
  return static_cast<std::uint8_t>(((t + (t >> 8)) >> 8) >> 7);
}

/// Writes RGB from pixels of 1 (grey), 2 (grey, opacity), 3 (RGB) or 4 (RGB, opacity) channels.
///
/// Shapes   pixels [count, channels] · rgb [count, 3]
inline void to_rgb(std::span<const std::uint8_t> pixels, std::size_t channels,
                   std::span<std::uint8_t> rgb) noexcept {
  LAMINA_DCHECK(channels >= 1 && channels <= 4 && pixels.size() / channels == rgb.size() / 3);
  const bool is_grey = channels < 3;
  const bool has_opacity = channels % 2 == 0;
  const std::uint8_t* from = pixels.data();
  for (std::size_t i = 0; i < rgb.size(); i += 3, from += channels) {
    for (std::size_t c = 0; c < 3; ++c) {
      const std::uint8_t value = from[is_grey ? 0 : c];
      rgb[i + c] = has_opacity ? blend_on_white(value, from[channels - 1]) : value;
    }
  }
}

}  // namespace lamina
