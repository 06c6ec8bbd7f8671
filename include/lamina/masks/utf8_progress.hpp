// SPDX-License-Identifier: Apache-2.0
// Well-formed UTF-8, byte by byte. Source: Unicode 15 §3.9, table 3-7.
#pragma once

#include <cstdint>

#include <lamina/core/config.hpp>

namespace lamina::masks {

/// Where in a character a text stands.
struct Utf8Progress {
  std::uint8_t need = 0;  ///< bytes that the character still takes; the next lies in [low, high]
  std::uint8_t low = 0;
  std::uint8_t high = 0;

  /// Takes a byte; false if it may not come here.
  [[nodiscard]] bool take(std::uint8_t byte) noexcept {
    if (need > 0) {
      if (byte < low || byte > high) return false;
      --need;
      low = need > 0 ? 0x80 : 0;
      high = need > 0 ? 0xBF : 0;
      return true;
    }
    if (byte < 0x80) return true;
    if (byte < 0xC2 || byte > 0xF4) return false;
    need = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
    low = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
    high = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;
    return true;
  }
};

}  // namespace lamina::masks
