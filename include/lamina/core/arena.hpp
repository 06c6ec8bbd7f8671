// SPDX-License-Identifier: Apache-2.0
// Bump memory from one block that the caller owns: sized before use, nothing allocated afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <type_traits>

#include <lamina/core/config.hpp>

namespace lamina {

/// Alignment of everything an arena hands out: a cache line, and the widest vector Highway loads here.
inline constexpr std::size_t arena_alignment = 64;

/// Rounds `bytes` up to a multiple of `arena_alignment`.
[[nodiscard]] constexpr std::size_t aligned_size(std::size_t bytes) noexcept {
  return (bytes + arena_alignment - 1) / arena_alignment * arena_alignment;
}

/// Hands out aligned pieces of one block, front to back; never frees single pieces.
///
/// An arena made without memory (`Arena::measuring()`) hands out null spans and only counts: running the same
/// allocation code over it yields the exact number of bytes a real one needs, at run time or as a constant of
/// the compiler.
///
/// Errors   `take` returns an empty span once the block is exhausted and `overflowed()` turns true.
/// Threads  not safe; use from one thread while setting up.
class Arena {
 public:
  explicit Arena(std::span<std::byte> memory) noexcept : memory_(memory) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
    used_ = (arena_alignment - address % arena_alignment) % arena_alignment;
  }
  [[nodiscard]] static constexpr Arena measuring() noexcept { return Arena(); }

  /// Takes room for `count` objects of the trivial type `T`; zeroed unless measuring.
  template <class T>
  [[nodiscard]] constexpr std::span<T> take(std::size_t count) noexcept {
    const std::span<T> objects = take_untouched<T>(count);
    for (T& object : objects) ::new (static_cast<void*>(&object)) T{};
    return objects;
  }

  /// As `take`, but leaves the memory as it is: pages that the system has not handed out yet stay so until
  /// they are used. For objects of implicit-lifetime types that are written before they are read.
  template <class T>
  [[nodiscard]] constexpr std::span<T> take_untouched(std::size_t count) noexcept {
    static_assert(std::is_trivially_destructible_v<T>, "lamina: Arena: objects are never destroyed");
    if (count > (SIZE_MAX / 2 - arena_alignment) / sizeof(T)) return fail<T>();
    const std::size_t bytes = aligned_size(count * sizeof(T));
    if (bytes > SIZE_MAX / 2 - used_) return fail<T>();
    const std::size_t begin = used_;
    used_ += bytes;
    if (measuring_) return {};
    if (used_ > memory_.size()) return fail<T>();
    return {reinterpret_cast<T*>(memory_.data() + begin), count};
  }

  /// Bytes handed out so far; for a measuring arena, the size a real block needs (alignment slack included).
  [[nodiscard]] constexpr std::size_t bytes_needed() const noexcept { return used_ + arena_alignment; }
  [[nodiscard]] constexpr bool overflowed() const noexcept { return overflowed_; }
  [[nodiscard]] constexpr bool is_measuring() const noexcept { return measuring_; }

 private:
  constexpr Arena() noexcept : measuring_(true) {}
  template <class T>
  constexpr std::span<T> fail() noexcept {
    overflowed_ = true;
    return {};
  }

  std::span<std::byte> memory_;
  std::size_t used_ = 0;
  bool measuring_ = false;
  bool overflowed_ = false;
};

}  // namespace lamina
