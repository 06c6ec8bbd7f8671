// SPDX-License-Identifier: Apache-2.0
// Drafts for all sequences of a pass, in steps that they share. Source: mtp-assistant.md §5 (rounds), §6
// variant B (drafts are guesses; the sampler decides).
#pragma once

#include <algorithm>
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
#include <lamina/engine/drafting/draft_costs.hpp>
#include <lamina/engine/drafting/draft_engine.hpp>
#include <lamina/engine/drafting/draft_guide.hpp>
#include <lamina/engine/drafting/draft_lengths.hpp>
#include <lamina/engine/drafting/draft_options.hpp>
#include <lamina/engine/drafting/lookahead.hpp>
#include <lamina/engine/engine.hpp>
#include <lamina/engine/sequence.hpp>
#include <lamina/sampling/token_mask.hpp>

namespace lamina {

/// A sequence that is fed one token and would have drafts behind it.
struct DraftWish {
  Lookahead* ahead = nullptr;  ///< has an unfinished round with drafts afterwards, or none
  const Sequence* sequence = nullptr;
  TokenId token = 0;            ///< that is fed next
  std::uint32_t most = 0;       ///< drafts at most
  DraftGuide* guide = nullptr;  ///< null: everything may be drafted
};

/// Drafts for passes over up to so many sequences: how many, by what was measured, and which.
///
/// A round is `draft`, the pass, `take_pass`, the end of each sequence's round (`Lookahead::finish`),
/// `finish`.
/// Threads   one at a time, and not while a pass of the engine runs
class DraftRounds {
 public:
  /// For up to `sequences` sequences of `engine`. Takes all memory.
  ///
  /// Errors   bad_argument (options), out_of_memory, mismatch (as `DraftEngine::create`)
  [[nodiscard]] static Result<DraftRounds> create(const Drafter& drafter, const Engine& engine,
                                                  const DraftOptions& options, std::uint32_t sequences) {
    LAMINA_TRY(options.check());
    auto steps = DraftEngine::create(drafter, engine, step_rows(options, sequences));
    if (!steps) return steps.error();
    return guard_memory("drafter", [&]() -> Result<DraftRounds> {
      return DraftRounds(std::move(*steps), options, engine.model(), sequences);
    });
  }
  /// Bytes that the steps take; exact.
  [[nodiscard]] static std::size_t bytes(const DrafterEntry& entry, const EngineOptions& engine,
                                         const DraftOptions& options, std::uint32_t sequences) noexcept {
    return DraftEngine::bytes(entry, engine, step_rows(options, sequences));
  }

  /// Drafts for the sequences of a pass of `rows`, at most `room` tokens together.
  ///
  /// Errors   those of `DraftEngine::run` and `check`, out_of_memory (of guides): no wish has drafts then
  [[nodiscard]] Status draft(const PlainRows& rows, std::uint32_t room, std::span<const DraftWish> wishes) {
    begin(rows, wishes);
    choose(std::min(room, most_));
    Status status = guard_memory("drafter", [&] { return run_steps(); });
    if (!status) drop();
    drafted_ = 0;
    for (const DraftWish& wish : wishes_) drafted_ += static_cast<std::uint32_t>(wish.ahead->drafts().size());
    return status;
  }
  /// The pass is run without the drafts.
  void drop() noexcept {
    for (const DraftWish& wish : wishes_) wish.ahead->drop();
    drafted_ = 0;
  }
  /// The pass took `seconds`.
  void take_pass(double seconds) noexcept {
    pass_seconds_ = seconds;
    costs_.take_pass(rows_, drafted_, seconds);
    open_ = true;
  }
  /// All sequences have ended their rounds; so many drafts were right.
  void finish(std::uint32_t accepted) noexcept {
    if (std::exchange(open_, false))
      lengths_.take_round(costs_, rows_, drafted_, accepted, steps_seconds_, pass_seconds_);
  }
  /// The round is no measure: other things happened meanwhile.
  void forget() noexcept { open_ = false; }

  /// Drafts of the last round.
  [[nodiscard]] std::uint32_t drafted() const noexcept { return drafted_; }
  /// Seconds that its steps took.
  [[nodiscard]] double steps_seconds() const noexcept { return steps_seconds_; }
  [[nodiscard]] const DraftCosts& costs() const noexcept { return costs_; }

 private:
  using Clock = std::chrono::steady_clock;

  DraftRounds(DraftEngine steps, const DraftOptions& options, const Model& model, std::uint32_t sequences)
      : steps_(std::move(steps)),
        options_(options),
        model_(model),
        suppressed_(model.suppressed_tokens()),
        most_(options.rows(sequences)),
        costs_(sequences + most_, step_rows(options, sequences)),
        lengths_(most_) {
    wishes_.reserve(sequences);
    shares_.reserve(sequences);
    active_.reserve(most_);
    step_.reserve(most_);
    std::sort(suppressed_.begin(), suppressed_.end());
  }

  /// Every sequence that drafts has one draft at least.
  static std::uint32_t step_rows(const DraftOptions& options, std::uint32_t sequences) noexcept {
    return std::max(1U, std::min(sequences, options.rows(sequences)));
  }

  void begin(const PlainRows& rows, std::span<const DraftWish> wishes) {
    rows_ = rows;
    steps_seconds_ = 0;
    open_ = false;
    wishes_.assign(wishes.begin(), wishes.end());
    shares_.clear();
    for (const DraftWish& wish : wishes_) {
      wish.ahead->drop();
      const std::uint32_t room = wish.sequence->context() - wish.sequence->position();
      const std::uint32_t most = std::min({wish.most, options_.most, room > 0 ? room - 1 : 0});
      shares_.push_back({&wish.ahead->odds(), wish.ahead->can_draft(*wish.sequence) ? most : 0});
    }
  }
  void choose(std::uint32_t most) noexcept {
    if (options_.measures) return lengths_.choose(costs_, rows_, most, shares_);
    for (bool more = true; more;) {
      more = false;
      for (DraftShare& share : shares_) {
        if (most == 0 || share.count == share.most) continue;
        ++share.count;
        --most;
        more = true;
      }
    }
  }
  [[nodiscard]] Status run_steps() {
    active_.clear();
    for (std::size_t i = 0; i < wishes_.size(); ++i) {
      if (shares_[i].count == 0) continue;
      LAMINA_TRY(steps_.check(*wishes_[i].sequence));
      const DraftWish& wish = wishes_[i];
      active_.push_back(
          {i,
           {Engine::cache_of(*wish.sequence), wish.sequence->position(), wish.token, wish.ahead->hidden()}});
    }
    while (!active_.empty()) {
      const auto begin = Clock::now();
      Status status = run_step();
      const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
      steps_seconds_ += seconds;
      if (!status) return status;
      costs_.take_step(static_cast<std::uint32_t>(step_.size()), seconds);
    }
    return Done{};
  }
  /// One more draft for each that is active; who needs no more after it leaves.
  [[nodiscard]] Status run_step() {
    step_.clear();
    for (const Active& one : active_) step_.push_back(one.row);
    const auto drafted = steps_.run(step_);
    if (!drafted) return drafted.error();
    std::size_t left = 0;
    for (std::size_t i = 0; i < active_.size(); ++i) {
      Active one = active_[i];
      const DraftWish& wish = wishes_[one.wish];
      const TokenId next = best_of(*drafted, i, wish);
      if (next == no_token) continue;
      wish.ahead->draft(next);
      const bool goes_on = wish.ahead->drafts().size() < shares_[one.wish].count && !model_.is_stop(next);
      if (!goes_on || (wish.guide != nullptr && !wish.guide->follow(next))) continue;
      one.row.token = next;
      one.row.hidden = drafted->hidden + i * model_.hidden();
      active_[left++] = one;
    }
    active_.resize(left);
    return Done{};
  }
  [[nodiscard]] TokenId best_of(const DraftedRows& rows, std::size_t row, const DraftWish& wish) const {
    const TokenMask* allowed = wish.guide != nullptr ? wish.guide->allowed() : nullptr;
    const float* logits = rows.logits + row * rows.count;
    TokenId best = no_token;
    float most = -std::numeric_limits<float>::infinity();
    for (std::uint32_t i = 0; i < rows.count; ++i) {
      const TokenId id = rows.ids != nullptr ? rows.ids[row * rows.count + i] : i;
      // Of equal ones the lowest token, in whatever order they come.
      if (logits[i] < most || (logits[i] == most && id > best)) continue;
      if (allowed != nullptr && !allowed->has(id)) continue;
      if (std::binary_search(suppressed_.begin(), suppressed_.end(), id)) continue;
      best = id;
      most = logits[i];
    }
    if (options_.substitute.token == nullptr) return best;
    const auto at = wish.sequence->position() + 1 + static_cast<std::uint32_t>(wish.ahead->drafts().size());
    return options_.substitute.token(options_.substitute.context, *wish.sequence, at, best);
  }

  struct Active {
    std::size_t wish = 0;
    DraftRow row;
  };

  DraftEngine steps_;
  DraftOptions options_;
  Model model_;
  std::vector<TokenId> suppressed_;  ///< sorted
  std::uint32_t most_;               ///< drafts of a pass
  DraftCosts costs_;
  DraftLengths lengths_;
  // Of one round:
  std::vector<DraftWish> wishes_;
  std::vector<DraftShare> shares_;  ///< [wishes]
  std::vector<Active> active_;      ///< those for which more is drafted
  std::vector<DraftRow> step_;
  PlainRows rows_;
  std::uint32_t drafted_ = 0;
  double steps_seconds_ = 0;
  double pass_seconds_ = 0;
  bool open_ = false;  ///< a pass was run whose drafts are not accounted for
};

}  // namespace lamina
