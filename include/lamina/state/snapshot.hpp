// SPDX-License-Identifier: Apache-2.0
// What a sequence had read at one moment: windows copied, pages shared.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <lamina/attention/kv_rows.hpp>
#include <lamina/core/arena.hpp>
#include <lamina/core/block.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/core/types.hpp>
#include <lamina/state/block_marks.hpp>
#include <lamina/state/page_pool.hpp>

namespace lamina {

/// A beginning that any sequence of the same engine can go on from (`Sequence::restore`, `Engine::branch`),
/// as often as wanted. Immutable; a copy is another owner.
///
/// It holds whole pages together with everybody who reads them, and copies of the rest: the rows of windows
/// and of the page that is not full. So the sequence that it was made of goes on writing to its own pages,
/// and needs no page more than without it.
/// Threads   distinct owners may be used by different threads
class Snapshot {
 public:
  [[nodiscard]] std::uint32_t position() const noexcept { return kept_->position; }  ///< tokens read
  [[nodiscard]] std::span<const TokenId> tokens() const noexcept { return kept_->parts.tokens; }
  /// Bytes of its own, without pages.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return kept_->block.bytes().size(); }
  /// Full pages that it holds together with others, first to last.
  [[nodiscard]] std::span<std::byte* const> pages() const noexcept { return kept_->full_pages(); }

  /// Bytes of the block of a snapshot at `position`; exact. `row_bytes` are those of windows and of the page
  /// that is not full.
  [[nodiscard]] static constexpr std::size_t bytes(std::uint32_t position, bool has_pages,
                                                   std::size_t row_bytes) noexcept {
    Arena arena = Arena::measuring();
    static_cast<void>(Parts::take(position, has_pages, row_bytes, arena));
    return arena.bytes_needed();
  }

 private:
  friend class Sequence;
  friend class StateReader;

  struct Parts {
    static constexpr Parts take(std::uint32_t position, bool has_pages, std::size_t row_bytes,
                                Arena& arena) noexcept {
      Parts parts;
      parts.tokens = arena.take<TokenId>(position);
      parts.marks = arena.take<std::uint64_t>(BlockMarks::words(position));
      parts.pages = arena.take<std::byte*>(has_pages ? kv_blocks(position) : 0);
      parts.rows = arena.take_untouched<std::byte>(row_bytes);
      return parts;
    }

    std::span<TokenId> tokens;       ///< [position]
    std::span<std::uint64_t> marks;  ///< as `BlockMarks::first`
    std::span<std::byte*> pages;  ///< full ones, then one for the rest, which only states that are read have
    std::span<std::byte> rows;    ///< as `visit_kept` shows them
  };

  struct Kept {
    Kept(std::uint32_t read, Block memory, const Parts& inside) noexcept
        : block(std::move(memory)), parts(inside), position(read) {}
    Kept(Kept&& other) noexcept
        : home(std::move(other.home)),
          pool(other.pool),
          block(std::move(other.block)),
          parts(std::exchange(other.parts, {})),
          position(other.position),
          floor(other.floor) {}
    Kept(const Kept&) = delete;
    Kept& operator=(const Kept&) = delete;
    Kept& operator=(Kept&&) = delete;
    [[nodiscard]] std::span<std::byte*> full_pages() const noexcept {
      return parts.pages.first(std::min<std::size_t>(parts.pages.size(), position / kv_block));
    }
    ~Kept() {
      for (const std::byte* page : parts.pages) {
        if (page != nullptr) pool->release(page);
      }
    }

    Counted<Block> home;  ///< where the pool lies, unless that is in the caller's memory
    PagePool* pool = nullptr;
    Block block;
    Parts parts;  ///< in the block
    std::uint32_t position;
    std::uint32_t floor = 0;  ///< as in `Sequence`
  };

  explicit Snapshot(Counted<Kept> kept) noexcept : kept_(std::move(kept)) {}

  /// Takes the memory of a snapshot that holds nothing yet. Errors: out_of_memory
  [[nodiscard]] static Result<Snapshot> create(std::uint32_t position, bool has_pages, std::size_t row_bytes,
                                               std::span<std::byte> memory) noexcept {
    auto block = Block::take(bytes(position, has_pages, row_bytes), memory, "snapshot");
    if (!block) return block.error();
    Arena arena(block->bytes());
    const Parts parts = Parts::take(position, has_pages, row_bytes, arena);
    auto kept = Counted<Kept>::make(position, std::move(*block), parts);
    if (!kept) return refused_memory("snapshot");
    return Snapshot(std::move(kept));
  }

  Counted<Kept> kept_;
};

}  // namespace lamina
