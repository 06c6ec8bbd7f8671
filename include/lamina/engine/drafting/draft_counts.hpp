// SPDX-License-Identifier: Apache-2.0
// How many tokens were drafted, and what became of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <lamina/core/config.hpp>

namespace lamina {

/// Drafts of one round at most.
inline constexpr std::uint32_t most_drafts = 15;

/// What drafting has done.
struct DraftCounts {
  std::uint64_t drafted = 0;
  std::uint64_t accepted = 0;
  std::uint64_t passes = 0;                              ///< that read what was to be fed, with drafts or not
  std::array<std::uint64_t, most_drafts + 1> lengths{};  ///< passes with so many drafts
};

}  // namespace lamina
