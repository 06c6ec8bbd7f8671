// SPDX-License-Identifier: Apache-2.0
// Drafts what comes next, lets the model read it all in one pass, and gives out logits as if every token had
// been fed alone. Source: mtp-assistant.md §5 (rounds), §6 variant B (drafts are guesses; the sampler
// decides).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/core/types.hpp>
#include <lamina/engine/drafting/draft_counts.hpp>
#include <lamina/engine/drafting/draft_guide.hpp>
#include <lamina/engine/drafting/draft_options.hpp>
#include <lamina/engine/drafting/draft_rounds.hpp>
#include <lamina/engine/drafting/lookahead.hpp>
#include <lamina/engine/engine.hpp>
#include <lamina/engine/sequence.hpp>

namespace lamina {

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
    auto rounds = DraftRounds::create(drafter, engine, options, 1);
    if (!rounds) return rounds.error();
    return guard_memory("drafter", [&]() -> Result<ReadAhead> {
      return ReadAhead(std::move(*rounds), Lookahead(engine.model().hidden()));
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
    return ahead_.position(sequence);
  }

  /// Takes back what was read and not fed. Errors: as `Lookahead::finish`
  [[nodiscard]] Status settle(Sequence& sequence) noexcept { return finish_round(sequence, false); }

  /// The sequence has read other things than what was fed.
  void forget() noexcept {
    ahead_.forget();
    rounds_.forget();
  }
  /// As of `Lookahead`.
  void know_hidden(std::span<const float> hidden) noexcept { ahead_.know_hidden(hidden); }

  [[nodiscard]] const DraftCounts& counts() const noexcept { return ahead_.counts(); }
  /// Counts from 0 on again; costs and odds stay known.
  void reset_counts() noexcept { ahead_.reset_counts(); }
  [[nodiscard]] const DraftCosts& costs() const noexcept { return rounds_.costs(); }

 private:
  ReadAhead(DraftRounds rounds, Lookahead ahead) noexcept
      : rounds_(std::move(rounds)), ahead_(std::move(ahead)) {}

  [[nodiscard]] Status finish_round(Sequence& sequence, bool is_refused) noexcept {
    Status status = ahead_.finish(sequence, is_refused);
    rounds_.finish(ahead_.accepted());
    return status;
  }
  [[nodiscard]] Status read(Engine& engine, Sequence& sequence, std::span<const TokenId> tokens);

  DraftRounds rounds_;
  Lookahead ahead_;
};

// --- Implementation ---

inline Status ReadAhead::read(Engine& engine, Sequence& sequence, std::span<const TokenId> tokens) {
  // What a pass has no room for goes before, and wants nothing.
  const std::size_t most = engine.options().rows;
  while (tokens.size() > most) {
    const Feed piece{&sequence, tokens.first(most), Want::none};
    const auto pass = engine.run({&piece, 1});
    if (!pass) return pass.error();
    tokens = tokens.subspan(most);
  }
  const Feed feed{&sequence, tokens, ahead_.drafts().empty() ? Want::last : Want::all};
  const auto begin = std::chrono::steady_clock::now();
  const auto pass = engine.run({&feed, 1});
  if (!pass) return pass.error();
  rounds_.take_pass(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  ahead_.take(pass->logits(0), pass->hidden(0));
  return Done{};
}

inline Result<std::span<const float>> ReadAhead::feed(Engine& engine, Sequence& sequence,
                                                      std::span<const TokenId> tokens, std::uint32_t most,
                                                      DraftGuide* guide) {
  tokens = ahead_.skip(tokens);
  if (tokens.empty()) return ahead_.logits();
  LAMINA_TRY(finish_round(sequence, true));

  Status status = Done{};
  if (tokens.size() > 1) {
    // Tokens that come together were not drawn: there is no hidden state for the one before the last.
    LAMINA_TRY(rounds_.draft({0, static_cast<std::uint32_t>(tokens.size())}, 0, {}));
    status = read(engine, sequence, tokens);
  } else {
    const DraftWish wish{&ahead_, &sequence, tokens.front(), most, guide};
    const std::uint32_t room = std::min(engine.options().rows, engine.options().logits_rows) - 1;
    LAMINA_TRY(rounds_.draft({1, 0}, room, {&wish, 1}));
    status = read(engine, sequence, ahead_.with_drafts(tokens.front()));
    if (!status && !ahead_.drafts().empty()) {
      // What was drafted may be to blame (pages, numbers): without drafts, errors are those of plain feeding.
      rounds_.drop();
      status = read(engine, sequence, tokens);
    }
  }
  if (status) return ahead_.logits();
  forget();
  return status.error();
}

}  // namespace lamina
