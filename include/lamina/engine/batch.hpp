// SPDX-License-Identifier: Apache-2.0
// Who goes into the next pass, and with how many tokens: fair to those who decode and to those who read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/engine/engine.hpp>
#include <lamina/pass/soft_rows.hpp>

namespace lamina {

/// What a pass has room for, and what it may cost those who wait for it.
struct BatchOptions {
  std::uint32_t rows = 512;       ///< as of the engine
  std::uint32_t logits_rows = 1;  ///< as of the engine
  /// Most rows of prompts in a pass with somebody who decodes: what these wait longer is what they cost.
  std::uint32_t prompt_rows = 512;
  bool keeps_blocks = false;  ///< `ModelEntry::sees_blocks`
};

/// Cuts what many sequences have to be fed into passes.
///
/// One token goes into the next pass, but where more sequences wait with one than a pass has rows; these take
/// turns. What is left of the rows is shared evenly by those that have more tokens; none of them waits for
/// ever.
/// Threads   one at a time
class Batch {
 public:
  explicit Batch(const BatchOptions& options) noexcept : options_(options) {}

  /// Takes memory for plans with up to `sequences` that wait: none of these allocates. Optional.
  ///
  /// Errors   out_of_memory
  [[nodiscard]] Status expect(std::size_t sequences) {
    return guard_memory("batch", [&]() -> Status {
      feeds_.reserve(sequences);
      late_.reserve(sequences);
      for (std::vector<std::size_t>* indices : {&sources_, &order_, &by_length_}) indices->reserve(sequences);
      return Done{};
    });
  }

  /// Plans the next pass of what waits: for each sequence all that it has to be fed, in any order. What it
  /// gets is a beginning of that; it wants what was wanted of these tokens. Views `waiting`'s tokens.
  ///
  /// Errors   out_of_memory; the next plan is none the worse for it
  [[nodiscard]] Status plan(std::span<const Feed> waiting) {
    return guard_memory("batch", [&]() -> Status {
      make(waiting);
      return Done{};
    });
  }

  /// For `Engine::run`. Empty if nothing waits.
  [[nodiscard]] std::span<const Feed> feeds() const noexcept { return feeds_; }
  /// Which of those that wait feed `index` is a beginning of.
  [[nodiscard]] std::size_t source(std::size_t index) const noexcept { return sources_[index]; }

  /// Rows that the pass has left.
  [[nodiscard]] std::uint32_t rows_left() const noexcept { return rows_; }
  /// Rows of logits that it has left.
  [[nodiscard]] std::uint32_t logits_left() const noexcept { return logits_; }
  /// Puts another feed in the place of `index`, of the same sequence. Requires that there is room for it.
  void replace(std::size_t index, const Feed& feed) noexcept {
    Feed& old = feeds_[index];
    rows_ = rows_ + static_cast<std::uint32_t>(old.tokens.size()) -
            static_cast<std::uint32_t>(feed.tokens.size());
    logits_ = logits_ + wanted_rows(old) - wanted_rows(feed);
    old = feed;
  }

 private:
  void make(std::span<const Feed> waiting) {
    feeds_.clear();
    sources_.clear();
    rows_ = options_.rows;
    logits_ = options_.logits_rows;
    put_in_order(waiting);
    std::size_t readers = 0;
    for (const std::size_t i : order_) readers += waiting[i].tokens.size() > 1 ? 1U : 0U;

    // A picture that does not fit beside all others goes first when its turn has come.
    const auto first_reader = std::find_if(order_.begin(), order_.end(),
                                           [&](std::size_t i) { return waiting[i].tokens.size() > 1; });
    if (first_reader != order_.end()) {
      const std::uint32_t block = block_at_front(waiting[*first_reader].tokens);
      const std::size_t singles = order_.size() - readers;
      if (block > 0 && block + singles > rows_) {
        if (add(waiting, *first_reader, block) > 0) {
          order_.erase(first_reader);
          --readers;
        }
      }
    }
    // So that those who read get on whatever the number of the others is.
    const std::uint32_t kept = readers > 0 && rows_ > 1 ? std::max(1U, rows_ / 8) : 0;
    std::uint32_t singles = 0;
    for (const std::size_t i : order_) {
      if (waiting[i].tokens.size() == 1 && rows_ > kept) singles += add(waiting, i, 1);
    }
    share(waiting, singles > 0 ? std::min(rows_, options_.prompt_rows) : rows_, readers);
    if (feeds_.empty() && !order_.empty()) {
      // Nothing fits, not even alone: the engine says what must be larger.
      const Feed& first = waiting[order_.front()];
      feeds_.push_back(first);
      feeds_.back().tokens = first.tokens.first(std::max(1U, block_at_front(first.tokens)));
      sources_.push_back(order_.front());
    }
    late_.clear();
    for (const std::size_t i : order_) {
      if (std::find(sources_.begin(), sources_.end(), i) == sources_.end())
        late_.push_back(waiting[i].sequence);
    }
  }

  /// Those that got nothing the last time come first.
  void put_in_order(std::span<const Feed> waiting) {
    order_.clear();
    for (const Sequence* sequence : late_) {
      for (std::size_t i = 0; i < waiting.size(); ++i) {
        if (waiting[i].sequence == sequence && !waiting[i].tokens.empty()) order_.push_back(i);
      }
    }
    const auto late = static_cast<std::ptrdiff_t>(order_.size());
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      const bool is_late = std::find(order_.begin(), order_.begin() + late, i) != order_.begin() + late;
      if (!is_late && !waiting[i].tokens.empty()) order_.push_back(i);
    }
  }

  /// Shares `budget` rows among those with more than one token.
  void share(std::span<const Feed> waiting, std::uint32_t budget, std::size_t readers) {
    // The shortest first: what they leave of their shares goes to the others.
    by_length_.clear();
    const auto is_shorter = [&](std::size_t a, std::size_t b) {
      return waiting[a].tokens.size() < waiting[b].tokens.size();
    };
    for (const std::size_t i : order_) {
      if (waiting[i].tokens.size() > 1)
        by_length_.insert(std::upper_bound(by_length_.begin(), by_length_.end(), i, is_shorter), i);
    }
    for (const std::size_t i : by_length_) {
      if (budget == 0) break;
      const auto even = static_cast<std::uint32_t>(std::max<std::size_t>(1, budget / readers--));
      // A block that is longer than a share is taken whole while there is room for it.
      const std::uint32_t block = block_at_front(waiting[i].tokens);
      budget -= std::min(budget, add(waiting, i, block > even && block <= rows_ ? block : even));
    }
  }

  /// Rows that must go together before anything else can.
  [[nodiscard]] std::uint32_t block_at_front(const PromptTokens& tokens) const noexcept {
    if (!options_.keeps_blocks || whole_blocks(tokens, 1, true) > 0) return 0;
    return tokens.soft_at(0)->count;
  }

  /// Adds up to `most` tokens of one that waits; returns how many.
  std::uint32_t add(std::span<const Feed> waiting, std::size_t index, std::uint32_t most) {
    const Feed& whole = waiting[index];
    most = std::min(most, rows_);
    if (whole.want == Want::all) most = std::min(most, logits_);
    const std::size_t count = whole_blocks(whole.tokens, most, options_.keeps_blocks);
    Feed part{whole.sequence, whole.tokens.first(count), whole.want};
    if (count < whole.tokens.size() && whole.want == Want::last) part.want = Want::none;
    const std::uint32_t wanted = wanted_rows(part);
    if (count == 0 || wanted > logits_) return 0;
    feeds_.push_back(part);
    sources_.push_back(index);
    rows_ -= static_cast<std::uint32_t>(count);
    logits_ -= wanted;
    return static_cast<std::uint32_t>(count);
  }

  BatchOptions options_;
  std::vector<Feed> feeds_;
  std::vector<std::size_t> sources_;
  std::vector<const Sequence*> late_;   ///< never looked into: they may be gone
  std::vector<std::size_t> order_;      ///< whose turn it is
  std::vector<std::size_t> by_length_;  ///< of those, readers
  std::uint32_t rows_ = 0;              ///< left in this pass
  std::uint32_t logits_ = 0;
};

}  // namespace lamina
