// SPDX-License-Identifier: Apache-2.0
// How many tokens were drafted, and what became of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/config.hpp>

namespace lamina {

/// Drafts of one round at most.
inline constexpr std::uint32_t most_drafts = 15;

/// Passes one after the other that had the same number of drafts.
struct DraftRun {
  std::uint16_t drafts = 0;  ///< of each pass
  std::uint16_t passes = 0;
};

/// What drafting has done for one sequence.
struct DraftCounts {
  /// Runs that are remembered: those of the first passes.
  static constexpr std::size_t most_runs = 512;

  std::uint64_t drafted = 0;
  std::uint64_t accepted = 0;
  std::uint64_t passes = 0;                              ///< that read what was to be fed, with drafts or not
  std::array<std::uint64_t, most_drafts + 1> lengths{};  ///< passes with so many drafts
  std::array<DraftRun, most_runs> runs{};                ///< the first `run_count` count
  std::size_t run_count = 0;
  std::uint64_t run_passes = 0;  ///< passes that they tell of

  /// A pass had so many drafts, at most `most_drafts`.
  void take_pass(std::size_t drafts) noexcept {
    const bool is_whole = run_passes == passes;
    drafted += drafts;
    ++passes;
    ++lengths[drafts];
    if (!is_whole) return;
    const DraftRun last = run_count > 0 ? runs[run_count - 1] : DraftRun{};
    if (last.passes == 0 || last.passes == UINT16_MAX || last.drafts != drafts) {
      if (run_count == most_runs) return;
      runs[run_count++].drafts = static_cast<std::uint16_t>(drafts);
    }
    ++runs[run_count - 1].passes;
    ++run_passes;
  }
  /// How many were drafted over time: all passes, or the first ones of many.
  [[nodiscard]] std::span<const DraftRun> over_time() const noexcept { return {runs.data(), run_count}; }
};

}  // namespace lamina
