// SPDX-License-Identifier: Apache-2.0
// Drafts what comes next, lets the model read it all in one pass, and gives out logits as if every token had
// been fed alone. Source: mtp-assistant.md §5 (rounds), §6 variant B (drafts are guesses; the sampler
// decides).
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/core/types.hpp>
#include <lamina/engine/drafting/draft_counts.hpp>
#include <lamina/engine/drafting/draft_engine.hpp>
#include <lamina/engine/drafting/draft_guide.hpp>
#include <lamina/engine/drafting/draft_length.hpp>
#include <lamina/engine/engine.hpp>
#include <lamina/engine/sequence.hpp>
#include <lamina/sampling/token_mask.hpp>

namespace lamina {

/// Puts other tokens in the place of drafts: right and wrong ones at a known rate, in tests and benches.
struct DraftSubstitute {
  /// The token that is drafted at `position` instead of `drafted`.
  TokenId (*token)(void* context, std::uint32_t position, TokenId drafted) = nullptr;
  void* context = nullptr;
};

/// How drafts are made.
struct DraftOptions {
  std::uint32_t most = 8;  ///< drafts of a round at most, 0 .. `most_drafts`; 0: never any
  bool measures = true;    ///< false: always as many as there may be
  DraftSubstitute substitute{};
};

/// Feeds one sequence, reading ahead. What is returned has the bits that feeding without it has, for a pass
/// has the same bits for a row whatever the others.
///
/// Between calls the sequence may have read more than was fed: `position` says how much was, and `settle`
/// takes the rest back. Whoever changes the sequence otherwise (rewinds, restores, loads, resets) settles
/// before and says `forget` afterwards.
/// Threads   one at a time
class ReadAhead {
 public:
  /// For sequences of `engine`, which needs room for logits of a row more than drafts (`logits_rows`,
  /// `rows`): fewer are drafted else.
  ///
  /// Errors   bad_argument (options), out_of_memory, mismatch (as `DraftEngine::create`)
  [[nodiscard]] static Result<ReadAhead> create(const Drafter& drafter, const Engine& engine,
                                                const DraftOptions& options = {}) {
    if (options.most > most_drafts) {
      return Error{ErrorCode::bad_argument,
                   "drafts",
                   "more drafts than a round can have",
                   text("at most %u", most_drafts),
                   text("%u", options.most),
                   ""};
    }
    auto steps = DraftEngine::create(drafter, engine);
    if (!steps) return steps.error();
    return guard_memory("drafter", [&]() -> Result<ReadAhead> {
      return ReadAhead(std::move(*steps), options, engine.model());
    });
  }

  /// Feeds `tokens` to `sequence` and returns the logits of the last one, valid until the next call. At most
  /// `most` tokens are drafted, within `guide`.
  ///
  /// Errors   as `Engine::run`
  [[nodiscard]] Result<std::span<const float>> feed(Engine& engine, Sequence& sequence,
                                                    std::span<const TokenId> tokens, std::uint32_t most,
                                                    DraftGuide* guide = nullptr);

  /// Tokens that were fed, of those that `sequence` has read.
  [[nodiscard]] std::uint32_t position(const Sequence& sequence) const noexcept {
    return sequence.position() - unread();
  }

  /// Takes back what was read and not fed. Errors: as `Sequence::rewind`; it does not fail for sequences that
  /// nobody else changed.
  [[nodiscard]] Status settle(Sequence& sequence) noexcept {
    const std::uint32_t fed = position(sequence);
    finish_round(false);
    return fed < sequence.position() ? sequence.rewind(fed) : Status(Done{});
  }

  /// The sequence has read other things than what was fed.
  void forget() noexcept {
    drafts_.clear();
    at_ = 0;
    knows_hidden_ = false;
  }
  /// The hidden state of the token that the sequence has read last, [hidden]: drafts can follow the next one.
  void know_hidden(std::span<const float> hidden) noexcept {
    if (hidden.size() != hidden_.size()) return;
    std::copy(hidden.begin(), hidden.end(), hidden_.begin());
    knows_hidden_ = true;
  }

  [[nodiscard]] const DraftCounts& counts() const noexcept { return counts_; }
  /// Counts from 0 on again; costs and odds stay known.
  void reset_counts() noexcept { counts_ = {}; }
  [[nodiscard]] const DraftCosts& costs() const noexcept { return costs_; }

 private:
  using Clock = std::chrono::steady_clock;

  ReadAhead(DraftEngine steps, const DraftOptions& options, const Model& model)
      : steps_(std::move(steps)), options_(options), model_(model), suppressed_(model.suppressed_tokens()) {
    hidden_.resize(model.hidden());
    drafts_.reserve(most_drafts);
    fed_.reserve(most_drafts + 1);
    std::sort(suppressed_.begin(), suppressed_.end());
  }

  [[nodiscard]] std::uint32_t unread() const noexcept {
    return static_cast<std::uint32_t>(drafts_.size()) - at_;
  }
  [[nodiscard]] std::uint32_t length_of_round(const Engine& engine, const Sequence& sequence,
                                              std::size_t tokens, std::uint32_t most) noexcept;
  [[nodiscard]] Status draft(const Sequence& sequence, TokenId token, std::uint32_t count, DraftGuide* guide);
  [[nodiscard]] TokenId best_of(const DraftedRows& rows, const TokenMask* allowed) const noexcept;
  [[nodiscard]] Status read(Engine& engine, Sequence& sequence, std::span<const TokenId> tokens);
  void take_row() noexcept {
    const std::size_t width = hidden_.size();
    const float* row = rows_hidden_.data() + at_ * width;
    std::copy(row, row + width, hidden_.begin());
    knows_hidden_ = true;
  }
  [[nodiscard]] std::span<const float> logits() const noexcept {
    return rows_logits_.subspan(std::size_t{at_} * model_.vocab(), model_.vocab());
  }
  /// Notes how the drafts of the last pass fared. `is_refused`: the next one was wrong.
  void finish_round(bool is_refused) noexcept {
    if (!open_) return;
    const auto drafted = static_cast<std::uint32_t>(drafts_.size());
    counts_.accepted += at_;
    length_.take_round(costs_, drafted, at_, round_seconds_, !is_refused && at_ < drafted);
    drafts_.clear();
    at_ = 0;
    open_ = false;
  }

  DraftEngine steps_;
  DraftOptions options_;
  Model model_;
  std::vector<TokenId> suppressed_;  ///< sorted
  DraftCosts costs_;
  DraftLength length_;
  DraftCounts counts_;
  std::vector<float> hidden_;  ///< [hidden] of the last token fed
  bool knows_hidden_ = false;
  std::vector<TokenId> drafts_;  ///< of the last pass
  std::uint32_t at_ = 0;         ///< drafts that were fed since: the row whose logits were given out last
  bool open_ = false;            ///< how they fare is not noted yet
  double round_seconds_ = 0;     ///< of steps and pass
  std::vector<TokenId> fed_;     ///< what the pass reads
  std::span<const float> rows_logits_;  ///< [drafts + 1, vocab] of the last pass
  std::span<const float> rows_hidden_;  ///< [drafts + 1, hidden]
};

// --- Implementation ---

inline std::uint32_t ReadAhead::length_of_round(const Engine& engine, const Sequence& sequence,
                                                std::size_t tokens, std::uint32_t most) noexcept {
  // Tokens that come together were not drawn: there is no hidden state for the one before the last.
  if (tokens != 1 || !knows_hidden_ || sequence.position() == 0) return 0;
  const std::uint32_t rows = std::min(engine.options().rows, engine.options().logits_rows);
  const std::uint32_t room = sequence.context() - sequence.position();
  most = std::min({most, options_.most, rows - 1, room > 0 ? room - 1 : 0});
  return options_.measures ? length_.choose(costs_, most) : most;
}

inline TokenId ReadAhead::best_of(const DraftedRows& rows, const TokenMask* allowed) const noexcept {
  TokenId best = no_token;
  float most = -std::numeric_limits<float>::infinity();
  for (std::uint32_t i = 0; i < rows.count; ++i) {
    const TokenId id = rows.ids != nullptr ? rows.ids[i] : i;
    // Of equal ones the lowest token, in whatever order they come.
    if (rows.logits[i] < most || (rows.logits[i] == most && id > best)) continue;
    if (allowed != nullptr && !allowed->has(id)) continue;
    if (std::binary_search(suppressed_.begin(), suppressed_.end(), id)) continue;
    best = id;
    most = rows.logits[i];
  }
  return best;
}

inline Status ReadAhead::draft(const Sequence& sequence, TokenId token, std::uint32_t count,
                               DraftGuide* guide) {
  LAMINA_TRY(steps_.check(sequence));
  DraftRow row{Engine::cache_of(sequence), sequence.position(), token, hidden_.data()};
  while (drafts_.size() < count) {
    const TokenMask* allowed = guide != nullptr ? guide->allowed() : nullptr;
    const auto drafted = steps_.run({&row, 1});
    if (!drafted) return drafted.error();
    TokenId next = best_of(*drafted, allowed);
    if (options_.substitute.token != nullptr) {
      const auto at = sequence.position() + 1 + static_cast<std::uint32_t>(drafts_.size());
      next = options_.substitute.token(options_.substitute.context, at, next);
    }
    if (next == no_token) break;
    drafts_.push_back(next);
    if (model_.is_stop(next) || (guide != nullptr && !guide->follow(next))) break;
    row.token = next;
    row.hidden = drafted->hidden;
  }
  return Done{};
}

inline Status ReadAhead::read(Engine& engine, Sequence& sequence, std::span<const TokenId> tokens) {
  // What a pass has no room for goes before, and wants nothing.
  const std::size_t most = engine.options().rows;
  while (tokens.size() > most) {
    const Feed piece{&sequence, tokens.first(most), Want::none};
    const auto pass = engine.run({&piece, 1});
    if (!pass) return pass.error();
    tokens = tokens.subspan(most);
  }
  const Feed feed{&sequence, tokens, drafts_.empty() ? Want::last : Want::all};
  const auto begin = Clock::now();
  const auto pass = engine.run({&feed, 1});
  if (!pass) return pass.error();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  round_seconds_ += seconds;
  costs_.take_pass(static_cast<std::uint32_t>(tokens.size()), seconds);
  rows_logits_ = pass->logits(0);
  rows_hidden_ = pass->hidden(0);
  return Done{};
}

inline Result<std::span<const float>> ReadAhead::feed(Engine& engine, Sequence& sequence,
                                                      std::span<const TokenId> tokens, std::uint32_t most,
                                                      DraftGuide* guide) {
  while (!tokens.empty() && unread() > 0 && drafts_[at_] == tokens.front()) {
    ++at_;
    tokens = tokens.subspan(1);
  }
  if (tokens.empty()) {
    take_row();
    return logits();
  }
  if (at_ > 0) take_row();
  const std::uint32_t fed = position(sequence);
  const bool is_refused = unread() > 0;
  finish_round(is_refused);
  drafts_.clear();
  at_ = 0;
  if (is_refused) LAMINA_TRY(sequence.rewind(fed));

  const std::uint32_t count = length_of_round(engine, sequence, tokens.size(), most);
  round_seconds_ = 0;
  if (count > 0) {
    const auto begin = Clock::now();
    LAMINA_TRY(draft(sequence, tokens.front(), count, guide));
    round_seconds_ = std::chrono::duration<double>(Clock::now() - begin).count();
    costs_.take_steps(static_cast<std::uint32_t>(drafts_.size()), round_seconds_);
  }
  fed_.assign(tokens.begin(), tokens.end());
  fed_.insert(fed_.end(), drafts_.begin(), drafts_.end());
  Status status = read(engine, sequence, fed_);
  if (!status && !drafts_.empty()) {
    // What was drafted may be to blame (pages, numbers): without drafts, errors are those of plain feeding.
    drafts_.clear();
    status = read(engine, sequence, tokens);
  }
  if (!status) {
    forget();
    return status.error();
  }
  open_ = true;
  counts_.drafted += drafts_.size();
  ++counts_.passes;
  ++counts_.lengths[drafts_.size()];
  take_row();
  return logits();
}

}  // namespace lamina
