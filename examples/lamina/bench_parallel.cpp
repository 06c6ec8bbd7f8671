// SPDX-License-Identifier: Apache-2.0
// `lamina bench --parallel`: many sequences decode together, and a prompt is read meanwhile.
#include "bench_parallel.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include <lamina/engine/batch.hpp>
#include <lamina/engine/drafting/draft_rounds.hpp>
#include <lamina/engine/drafting/lookahead.hpp>

#include "interrupt.hpp"
#include "machine.hpp"

namespace program {
namespace {

using lamina::Feed;
using lamina::TokenId;
using lamina::Want;

/// Passes of a turn.
constexpr std::uint32_t turn_passes = 8;

class ParallelBench {
 public:
  ParallelBench(lamina::Engine& engine, const ParallelTest& test) : engine_(engine), test_(test) {
    std::mt19937 random(1);
    const std::size_t count = std::size_t{test.depth} + std::max(test.generate, test.prompt) + 1;
    for (std::size_t i = 0; i < count; ++i)
      tokens_.push_back(static_cast<TokenId>(random() % engine.model().vocab()));
  }

  [[nodiscard]] lamina::Result<ParallelSpeed> run() {
    LAMINA_TRY(begin());
    StandIn stand_in{tokens_, test_.acceptance};
    std::optional<lamina::DraftRounds> rounds;
    if (test_.drafter != nullptr) {
      lamina::DraftOptions options = test_.drafts;
      options.substitute = stand_in.substitute();
      auto made = lamina::DraftRounds::create(*test_.drafter, engine_, options, test_.sequences);
      if (!made) return made.error();
      rounds.emplace(std::move(*made));
      for (std::uint32_t i = 0; i < test_.sequences; ++i) aheads_.emplace_back(engine_.model().hidden());
    }
    ParallelSpeed speed;
    LAMINA_TRY(decode(1, speed));  // pages of the weights come in, clocks rise
    speed = {};
    if (rounds) {
      LAMINA_TRY(decode_in_turns(*rounds, speed));
      return speed;
    }
    const Stopwatch watch;
    LAMINA_TRY(test_.mix ? decode_beside_prompt(speed) : decode(test_.generate - 1, speed));
    const double seconds = watch.seconds();
    speed.decode_per_s = static_cast<double>(speed.decoded) / seconds;
    speed.prompt_per_s = static_cast<double>(speed.read) / seconds;
    return speed;
  }

 private:
  [[nodiscard]] lamina::Status begin() {
    for (std::uint32_t i = 0; i < test_.sequences; ++i) {
      // What they have in common is read once.
      auto made = users_.empty() ? engine_.sequence({end()}) : engine_.branch(users_.front());
      if (!made) return made.error();
      users_.push_back(std::move(*made));
      if (i > 0) continue;
      for (std::uint32_t at = 0; at < test_.depth;) {
        const std::uint32_t count = std::min(test_.depth - at, engine_.options().rows);
        const Feed feed[] = {{&users_[0], std::span(tokens_).subspan(at, count), Want::none}};
        const auto read = engine_.run(feed);
        if (!read) return read.error();
        at += count;
      }
    }
    return lamina::Done{};
  }

  [[nodiscard]] std::vector<Feed> steps() {
    std::vector<Feed> feeds;
    for (lamina::Sequence& user : users_)
      feeds.push_back({&user, std::span(tokens_).subspan(user.position(), 1), Want::last});
    return feeds;
  }

  [[nodiscard]] lamina::Status decode(std::uint32_t passes, ParallelSpeed& speed) {
    for (std::uint32_t pass = 0; pass < passes && !interrupted(); ++pass) {
      const auto result = engine_.run(steps());
      if (!result) return result.error();
      speed.decoded += users_.size();
      for (std::size_t i = 0; i < aheads_.size(); ++i) aheads_[i].know_hidden(result->hidden(i));
    }
    return lamina::Done{};
  }

  /// Until one sequence has decoded all its tokens: turns with and without drafts, for machines change their
  /// speed within seconds.
  [[nodiscard]] lamina::Status decode_in_turns(lamina::DraftRounds& rounds, ParallelSpeed& speed) {
    ParallelSpeed plain;
    double drafted_s = 0;
    double plain_s = 0;
    // Who begins alternates too: what comes later has the longer caches.
    for (bool drafts_first = true; goes_on() && !interrupted(); drafts_first = !drafts_first) {
      for (const bool drafts : {drafts_first, !drafts_first}) {
        const Stopwatch watch;
        if (drafts) {
          LAMINA_TRY(decode_ahead(rounds, speed));
          rounds.forget();
        } else {
          for (std::uint32_t pass = 0; pass < turn_passes && goes_on(); ++pass) LAMINA_TRY(decode(1, plain));
        }
        (drafts ? drafted_s : plain_s) += watch.seconds();
      }
    }
    speed.decode_per_s = static_cast<double>(speed.decoded) / drafted_s;
    if (plain.decoded > 0) speed.plain_per_s = static_cast<double>(plain.decoded) / plain_s;
    return lamina::Done{};
  }

  /// Whether no sequence has decoded all its tokens.
  [[nodiscard]] bool goes_on() const {
    return std::all_of(users_.begin(), users_.end(),
                       [&](const lamina::Sequence& user) { return user.position() < end(); });
  }
  /// Tokens of a sequence in all.
  [[nodiscard]] std::uint32_t end() const { return test_.depth + test_.generate; }

  /// A turn with drafts.
  [[nodiscard]] lamina::Status decode_ahead(lamina::DraftRounds& rounds, ParallelSpeed& speed) {
    const std::uint32_t room = engine_.options().logits_rows - test_.sequences;
    for (std::uint32_t pass = 0; pass < turn_passes && goes_on() && !interrupted(); ++pass) {
      std::vector<Feed> feeds = steps();
      std::vector<lamina::DraftWish> wishes;
      for (std::size_t i = 0; i < users_.size(); ++i)
        wishes.push_back(
            {&aheads_[i], &users_[i], feeds[i].tokens.ids[0], end() - users_[i].position() - 1, nullptr});
      LAMINA_TRY(rounds.draft({test_.sequences, 0}, room, wishes));
      for (std::size_t i = 0; i < users_.size(); ++i)
        feeds[i] = {&users_[i], aheads_[i].with_drafts(wishes[i].token), Want::all};
      const Stopwatch watch;
      const auto result = engine_.run(feeds);
      if (!result) return result.error();
      rounds.take_pass(watch.seconds());
      std::uint32_t accepted = 0;
      for (std::size_t i = 0; i < users_.size(); ++i) {
        lamina::Lookahead& ahead = aheads_[i];
        ahead.take(result->logits(i), result->hidden(i));
        const std::span<const TokenId> next = std::span(tokens_).subspan(ahead.position(users_[i]));
        static_cast<void>(ahead.skip(next));
        LAMINA_TRY(ahead.finish(users_[i], true));
        accepted += ahead.accepted();
      }
      rounds.finish(accepted);
      speed.decoded += users_.size() + accepted;
      speed.drafted += rounds.drafted();
      speed.accepted += accepted;
      ++speed.passes;
    }
    return lamina::Done{};
  }

  /// Until the prompt is read; sequences that are full begin anew.
  [[nodiscard]] lamina::Status decode_beside_prompt(ParallelSpeed& speed) {
    auto reader = engine_.sequence({test_.prompt});
    if (!reader) return reader.error();
    lamina::Batch batch({.rows = engine_.options().rows,
                         .logits_rows = engine_.options().logits_rows,
                         .prompt_rows = test_.prompt_rows});
    while (reader->position() < test_.prompt && !interrupted()) {
      for (lamina::Sequence& user : users_) {
        if (user.position() == user.context()) LAMINA_TRY(user.rewind(user.rewind_start(test_.depth)));
      }
      std::vector<Feed> waiting = steps();
      const std::uint32_t before = reader->position();
      waiting.push_back({&*reader, std::span(tokens_).subspan(before, test_.prompt - before), Want::last});
      LAMINA_TRY(batch.plan(waiting));
      const auto result = engine_.run(batch.feeds());
      if (!result) return result.error();
      speed.read += reader->position() - before;
      speed.decoded += users_.size();
    }
    return lamina::Done{};
  }

  lamina::Engine& engine_;
  const ParallelTest& test_;
  std::vector<TokenId> tokens_;
  std::vector<lamina::Sequence> users_;
  std::vector<lamina::Lookahead> aheads_;  ///< [users] with a drafter
};

}  // namespace

lamina::Result<ParallelSpeed> measure_parallel(lamina::Engine& engine, const ParallelTest& test) {
  return ParallelBench(engine, test).run();
}

}  // namespace program
