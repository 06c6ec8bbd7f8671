// SPDX-License-Identifier: Apache-2.0
// What slots and snapshots have read before: so that nobody reads it again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <lamina/chat/scheduling/slot.hpp>
#include <lamina/core/types.hpp>
#include <lamina/state/prefix_store.hpp>

namespace lamina::detail {

/// Finds for a prompt the slot or the snapshot that has read most of it; keeps snapshots within a budget.
/// Used by the scheduler's thread alone.
class SlotPrefixes {
 public:
  /// `budget` bytes of snapshots, of an engine with pages of `page_bytes`.
  SlotPrefixes(std::size_t budget, std::size_t page_bytes) : store_(budget, page_bytes) {}

  /// The idle slot that has read most of a prompt; of equal ones, the one that was idle for longest. Null:
  /// all are busy.
  [[nodiscard]] static AnswerSlot* slot_for(std::span<const TokenId> prompt,
                                            std::span<AnswerSlot> slots) noexcept {
    AnswerSlot* best = nullptr;
    std::uint32_t best_read = 0;
    for (AnswerSlot& slot : slots) {
      if (slot.busy()) continue;
      const std::uint32_t read = slot.usable_of(prompt);
      if (best != nullptr && (read < best_read || (read == best_read && slot.used >= best->used))) continue;
      best = &slot;
      best_read = read;
    }
    return best;
  }

  /// Has the sequence of `slot`, which has begun with `prompt`, go on from what has read most of it. Returns
  /// the tokens that the prompt has in common with others.
  [[nodiscard]] std::uint32_t go_on(AnswerSlot& slot, std::span<const TokenId> prompt) {
    const auto most = static_cast<std::uint32_t>(prompt.size() - 1);  // one is left, for its logits
    PrefixMatch match = store_.find(prompt);
    if (slot.shared && slot.shared->snapshot) match.snapshot = slot.shared->snapshot;
    const std::uint32_t here = slot.usable_of(prompt);
    bool restored = false;
    if (match.snapshot && std::min(match.snapshot->position(), most) > here) {
      while (!(restored = static_cast<bool>(slot.sequence.restore(*match.snapshot))) && store_.evict())
        continue;
      if (restored) static_cast<void>(slot.sequence.rewind(slot.sequence.rewind_start(most)));
    }
    if (!restored) static_cast<void>(slot.sequence.rewind(here));
    return match.common;
  }

  /// Keeps what a slot has read, if there is memory for it.
  void keep(const AnswerSlot& slot) {
    if (slot.sequence.snapshot_bytes() > store_.budget()) return;
    if (const auto snapshot = slot.sequence.snapshot()) static_cast<void>(store_.put(*snapshot));
  }

  /// Pages that only the store or idle slots hold are for those who are here. False: there are none.
  [[nodiscard]] bool free_pages(std::span<AnswerSlot> slots) noexcept {
    if (store_.evict()) return true;
    for (AnswerSlot& slot : slots) {
      if (slot.busy() || slot.sequence.position() == 0) continue;
      slot.sequence.reset();
      return true;
    }
    return false;
  }

  [[nodiscard]] std::size_t bytes() const noexcept { return store_.bytes(); }

 private:
  PrefixStore store_;
};

}  // namespace lamina::detail
