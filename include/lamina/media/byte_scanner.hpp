// SPDX-License-Identifier: Apache-2.0
// A position in the untrusted bytes of a media file: numbers of either byte order, each read checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <lamina/core/config.hpp>

namespace lamina {

/// Reads front to back; a read that does not fit changes nothing and returns false.
class ByteScanner {
 public:
  explicit ByteScanner(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  [[nodiscard]] std::size_t remaining() const noexcept { return bytes_.size() - position_; }

  [[nodiscard]] bool byte(std::uint32_t& value) noexcept { return little(1, value); }
  [[nodiscard]] bool little16(std::uint32_t& value) noexcept { return little(2, value); }
  [[nodiscard]] bool little32(std::uint32_t& value) noexcept { return little(4, value); }
  [[nodiscard]] bool big16(std::uint32_t& value) noexcept { return big(2, value); }
  [[nodiscard]] bool big32(std::uint32_t& value) noexcept { return big(4, value); }

  [[nodiscard]] bool skip(std::size_t count) noexcept {
    if (count > remaining()) return false;
    position_ += count;
    return true;
  }

  /// Takes the next `count` bytes as a view.
  [[nodiscard]] bool take(std::size_t count, std::span<const std::byte>& view) noexcept {
    if (count > remaining()) return false;
    view = bytes_.subspan(position_, count);
    position_ += count;
    return true;
  }

  /// Skips `text` if it comes next.
  [[nodiscard]] bool accept(std::string_view text) noexcept {
    if (text.size() > remaining()) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (bytes_[position_ + i] != static_cast<std::byte>(text[i])) return false;
    }
    position_ += text.size();
    return true;
  }

 private:
  [[nodiscard]] std::uint32_t at(std::size_t index) const noexcept {
    return std::to_integer<std::uint32_t>(bytes_[position_ + index]);
  }
  [[nodiscard]] bool little(std::size_t count, std::uint32_t& value) noexcept {
    if (count > remaining()) return false;
    value = 0;
    for (std::size_t i = 0; i < count; ++i) value |= at(i) << (8 * i);
    position_ += count;
    return true;
  }
  [[nodiscard]] bool big(std::size_t count, std::uint32_t& value) noexcept {
    if (count > remaining()) return false;
    value = 0;
    for (std::size_t i = 0; i < count; ++i) value = value << 8 | at(i);
    position_ += count;
    return true;
  }

  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
};

}  // namespace lamina
