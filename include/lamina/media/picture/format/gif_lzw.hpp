// SPDX-License-Identifier: Apache-2.0
// The compressed pixels of a GIF frame: codes of growing width, each a string of colour indices.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/media/byte_scanner.hpp>

namespace lamina::detail {

/// The codes of one frame, bit by bit out of their blocks.
class GifCodes {
 public:
  explicit GifCodes(ByteScanner& blocks) noexcept : blocks_(blocks) {}
  /// The next code of `bits` bits; false where the blocks end.
  [[nodiscard]] bool next(std::uint32_t bits, std::uint32_t& code) noexcept {
    while (held_ < bits) {
      std::uint32_t byte = 0;
      if (left_ == 0 && (!blocks_.byte(left_) || left_ == 0)) return false;
      if (!blocks_.byte(byte)) return false;
      --left_;
      buffer_ |= byte << held_;
      held_ += 8;
    }
    code = buffer_ & ((1U << bits) - 1);
    buffer_ >>= bits;
    held_ -= bits;
    return true;
  }

 private:
  ByteScanner& blocks_;
  std::uint32_t left_ = 0;
  std::uint32_t buffer_ = 0;
  std::uint32_t held_ = 0;
};

/// Expands the codes of a frame into colour indices (Lempel, Ziv, Welch); stops when all pixels are there.
class GifLzw {
 public:
  /// Shape: indices [height · width]. Returns how many were written.
  [[nodiscard]] std::size_t expand(GifCodes& codes, std::uint32_t code_size,
                                   std::span<std::uint8_t> indices) noexcept {
    const std::uint32_t clear = 1U << code_size;
    std::uint32_t bits = code_size + 1;
    std::uint32_t known = clear + 2;
    std::uint32_t previous = none;
    std::size_t written = 0;
    std::uint32_t code = 0;
    while (written < indices.size() && codes.next(bits, code) && code != clear + 1) {
      if (code == clear) {
        bits = code_size + 1;
        known = clear + 2;
        previous = none;
        continue;
      }
      // A code may be the one that is about to be made, but only behind another.
      if (code > known || (code == known && previous == none)) break;
      const std::uint32_t shown = code == known ? previous : code;
      const std::size_t length = length_of(shown, clear);
      std::uint8_t first = 0;
      write(shown, clear, length, indices, written, first);
      if (code == known && written + length < indices.size()) indices[written + length] = first;
      written = std::min(written + length + (code == known ? 1 : 0), indices.size());
      if (previous != none && known < table_size) {
        prefix_[known] = static_cast<std::uint16_t>(previous);
        suffix_[known] = first;
        length_[known] = static_cast<std::uint16_t>(length_of(previous, clear) + 1);
        ++known;
        if (known == 1U << bits && bits < 12) ++bits;
      }
      previous = code;
    }
    return written;
  }

 private:
  static constexpr std::uint32_t table_size = 4096;
  static constexpr std::uint32_t none = table_size;

  [[nodiscard]] std::size_t length_of(std::uint32_t code, std::uint32_t clear) const noexcept {
    return code < clear ? 1 : length_[code];
  }
  /// Writes a string of indices back to front, as far as there is room, and tells its first index.
  void write(std::uint32_t code, std::uint32_t clear, std::size_t length, std::span<std::uint8_t> indices,
             std::size_t from, std::uint8_t& first) const noexcept {
    for (std::size_t i = length; i-- > 0;) {
      first = code < clear ? static_cast<std::uint8_t>(code) : suffix_[code];
      if (from + i < indices.size()) indices[from + i] = first;
      if (code >= clear) code = prefix_[code];
    }
  }

  std::uint16_t prefix_[table_size] = {};
  std::uint16_t length_[table_size] = {};
  std::uint8_t suffix_[table_size] = {};
};

}  // namespace lamina::detail
