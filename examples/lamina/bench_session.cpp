// SPDX-License-Identifier: Apache-2.0
#include "bench_session.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include <lamina/engine/drafting/draft_costs.hpp>
#include <lamina/engine/drafting/read_ahead.hpp>

#include "drafting.hpp"
#include "interrupt.hpp"
#include "machine.hpp"

namespace program {
namespace {

/// Decoding with and without drafts takes turns of so many tokens: machines change their speed within
/// seconds.
constexpr std::size_t turn_tokens = 32;

}  // namespace

using lamina::TokenId;

SessionBench::SessionBench(Engine& engine, const BenchFlags& flags, std::uint32_t most_tokens)
    : engine_(engine), flags_(flags) {
  std::mt19937 random(1);
  const std::uint32_t vocab = engine.session->vocab();
  for (std::uint32_t i = 0; i < most_tokens; ++i) tokens_.push_back(static_cast<TokenId>(random() % vocab));
}

TokenId SessionBench::likeliest() {
  const auto logits = session().logits();
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

lamina::Status SessionBench::go_to(std::uint32_t depth) {
  if (depth == 0) {
    session().reset();
    return lamina::Done{};
  }
  if (start_ && start_->depth == depth) return session().sequence().restore(start_->snapshot);
  start_.reset();  // its pages are needed
  session().reset();
  LAMINA_TRY(session().prompt(std::span<const TokenId>(tokens_).first(depth)));
  auto snapshot = session().sequence().snapshot();
  if (!snapshot) return snapshot.error();
  const auto hidden = session().hidden();
  start_.emplace(Start{depth, std::move(*snapshot), {hidden.begin(), hidden.end()}, likeliest()});
  return lamina::Done{};
}

lamina::Status SessionBench::write_greedy(std::uint32_t depth) {
  LAMINA_TRY(go_to(depth));
  const std::span<TokenId> text = std::span(tokens_).subspan(depth, text_tokens());
  // Without a depth the first of them is drawn.
  if (depth > 0) text[0] = start_->likeliest;
  for (std::size_t i = 1; i < text.size() && !interrupted(); ++i) {
    if (const auto next = session().step(text[i - 1]); !next) return next.error();
    text[i] = likeliest();
  }
  return lamina::Done{};
}

template <class Work>
lamina::Result<std::vector<double>> SessionBench::repeat(std::uint32_t depth, std::uint32_t count,
                                                         Work work) {
  std::vector<double> speeds;
  reads_ = {};
  tokens_measured_ = 0;
  for (std::uint32_t i = 0; i <= flags_.repeat; ++i) {
    LAMINA_TRY(go_to(depth));
    const lamina::ExpertReads before = session().expert_reads();
    const Stopwatch watch;
    LAMINA_TRY(work(std::span<const TokenId>(tokens_).subspan(depth, count)));
    if (interrupted()) break;
    // The first repetition warms up: pages of the weights come in, clocks rise.
    if (i == 0) continue;
    speeds.push_back(count / watch.seconds());
    reads_ += session().expert_reads() - before;
    tokens_measured_ += count;
  }
  return speeds;
}

lamina::Result<std::vector<double>> SessionBench::prefill(std::uint32_t depth) {
  return repeat(depth, flags_.prompt,
                [this](std::span<const TokenId> tokens) { return session().prompt(tokens); });
}

lamina::Status SessionBench::step_through(std::span<const TokenId> tokens) {
  for (const TokenId token : tokens) {
    if (const auto logits = session().step(token); !logits) return logits.error();
    if (interrupted()) break;
  }
  return lamina::Done{};
}

lamina::Result<std::vector<double>> SessionBench::decode(std::uint32_t depth) {
  return repeat(depth, flags_.generate,
                [this](std::span<const TokenId> tokens) { return step_through(tokens); });
}

lamina::Result<DraftedSpeeds> SessionBench::decode_ahead(std::uint32_t depth, const Acceptance& acceptance) {
  StandIn stand_in{tokens_, acceptance};
  lamina::DraftOptions options = draft_options(flags_.common);
  options.measures = !flags_.fixed_length;
  options.substitute = stand_in.substitute();
  auto ahead = lamina::ReadAhead::create(*engine_.drafter, session().engine(), options);
  if (!ahead) return ahead.error();
  lamina::Sequence& sequence = session().sequence();
  const auto with_drafts = [&](std::span<const TokenId> tokens) -> lamina::Status {
    for (std::size_t i = 0; i < tokens.size() && !interrupted(); ++i) {
      const auto most = static_cast<std::uint32_t>(tokens.size() - i - 1);
      const auto logits = ahead->feed(session().engine(), sequence, tokens.subspan(i, 1), most);
      if (!logits) return logits.error();
    }
    return ahead->settle(sequence);
  };

  DraftedSpeeds speeds;
  reads_ = {};
  tokens_measured_ = 0;
  for (std::uint32_t i = 0; i <= flags_.repeat; ++i) {
    LAMINA_TRY(go_to(depth));
    ahead->forget();
    ahead->know_hidden(depth > 0 ? std::span<const float>(start_->hidden) : session().hidden());
    ahead->reset_counts();
    const lamina::ExpertReads before = session().expert_reads();
    double drafted_s = 0;
    double plain_s = 0;
    std::span<const TokenId> left = std::span<const TokenId>(tokens_).subspan(depth, text_tokens());
    // Who begins alternates too: what comes later has the longer cache, and what came in before.
    for (bool drafts_first = i % 2 == 0; !left.empty() && !interrupted(); drafts_first = !drafts_first) {
      const std::size_t turn = std::min<std::size_t>(turn_tokens, left.size() / 2);
      for (const bool drafts : {drafts_first, !drafts_first}) {
        const Stopwatch watch;
        LAMINA_TRY(drafts ? with_drafts(left.first(turn)) : step_through(left.first(turn)));
        (drafts ? drafted_s : plain_s) += watch.seconds();
        left = left.subspan(turn);
        if (drafts) continue;
        ahead->forget();
        ahead->know_hidden(session().hidden());
      }
    }
    if (interrupted()) break;
    if (i == 0) continue;  // warms up
    speeds.tokens_per_s.push_back(flags_.generate / drafted_s);
    speeds.speedups.push_back(plain_s / drafted_s);
    reads_ += session().expert_reads() - before;
    tokens_measured_ += text_tokens();
  }
  speeds.counts = ahead->counts();
  speeds.step_s = ahead->costs().step(1);
  const lamina::RowCosts& passes = ahead->costs().passes();
  for (std::uint32_t rows = 1; rows <= passes.most_known(); ++rows)
    speeds.pass_s.push_back(passes.knows(rows) ? passes.of(rows) : 0);
  return speeds;
}

}  // namespace program
