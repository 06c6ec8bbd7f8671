// SPDX-License-Identifier: Apache-2.0
// An array whose size is known only at run time and whose making may fail: media files choose sizes, and a
// std::vector cannot say that there is no memory without exceptions.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include <lamina/core/error.hpp>

namespace lamina {

/// Owns `size()` elements on the heap; empty when default-made or moved from.
template <class T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>, "lamina: Buffer: holds plain numbers");

 public:
  Buffer() noexcept = default;
  Buffer(Buffer&& other) noexcept
      : elements_(std::move(other.elements_)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    elements_ = std::move(other.elements_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  /// Takes memory for `count` elements, whose values are not set. `where` names what they are for.
  ///
  /// Errors   out_of_memory
  [[nodiscard]] static Result<Buffer> make(std::size_t count, const FixedText<192>& where) noexcept {
    Buffer buffer;
    buffer.elements_.reset(new (std::nothrow) T[count]);
    if (buffer.elements_ == nullptr) {
      return Error{ErrorCode::out_of_memory,
                   where,
                   "the system refused memory",
                   text("%zu elements of %zu bytes", count, sizeof(T)),
                   "none",
                   ""};
    }
    buffer.size_ = count;
    return buffer;
  }

  /// Forgets the elements behind the first `count`; their memory stays. Requires as many.
  void shrink(std::size_t count) noexcept {
    LAMINA_DCHECK(count <= size_);
    size_ = count;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] T* data() noexcept { return elements_.get(); }
  [[nodiscard]] const T* data() const noexcept { return elements_.get(); }
  [[nodiscard]] std::span<T> span() noexcept { return {elements_.get(), size_}; }
  [[nodiscard]] std::span<const T> span() const noexcept { return {elements_.get(), size_}; }

 private:
  std::unique_ptr<T[]> elements_;
  std::size_t size_ = 0;
};

}  // namespace lamina
