// SPDX-License-Identifier: Apache-2.0
// Pages of keys and values that the sequences of an engine take as they grow, share, and give back.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/arena.hpp>
#include <lamina/core/config.hpp>

namespace lamina {

/// A fixed number of pages of one size, each with a count of its users. A page holds `kv_block` positions of
/// all layers that keep the whole context. Pages are not touched before they are taken.
///
/// Threads   safe: sequences and snapshots may come and go beside a pass
class PagePool {
 public:
  /// Takes the memory of `pages` pages of `page_bytes` bytes from `arena`. Over a measuring arena only
  /// counts.
  constexpr void take_memory(std::uint32_t pages, std::size_t page_bytes, Arena& arena) noexcept {
    page_bytes_ = page_bytes;
    users_ = arena.take<std::uint32_t>(pages);
    free_ = arena.take<std::uint32_t>(pages);
    memory_ = arena.take_untouched<std::byte>(pages * page_bytes).data();
    for (std::uint32_t i = 0; i < free_.size(); ++i) free_[i] = pages - 1 - i;
    free_count_ = static_cast<std::uint32_t>(free_.size());
  }

  /// Sets `pages` to as many pages, each with one user; false, and none is taken, when there are not so many.
  [[nodiscard]] bool take(std::span<std::byte*> pages) noexcept { return exchange({}, pages); }

  /// As `take`, after one user was taken from each of `given`: all of it happens, or nothing. `given` and
  /// `pages` may be the same memory.
  [[nodiscard]] bool exchange(std::span<std::byte* const> given, std::span<std::byte*> pages) noexcept {
    const Lock lock(busy_);
    std::size_t gained = 0;
    for (const std::byte* page : given) gained += users_[index_of(page)] == 1 ? 1U : 0U;
    if (pages.size() > free_count_ - reserved_ + gained) return false;
    for (const std::byte* page : given) release_one(page);
    for (std::byte*& page : pages) page = take_one();
    return true;
  }

  /// Sets `count` free pages aside for `take_reserved`; false, and nothing is, when there are not so many.
  [[nodiscard]] bool reserve(std::size_t count) noexcept {
    const Lock lock(busy_);
    if (count > free_count_ - reserved_) return false;
    reserved_ += static_cast<std::uint32_t>(count);
    return true;
  }
  /// A page with one user. Requires that one is set aside.
  [[nodiscard]] std::byte* take_reserved() noexcept {
    const Lock lock(busy_);
    LAMINA_DCHECK(reserved_ > 0);
    --reserved_;
    return take_one();
  }
  /// Gives back what was set aside and not taken.
  void cancel(std::size_t count) noexcept {
    const Lock lock(busy_);
    LAMINA_DCHECK(count <= reserved_);
    reserved_ -= static_cast<std::uint32_t>(count);
  }

  /// Adds a user to a page: from then on nobody may write to it.
  void share(const std::byte* page) noexcept {
    const Lock lock(busy_);
    ++users_[index_of(page)];
  }
  [[nodiscard]] bool is_shared(const std::byte* page) const noexcept {
    const Lock lock(busy_);
    return users_[index_of(page)] > 1;
  }

  /// Takes one user from a page; the last one gives it back.
  void release(const std::byte* page) noexcept {
    const Lock lock(busy_);
    release_one(page);
  }

  [[nodiscard]] std::uint32_t free_pages() const noexcept {
    const Lock lock(busy_);
    return free_count_ - reserved_;
  }
  [[nodiscard]] std::uint32_t pages() const noexcept { return static_cast<std::uint32_t>(free_.size()); }
  [[nodiscard]] std::size_t page_bytes() const noexcept { return page_bytes_; }

 private:
  [[nodiscard]] std::uint32_t index_of(const std::byte* page) const noexcept {
    return static_cast<std::uint32_t>(static_cast<std::size_t>(page - memory_) / page_bytes_);
  }

  [[nodiscard]] std::byte* take_one() noexcept {
    const std::uint32_t page = free_[--free_count_];
    users_[page] = 1;
    return memory_ + page * page_bytes_;
  }
  void release_one(const std::byte* page) noexcept {
    const std::uint32_t index = index_of(page);
    LAMINA_DCHECK(users_[index] > 0);
    if (--users_[index] == 0) free_[free_count_++] = index;
  }

  /// Held for a handful of instructions a page.
  class Lock {
   public:
    explicit Lock(std::atomic<bool>& busy) noexcept : busy_(busy) {
      while (busy_.exchange(true, std::memory_order_acquire)) {
      }
    }
    ~Lock() { busy_.store(false, std::memory_order_release); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    std::atomic<bool>& busy_;
  };

  std::span<std::uint32_t> users_;  ///< [pages]
  std::span<std::uint32_t> free_;   ///< [pages] the first `free_count_` are free
  std::byte* memory_ = nullptr;     ///< [pages, page_bytes]
  std::size_t page_bytes_ = 0;
  std::uint32_t free_count_ = 0;
  std::uint32_t reserved_ = 0;  ///< of the free ones
  mutable std::atomic<bool> busy_{false};
};

}  // namespace lamina
