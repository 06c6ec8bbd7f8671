// SPDX-License-Identifier: Apache-2.0
// `lamina bench` of one session: prompts, decoding, and decoding with drafts in turns with decoding without.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/engine/drafting/draft_counts.hpp>

#include "bench_flags.hpp"
#include "model.hpp"
#include "stand_in.hpp"

namespace program {

/// A test with drafts, in turns with the same one without them.
struct DraftedSpeeds {
  std::vector<double> tokens_per_s;
  std::vector<double> speedups;  ///< of each repetition, over the turns without drafts
  lamina::DraftCounts counts{};  ///< of the last repetition
  double step_s = 0;             ///< what a step of the drafter took
  std::vector<double> pass_s;    ///< [rows - 1] what a pass took; 0 where none had so many rows
};

/// A session and the tokens it is fed: random, the same in every run. A cache of some depth is filled once
/// and gone back to before each repetition.
class SessionBench {
 public:
  SessionBench(Engine& engine, const BenchFlags& flags, std::uint32_t most_tokens);

  /// What comes after `depth` tokens when the likeliest is taken each time: then a drafter has something to
  /// guess.
  [[nodiscard]] lamina::Status write_greedy(std::uint32_t depth);

  /// Tokens per second of each repetition of one test, after `depth` tokens.
  [[nodiscard]] lamina::Result<std::vector<double>> prefill(std::uint32_t depth);
  [[nodiscard]] lamina::Result<std::vector<double>> decode(std::uint32_t depth);

  /// Tokens that come after a cache of some depth: with a drafter, as many are decoded without it.
  [[nodiscard]] static std::uint32_t text_tokens(const BenchFlags& flags, bool has_drafter) {
    return has_drafter ? 2 * flags.generate : flags.generate;
  }
  /// Decoding with drafts, those of the drafter or right and wrong ones in their place at a rate (a step
  /// costs what it costs either way), in turns with decoding without.
  [[nodiscard]] lamina::Result<DraftedSpeeds> decode_ahead(std::uint32_t depth, const Acceptance& acceptance);

  /// What the last test asked of experts on disk, and for how many tokens.
  [[nodiscard]] const lamina::ExpertReads& expert_reads() const { return reads_; }
  [[nodiscard]] double tokens_measured() const { return tokens_measured_; }

 private:
  /// The session after `depth` tokens.
  struct Start {
    std::uint32_t depth;
    lamina::Snapshot snapshot;
    std::vector<float> hidden;  ///< of the last of them
    lamina::TokenId likeliest;  ///< after them
  };

  [[nodiscard]] lamina::Session& session() { return *engine_.session; }
  [[nodiscard]] std::uint32_t text_tokens() const { return text_tokens(flags_, engine_.drafter.has_value()); }
  [[nodiscard]] lamina::TokenId likeliest();
  [[nodiscard]] lamina::Status go_to(std::uint32_t depth);
  template <class Work>
  [[nodiscard]] lamina::Result<std::vector<double>> repeat(std::uint32_t depth, std::uint32_t count,
                                                           Work work);
  [[nodiscard]] lamina::Status step_through(std::span<const lamina::TokenId> tokens);

  Engine& engine_;
  const BenchFlags& flags_;
  std::vector<lamina::TokenId> tokens_;
  std::optional<Start> start_;
  lamina::ExpertReads reads_;
  double tokens_measured_ = 0;
};

}  // namespace program
