// SPDX-License-Identifier: Apache-2.0
// `lamina bench --parallel`: speed of many sequences in one engine.
#pragma once

#include <cstdint>

#include <lamina/core/error.hpp>
#include <lamina/engine/drafting/draft_options.hpp>
#include <lamina/engine/drafting/drafter.hpp>
#include <lamina/engine/engine.hpp>

#include "stand_in.hpp"

namespace program {

/// What is measured.
struct ParallelTest {
  std::uint32_t sequences = 1;
  std::uint32_t depth = 0;         ///< tokens that each has read before
  std::uint32_t generate = 128;    ///< tokens that each decodes, one of them to warm up
  bool mix = false;                ///< one more sequence reads a prompt meanwhile
  std::uint32_t prompt = 512;      ///< tokens of it
  std::uint32_t prompt_rows = 16;  ///< of them, in one pass at most
  const lamina::Drafter* drafter =
      nullptr;  ///< with drafts, until one sequence has all its tokens; in turns without; not with `mix`
  lamina::DraftOptions drafts{};
  Acceptance acceptance{};  ///< of the drafts that stand in for those of the drafter
};

struct ParallelSpeed {
  std::uint64_t decoded = 0;
  std::uint64_t read = 0;
  double decode_per_s = 0;  ///< tokens of all together
  double plain_per_s = 0;   ///< the same in the turns without drafts; 0: there were none
  double prompt_per_s = 0;
  std::uint64_t drafted = 0;
  std::uint64_t accepted = 0;
  std::uint64_t passes = 0;
};

/// Errors: as `Engine::run`, `DraftRounds::create`
[[nodiscard]] lamina::Result<ParallelSpeed> measure_parallel(lamina::Engine& engine,
                                                             const ParallelTest& test);

}  // namespace program
