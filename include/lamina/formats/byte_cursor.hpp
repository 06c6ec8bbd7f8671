// SPDX-License-Identifier: Apache-2.0
// A position in untrusted bytes: every read first checks what remains (weight-files.md §1.9).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include <lamina/core/config.hpp>

namespace lamina {

/// Reads a little-endian value that may sit at any address. Requires `sizeof(T)` bytes at `from`.
template <class T>
[[nodiscard]] T load_unaligned(const std::byte* from) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

/// Reads front to back; a read that does not fit changes nothing and returns false.
class ByteCursor {
 public:
  explicit ByteCursor(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

  [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
  [[nodiscard]] std::uint64_t remaining() const noexcept { return bytes_.size() - position_; }

  template <class T>
  [[nodiscard]] bool read(T& value) noexcept {
    if (sizeof(T) > remaining()) return false;
    value = load_unaligned<T>(bytes_.data() + position_);
    position_ += sizeof(T);
    return true;
  }

  /// Takes the next `count` bytes as a view.
  [[nodiscard]] bool take(std::uint64_t count, std::span<const std::byte>& view) noexcept {
    if (count > remaining()) return false;
    view = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += static_cast<std::size_t>(count);
    return true;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
};

}  // namespace lamina
