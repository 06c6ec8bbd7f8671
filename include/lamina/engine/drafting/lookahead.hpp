// SPDX-License-Identifier: Apache-2.0
// What one sequence has read ahead: drafts of the last pass and their logits, given out one by one as if each
// token had been fed alone. Source: mtp-assistant.md §3.1 (which hidden state drafts start from), §5.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/engine/drafting/draft_counts.hpp>
#include <lamina/engine/drafting/draft_odds.hpp>
#include <lamina/engine/sequence.hpp>

namespace lamina {

/// A round of one sequence: what goes into a pass (`begin`, `draft`), what came out (`take`), the tokens that
/// are fed after it and were drafted (`skip`), its end (`finish`).
///
/// Between `take` and `finish` the sequence may have read more than was fed.
/// Threads   one at a time
class Lookahead {
 public:
  /// For sequences of a model with hidden states of `hidden` numbers; 0: nothing is ever drafted. Takes
  /// memory for all rounds.
  explicit Lookahead(std::uint32_t hidden) : hidden_(hidden) {
    drafts_.reserve(most_drafts);
    fed_.reserve(most_drafts + 1);
  }

  /// The hidden state of the token that the sequence has read last, [hidden]: drafts can follow the next one.
  void know_hidden(std::span<const float> hidden) noexcept {
    if (hidden_.empty() || hidden.size() != hidden_.size()) return;
    std::copy(hidden.begin(), hidden.end(), hidden_.begin());
    knows_hidden_ = true;
  }
  /// The sequence has read other things than what was fed.
  void forget() noexcept {
    drop();
    rows_logits_ = rows_hidden_ = {};
    open_ = false;
    knows_hidden_ = false;
  }

  /// Whether tokens can be drafted behind one that is fed next.
  [[nodiscard]] bool can_draft(const Sequence& sequence) const noexcept {
    return knows_hidden_ && sequence.position() > 0;
  }
  [[nodiscard]] const float* hidden() const noexcept { return hidden_.data(); }

  /// Drafts of this round.
  [[nodiscard]] std::span<const TokenId> drafts() const noexcept { return drafts_; }
  void draft(TokenId token) noexcept { drafts_.push_back(token); }
  /// Nothing was drafted after all.
  void drop() noexcept {
    drafts_.clear();
    at_ = 0;
  }
  /// What a pass reads: `token`, and all drafts behind it. Valid until the next call.
  [[nodiscard]] std::span<const TokenId> with_drafts(TokenId token) noexcept {
    fed_.assign(1, token);
    fed_.insert(fed_.end(), drafts_.begin(), drafts_.end());
    return fed_;
  }

  /// What a pass returned for the last token that was fed and the drafts: logits [drafts + 1, vocab] and
  /// hidden states [drafts + 1, hidden], valid as long as `logits` is used.
  void take(std::span<const float> logits, std::span<const float> hidden) noexcept {
    rows_logits_ = logits;
    rows_hidden_ = hidden;
    at_ = 0;
    open_ = true;
    counts_.take_pass(drafts_.size());
    take_row();
  }
  /// Logits of the last token that was fed, [vocab].
  [[nodiscard]] std::span<const float> logits() const noexcept {
    const std::size_t width = rows_logits_.size() / (drafts_.size() + 1);
    return rows_logits_.subspan(at_ * width, width);
  }
  /// `tokens` are fed: those at their front that were drafted are read already. Returns the others.
  [[nodiscard]] std::span<const TokenId> skip(std::span<const TokenId> tokens) noexcept {
    const std::size_t before = at_;
    while (!tokens.empty() && at_ < drafts_.size() && drafts_[at_] == tokens.front()) {
      ++at_;
      tokens = tokens.subspan(1);
    }
    if (at_ > before) take_row();
    return tokens;
  }
  /// Tokens that were fed, of those that `sequence` has read.
  [[nodiscard]] std::uint32_t position(const Sequence& sequence) const noexcept {
    return sequence.position() - static_cast<std::uint32_t>(drafts_.size() - at_);
  }

  /// Ends the round: takes back what `sequence` has read and was not fed. `is_refused`: another token was fed
  /// in the place of the next draft. `logits` is void from then on.
  ///
  /// Errors   as `Sequence::rewind`; it does not fail for sequences that nobody else changed
  [[nodiscard]] Status finish(Sequence& sequence, bool is_refused) noexcept {
    const std::uint32_t fed = position(sequence);
    accepted_ = static_cast<std::uint32_t>(at_);
    if (open_) {
      counts_.accepted += at_;
      odds_.take(static_cast<std::uint32_t>(drafts_.size()), accepted_, !is_refused && at_ < drafts_.size());
    }
    open_ = false;
    drop();
    return fed < sequence.position() ? sequence.rewind(fed) : Status(Done{});
  }
  /// Drafts that were right in the round that ended last.
  [[nodiscard]] std::uint32_t accepted() const noexcept { return accepted_; }

  [[nodiscard]] const DraftOdds& odds() const noexcept { return odds_; }
  [[nodiscard]] const DraftCounts& counts() const noexcept { return counts_; }
  /// Counts from 0 on again; odds stay known.
  void reset_counts() noexcept { counts_ = {}; }

 private:
  void take_row() noexcept { know_hidden(rows_hidden_.subspan(at_ * hidden_.size(), hidden_.size())); }

  std::vector<float> hidden_;  ///< [hidden] of the last token fed
  bool knows_hidden_ = false;
  std::vector<TokenId> drafts_;
  std::vector<TokenId> fed_;            ///< what a pass reads
  std::size_t at_ = 0;                  ///< drafts that were fed: the row whose logits are given out
  bool open_ = false;                   ///< how they fare is not noted yet
  std::span<const float> rows_logits_;  ///< [drafts + 1, vocab] of the last pass
  std::span<const float> rows_hidden_;  ///< [drafts + 1, hidden]
  std::uint32_t accepted_ = 0;
  DraftOdds odds_;
  DraftCounts counts_;
};

}  // namespace lamina
