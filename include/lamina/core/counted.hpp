// SPDX-License-Identifier: Apache-2.0
// Shared ownership by counting, for objects whose making may fail: std::shared_ptr cannot report that without
// exceptions.
#pragma once

#include <atomic>
#include <cstdint>
#include <new>
#include <utility>

#include <lamina/core/config.hpp>

namespace lamina {

/// A `T` on the heap that lives as long as its last owner; empty when default-made or when there was no
/// memory.
///
/// Threads   distinct owners of one object may be copied and destroyed by different threads
template <class T>
class Counted {
 public:
  Counted() noexcept = default;
  /// Makes a `T`; the result is empty when the system refuses the memory.
  template <class... Arguments>
  [[nodiscard]] static Counted make(Arguments&&... arguments) noexcept {
    Counted made;
    made.box_ = new (std::nothrow) Box{{1}, T{std::forward<Arguments>(arguments)...}};
    return made;
  }

  Counted(const Counted& other) noexcept : box_(other.box_) {
    if (box_ != nullptr) box_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  Counted(Counted&& other) noexcept : box_(std::exchange(other.box_, nullptr)) {}
  Counted& operator=(Counted other) noexcept {
    std::swap(box_, other.box_);
    return *this;
  }
  ~Counted() {
    // Whoever deletes must see everything that the others did before they let go.
    if (box_ != nullptr && box_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete box_;
  }

  [[nodiscard]] explicit operator bool() const noexcept { return box_ != nullptr; }
  [[nodiscard]] T& operator*() const noexcept { return box_->value; }
  [[nodiscard]] T* operator->() const noexcept { return &box_->value; }

 private:
  struct Box {
    std::atomic<std::uint32_t> owners;
    T value;
  };
  Box* box_ = nullptr;
};

}  // namespace lamina
