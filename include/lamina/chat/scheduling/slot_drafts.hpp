// SPDX-License-Identifier: Apache-2.0
// Reads ahead for the slots of a scheduler: drafts for all that decode, in a pass that all share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <lamina/chat/scheduling/slot.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/engine/batch.hpp>
#include <lamina/engine/drafting/draft_options.hpp>
#include <lamina/engine/drafting/draft_rounds.hpp>
#include <lamina/engine/drafting/drafter.hpp>
#include <lamina/engine/engine.hpp>

namespace lamina::detail {

/// Puts drafts into passes that were planned without: they take the rows that are left.
class SlotDrafts {
 public:
  /// Takes all memory for `slots` slots. Errors: as `DraftRounds::create`
  [[nodiscard]] static Result<SlotDrafts> create(const Drafter& drafter, const Engine& engine,
                                                 const DraftOptions& options, std::uint32_t slots) {
    auto rounds = DraftRounds::create(drafter, engine, options, slots);
    if (!rounds) return rounds.error();
    return guard_memory("drafter",
                        [&]() -> Result<SlotDrafts> { return SlotDrafts(std::move(*rounds), slots); });
  }

  /// Adds drafts to the pass that `batch` has planned for `slots`, those that its sources are.
  void add(Batch& batch, std::span<AnswerSlot* const> slots) {
    wishes_.clear();
    drafted_.clear();
    PlainRows rows{0, 0};
    for (std::size_t i = 0; i < batch.feeds().size(); ++i) {
      const Feed& feed = batch.feeds()[i];
      AnswerSlot& slot = *slots[batch.source(i)];
      if (feed.tokens.size() > 1 || feed.want == Want::none) {
        rows.others += static_cast<std::uint32_t>(feed.tokens.size());
        continue;
      }
      ++rows.single;
      if (slot.reads()) continue;
      wishes_.push_back({&slot.ahead, &slot.sequence, feed.tokens.ids.front(), slot.writer().drafts_wanted(),
                         &slot.writer()});
      drafted_.push_back({i, &slot});
    }
    const std::uint32_t room = std::min(batch.rows_left(), batch.logits_left());
    // What cannot be drafted is not: answers do not depend on it.
    static_cast<void>(rounds_.draft(rows, room, wishes_));
    for (const Drafted& one : drafted_) {
      if (one.slot->ahead.drafts().empty()) continue;
      const TokenId token = batch.feeds()[one.feed].tokens.ids.front();
      batch.replace(one.feed, {&one.slot->sequence, one.slot->ahead.with_drafts(token), Want::all});
    }
  }
  /// Whether the pass has drafts.
  [[nodiscard]] bool any() const noexcept { return rounds_.drafted() > 0; }
  /// Takes all drafts out of the pass again.
  void drop(Batch& batch) noexcept {
    rounds_.drop();
    for (const Drafted& one : drafted_) batch.replace(one.feed, one.slot->feed());
  }
  void take_pass(double seconds) noexcept { rounds_.take_pass(seconds); }
  /// All slots have taken what the pass returned. Returns how many drafts were right.
  std::uint32_t finish() noexcept {
    std::uint32_t accepted = 0;
    for (const Drafted& one : drafted_) accepted += one.slot->ahead.accepted();
    rounds_.finish(accepted);
    return accepted;
  }

  [[nodiscard]] const DraftRounds& rounds() const noexcept { return rounds_; }

 private:
  SlotDrafts(DraftRounds rounds, std::uint32_t slots) : rounds_(std::move(rounds)) {
    wishes_.reserve(slots);
    drafted_.reserve(slots);
  }

  struct Drafted {
    std::size_t feed = 0;  ///< of the batch
    AnswerSlot* slot = nullptr;
  };

  DraftRounds rounds_;
  std::vector<DraftWish> wishes_;
  std::vector<Drafted> drafted_;  ///< [wishes]
};

}  // namespace lamina::detail
