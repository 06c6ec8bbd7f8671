// SPDX-License-Identifier: Apache-2.0
// Memory that may be refused without exceptions: one block that holds everything an object needs, the
// caller's or from the heap; and shared objects, for std::shared_ptr cannot report that.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>

namespace lamina {

/// Memory of a size that is known before use. Moving it does not move the bytes.
class Block {
 public:
  Block() noexcept = default;
  Block(Block&& other) noexcept : owned_(std::move(other.owned_)), bytes_(std::exchange(other.bytes_, {})) {}
  Block& operator=(Block&& other) noexcept {
    owned_ = std::move(other.owned_);
    bytes_ = std::exchange(other.bytes_, {});
    return *this;
  }

  /// Takes `bytes` bytes: of `memory` if that is given, else from the heap. `what` names the owner in errors.
  ///
  /// Errors   out_of_memory (`memory` is too small, or the system refuses)
  [[nodiscard]] static Result<Block> take(std::size_t bytes, std::span<std::byte> memory,
                                          std::string_view what) noexcept {
    Block block;
    if (memory.data() != nullptr) {
      if (memory.size() < bytes) {
        return Error{ErrorCode::out_of_memory,
                     what,
                     "the caller's memory block is too small",
                     text("%zu bytes", bytes),
                     text("%zu bytes", memory.size()),
                     "ask how many bytes it takes before giving a block"};
      }
      block.bytes_ = memory.first(bytes);
      return block;
    }
    block.owned_.reset(new (std::align_val_t{arena_alignment}, std::nothrow) std::byte[bytes]);
    if (block.owned_ == nullptr) {
      return Error{ErrorCode::out_of_memory,
                   what,
                   "the system refused memory",
                   text("%zu bytes", bytes),
                   "none",
                   "plan a shorter `context`, smaller passes or a smaller `cache` format"};
    }
    block.bytes_ = {block.owned_.get(), bytes};
    return block;
  }

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool is_owned() const noexcept { return owned_ != nullptr; }  ///< not the caller's

 private:
  struct Free {
    void operator()(std::byte* block) const noexcept {
      ::operator delete[](block, std::align_val_t{arena_alignment});
    }
  };
  std::unique_ptr<std::byte[], Free> owned_;
  std::span<std::byte> bytes_;
};

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
