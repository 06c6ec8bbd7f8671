// SPDX-License-Identifier: Apache-2.0
// Memory for states of an automaton: taken from the top, given back in one step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

#include <lamina/core/config.hpp>

namespace lamina::masks {

/// Hands out memory that lives until the arena goes back to a mark taken before. Nothing is destroyed.
///
/// Threads  one at a time
class Arena {
 public:
  /// A place to go back to.
  struct Mark {
    std::size_t block = 0;
    std::size_t used = 0;
  };

  /// Room for `count` objects, not initialised.
  template <class T>
  [[nodiscard]] T* take(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 8);
    const std::size_t bytes = (count * sizeof(T) + 7) / 8 * 8;
    if (blocks_.empty() || at_.used + bytes > blocks_[at_.block].size) next_block(bytes);
    std::byte* place = blocks_[at_.block].bytes.get() + at_.used;
    at_.used += bytes;
    return reinterpret_cast<T*>(place);
  }

  [[nodiscard]] Mark mark() const noexcept { return at_; }
  /// Gives back all that was taken after `mark`.
  void reset(Mark mark) noexcept { at_ = mark; }

  /// Bytes in use, about.
  [[nodiscard]] std::size_t bytes() const noexcept { return at_.block * block_bytes + at_.used; }

 private:
  static constexpr std::size_t block_bytes = std::size_t{1} << 16;
  struct Block {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size;
  };

  void next_block(std::size_t bytes) {
    std::size_t next = blocks_.empty() ? 0 : at_.block + 1;
    // Blocks behind the mark are used again where they are large enough.
    if (next < blocks_.size() && blocks_[next].size < bytes) blocks_.resize(next);
    if (next == blocks_.size()) {
      const std::size_t size = bytes > block_bytes ? bytes : block_bytes;
      blocks_.push_back({std::unique_ptr<std::byte[]>(new std::byte[size]), size});
    }
    at_ = {next, 0};
  }

  std::vector<Block> blocks_;
  Mark at_;
};

/// Mixes a number into a hash.
[[nodiscard]] constexpr std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) noexcept {
  hash = (hash ^ value) * 0x9E37'79B9'7F4A'7C15;
  return hash ^ (hash >> 29);
}

}  // namespace lamina::masks
