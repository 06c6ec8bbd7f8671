// SPDX-License-Identifier: Apache-2.0
// A list in memory that somebody else gives: what std::vector is where there is no heap.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>

#include <lamina/core/config.hpp>

namespace lamina {

/// Grows up to the size of its memory; what does not fit is dropped, and `overflowed()` says so. The
/// functions are those of std::vector.
template <class T>
class FixedList {
  static_assert(std::is_trivially_copyable_v<T>, "lamina: FixedList: holds numbers and plain structs");

 public:
  FixedList() noexcept = default;
  explicit FixedList(std::span<T> memory) noexcept : memory_(memory) {}

  [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] T* data() noexcept { return memory_.data(); }
  [[nodiscard]] T* begin() noexcept { return memory_.data(); }
  [[nodiscard]] T* end() noexcept { return memory_.data() + size_; }
  [[nodiscard]] T& operator[](std::size_t index) noexcept { return memory_[index]; }
  [[nodiscard]] T& back() noexcept { return memory_[size_ - 1]; }

  void push_back(const T& value) noexcept {
    if (grow(1)) memory_[size_ - 1] = value;
  }
  void pop_back() noexcept { --size_; }
  /// Forgets also that it overflowed.
  void clear() noexcept {
    size_ = 0;
    overflowed_ = false;
  }
  void resize(std::size_t count) noexcept {
    if (count <= size_) {
      size_ = count;
    } else if (const std::size_t before = size_; grow(count - size_)) {
      std::fill(begin() + before, end(), T{});
    }
  }
  template <class Iterator>
  void insert(T* at, Iterator first, Iterator last) noexcept {
    const auto count = static_cast<std::size_t>(last - first);
    if (!grow(count)) return;
    std::copy_backward(at, end() - count, end());
    std::copy(first, last, at);
  }
  void insert(T* at, const T& value) noexcept { insert(at, &value, &value + 1); }

 private:
  [[nodiscard]] bool grow(std::size_t count) noexcept {
    if (count > memory_.size() - size_) {
      overflowed_ = true;
      return false;
    }
    size_ += count;
    return true;
  }

  std::span<T> memory_;
  std::size_t size_ = 0;
  bool overflowed_ = false;
};

}  // namespace lamina
