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

#if defined(__linux__) && __STDC_HOSTED__ && __has_include(<sys/mman.h>)
#include <sys/mman.h>
#endif

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>

namespace lamina {

/// Of x86-64, and of most other processors.
inline constexpr std::size_t large_page_bytes = std::size_t{2} << 20;

/// Asks that what lies in `memory` in whole large pages be mapped as such when it is first written to. A hint
/// only: nothing happens where the system has none. Rows that are asked for ahead of their use come in at the
/// pace of the memory only if their addresses are found at once.
inline void prefer_large_pages([[maybe_unused]] std::span<std::byte> memory) noexcept {
#if defined(MADV_HUGEPAGE)
  const auto begin = reinterpret_cast<std::uintptr_t>(memory.data());
  const std::size_t before = (large_page_bytes - begin % large_page_bytes) % large_page_bytes;
  if (memory.size() < before + large_page_bytes) return;
  const std::size_t whole = (memory.size() - before) / large_page_bytes * large_page_bytes;
  (void)::madvise(memory.data() + before, whole, MADV_HUGEPAGE);
#endif
}

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

  /// Takes `bytes` bytes: of `memory` if that is given, else from the heap, in large pages where the system
  /// grants them. `what` names the owner in errors.
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
    prefer_large_pages(block.bytes_);
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
