// SPDX-License-Identifier: Apache-2.0
// Rows of a table that stays on disk: read when a pass needs them, and kept in memory of a planned size.
// Source: text-decoder.md §2.2 (the table of per-layer embeddings).
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/arena.hpp>
#include <lamina/core/config.hpp>
#include <lamina/core/team.hpp>
#include <lamina/core/types.hpp>
#include <lamina/formats/weight_matrix.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Rows by token, as they are stored; of those that no fetch asked for lately, the next ones take the place.
///
/// Reading them costs no more memory than planned: rows that are mapped leave pages in the process, of which
/// the system also maps the neighbours.
/// Threads   one at a time, but for `row`
class RowCache {
 public:
  /// Takes memory for rows, and for fetches of up to `rows` of them. Over a measuring arena only counts.
  constexpr void take_memory(std::size_t bytes, std::uint32_t rows, Arena& arena) noexcept {
    memory_ = arena.take_untouched<std::byte>(bytes);
    held_ = arena.take<std::uint32_t>(rows);
    reads_ = arena.take<std::uint32_t>(rows);
  }

  /// Makes it hold rows of `table`, which `owner` reads. False if there is no room for a single one.
  [[nodiscard]] bool attach(const WeightMatrix& table, const ByteOwner& owner) noexcept {
    table_ = table;
    row_bytes_ = table.bytes_per_row();
    // At most two buckets a slot; slots and buckets are aligned.
    constexpr std::size_t slack = 3 * arena_alignment;
    const std::size_t room = memory_.size() - std::min(memory_.size(), slack);
    const std::size_t slots =
        std::min(room / (row_bytes_ + sizeof(Slot) + 2 * sizeof(std::uint32_t)), std::size_t{table.rows});
    if (slots == 0) return false;
    Arena arena(memory_);
    slots_ = arena.take<Slot>(slots);
    buckets_ = arena.take<std::uint32_t>(std::bit_ceil(slots));
    std::fill(buckets_.begin(), buckets_.end(), none);
    owner_ = &owner;
    return true;
  }
  [[nodiscard]] bool is_attached() const noexcept { return owner_ != nullptr; }

  /// Rows that one fetch may ask for.
  [[nodiscard]] std::uint32_t most_rows() const noexcept {
    return static_cast<std::uint32_t>(std::min(slots_.size(), held_.size()));
  }

  /// Asks the system to begin reading a token's row, unless it is here. A hint: nothing waits for it.
  void expect(TokenId token) const noexcept {
    if (token < table_.rows && find(token) == none) owner_->expect(stored(token));
  }

  /// Makes rows 0 .. count - 1 those of `token_of(i)`, which are below the table's rows. Those that are not
  /// here are read in the order of the file. Requires count <= `most_rows()`.
  ///
  /// Returns   false when one could not be read: then there are no rows
  template <class TokenOf>
  [[nodiscard]] bool fetch(const Team& team, std::uint32_t count, TokenOf token_of) noexcept {
    LAMINA_DCHECK(count <= most_rows());
    ++now_;
    std::uint32_t missing = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      const TokenId token = token_of(i);
      std::uint32_t slot = find(token);
      if (slot == none) {
        slot = free_slot();
        put(slot, token);
        reads_[missing++] = slot;
      } else {
        slots_[slot].was_asked_for = true;
      }
      slots_[slot].last_fetch = now_;
      held_[i] = slot;
    }
    const std::span<std::uint32_t> reads = reads_.first(missing);
    std::sort(reads.begin(), reads.end(),
              [&](std::uint32_t a, std::uint32_t b) { return slots_[a].token < slots_[b].token; });
    std::atomic<bool> is_read{true};
    team.split(missing, reads_per_share, [&](IndexRange range, std::uint32_t) noexcept {
      for (const std::uint32_t slot : reads.subspan(range.first, range.count)) {
        if (!owner_->read(stored(slots_[slot].token), place(slot)))
          is_read.store(false, std::memory_order_relaxed);
      }
    });
    if (is_read.load(std::memory_order_relaxed)) return true;
    for (const std::uint32_t slot : reads) remove(slot);
    return false;
  }

  /// Row `index` of the last fetch, as a table of one row.
  [[nodiscard]] WeightMatrix row(std::uint32_t index) const noexcept {
    WeightMatrix one = table_;
    one.data = place(held_[index]);
    one.rows = 1;
    return one;
  }

 private:
  static constexpr std::uint32_t none = 0xFFFF'FFFF;
  static constexpr std::uint32_t reads_per_share = 8;

  struct Slot {
    TokenId token = none;          ///< none: empty
    std::uint32_t next = none;     ///< slot in the same bucket
    std::uint32_t last_fetch = 0;  ///< that asked for it
    bool was_asked_for = false;    ///< again, since it was read or last passed over
  };

  [[nodiscard]] std::span<const std::byte> stored(TokenId token) const noexcept {
    return {table_.row(token), row_bytes_};
  }
  [[nodiscard]] std::byte* place(std::uint32_t slot) const noexcept {
    // Rows lie at the end, where nothing needs to be aligned.
    return memory_.data() + memory_.size() - (slot + std::size_t{1}) * row_bytes_;
  }
  [[nodiscard]] std::uint32_t& bucket_of(TokenId token) const noexcept {
    return buckets_[(token * 0x9E37'79B9U >> 7) & (buckets_.size() - 1)];
  }

  [[nodiscard]] std::uint32_t find(TokenId token) const noexcept {
    std::uint32_t slot = bucket_of(token);
    while (slot != none && slots_[slot].token != token) slot = slots_[slot].next;
    return slot;
  }
  void put(std::uint32_t slot, TokenId token) noexcept {
    std::uint32_t& bucket = bucket_of(token);
    slots_[slot].token = token;
    slots_[slot].next = bucket;
    bucket = slot;
  }
  void remove(std::uint32_t slot) noexcept {
    std::uint32_t* link = &bucket_of(slots_[slot].token);
    while (*link != slot) link = &slots_[*link].next;
    *link = slots_[slot].next;
    slots_[slot] = Slot{};
  }

  /// An empty slot, emptied if there is none: the first behind the hand that was not asked for since the hand
  /// passed it.
  [[nodiscard]] std::uint32_t free_slot() noexcept {
    for (;;) {
      const std::uint32_t slot = hand_;
      hand_ = (hand_ + 1) % static_cast<std::uint32_t>(slots_.size());
      Slot& found = slots_[slot];
      if (found.token == none) return slot;
      if (found.last_fetch == now_) continue;
      if (found.was_asked_for) {
        found.was_asked_for = false;
        continue;
      }
      remove(slot);
      return slot;
    }
  }

  WeightMatrix table_;
  const ByteOwner* owner_ = nullptr;
  std::size_t row_bytes_ = 0;
  std::span<std::byte> memory_;  ///< slots and buckets from its beginning, rows from its end
  std::span<Slot> slots_;
  std::span<std::uint32_t> buckets_;  ///< [power of two] first slot of each
  std::span<std::uint32_t> held_;     ///< [rows of a pass] slots of the last fetch
  std::span<std::uint32_t> reads_;    ///< [rows of a pass] slots that are read
  std::uint32_t hand_ = 0;
  std::uint32_t now_ = 0;  ///< fetches so far
};

}  // namespace lamina
