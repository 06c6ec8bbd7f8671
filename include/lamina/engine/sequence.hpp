// SPDX-License-Identifier: Apache-2.0
// One conversation's state: its tokens, their keys and values, and how far it is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include <lamina/core/block.hpp>
#include <lamina/core/types.hpp>
#include <lamina/attention/kv_rows.hpp>
#include <lamina/engine/page_pool.hpp>
#include <lamina/engine/runner.hpp>

namespace lamina {

/// Keys, values and tokens of one sequence, made by an engine (`Engine::sequence`) for its own passes.
///
/// Nothing in it points to an engine that may be moved; it is fed by the one that made it only. Moved from,
/// it holds no tokens and no room for any.
/// Threads   one at a time
class Sequence {
 public:
  Sequence(Sequence&& other) noexcept { *this = std::move(other); }
  Sequence& operator=(Sequence&& other) noexcept {
    if (this == &other) return *this;
    reset();
    home_ = std::move(other.home_);
    pool_ = std::exchange(other.pool_, nullptr);
    block_ = std::move(other.block_);
    cache_ = std::exchange(other.cache_, nullptr);
    runner_ = std::exchange(other.runner_, nullptr);
    tokens_ = std::exchange(other.tokens_, {});
    position_ = std::exchange(other.position_, 0);
    pages_ = std::exchange(other.pages_, 0);
    return *this;
  }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;
  ~Sequence() { reset(); }

  [[nodiscard]] std::uint32_t position() const noexcept { return position_; }  ///< tokens fed so far
  /// Tokens it has room for.
  [[nodiscard]] std::uint32_t context() const noexcept { return static_cast<std::uint32_t>(tokens_.size()); }
  [[nodiscard]] std::span<const TokenId> tokens() const noexcept { return tokens_.first(position_); }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return block_.bytes().size(); }

  /// Forgets all tokens and gives their pages back.
  void reset() noexcept {
    keep_pages(0);
    position_ = 0;
  }

 private:
  friend class Engine;
  Sequence() noexcept = default;

  void append(std::span<const TokenId> tokens) noexcept {
    std::copy(tokens.begin(), tokens.end(), tokens_.begin() + position_);
    position_ += static_cast<std::uint32_t>(tokens.size());
  }

  /// The page that the next token is written to, if it is there and another sequence reads it too; null if
  /// not.
  [[nodiscard]] std::byte** shared_page() const noexcept {
    const std::uint32_t next = position_ / kv_block;
    return next < pages_ && pool_->is_shared(cache_->pages[next]) ? &cache_->pages[next] : nullptr;
  }
  /// Pages that `tokens` more tokens need and that are not there yet, or are not this sequence's alone.
  [[nodiscard]] std::uint32_t missing_pages(std::size_t tokens) const noexcept {
    if (cache_->pages.empty() || tokens == 0) return 0;
    const std::uint32_t needed = kv_blocks(static_cast<std::uint32_t>(position_ + tokens));
    const std::uint32_t more =
        needed > pages_ ? needed - pages_ : 0;  // a failed pass may have taken some ahead
    return more + (shared_page() != nullptr ? 1 : 0);
  }
  /// Takes the pages for `tokens` more tokens; a shared one is copied before it is written to. Requires that
  /// the pool has `missing_pages(tokens)`.
  void take_pages(std::size_t tokens) noexcept {
    std::uint32_t missing = missing_pages(tokens);
    if (std::byte** page = missing > 0 ? shared_page() : nullptr) {
      std::byte* own = pool_->take();
      std::memcpy(own, *page, pool_->page_bytes());
      pool_->release(std::exchange(*page, own));
      --missing;
    }
    for (; missing > 0; --missing) cache_->pages[pages_++] = pool_->take();
  }
  /// Becomes another sequence of what `other` has read. Requires room for it, and rings that were copied.
  void share(const Sequence& other) noexcept {
    append(other.tokens());
    if (cache_->pages.empty()) return;
    for (; pages_ < kv_blocks(position_); ++pages_) {
      cache_->pages[pages_] = other.cache_->pages[pages_];
      pool_->share(cache_->pages[pages_]);
    }
  }
  void keep_pages(std::uint32_t count) noexcept {
    while (pages_ > count) pool_->release(std::exchange(cache_->pages[--pages_], nullptr));
  }

  Counted<Block> home_;  ///< where the pool lies, unless that is in the caller's memory
  PagePool* pool_ = nullptr;
  Block block_;
  SequenceCache* cache_ = nullptr;  ///< in the block
  const Runner* runner_ = nullptr;  ///< whose passes it fits; never called
  std::span<TokenId> tokens_;       ///< [context], in the block
  std::uint32_t position_ = 0;
  std::uint32_t pages_ = 0;  ///< taken from the pool
  bool in_pass_ = false;     ///< while an engine checks that no sequence is fed twice
};

}  // namespace lamina
