// SPDX-License-Identifier: Apache-2.0
// How drafts are made.
#pragma once

#include <algorithm>
#include <cstdint>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/engine/drafting/draft_counts.hpp>
#include <lamina/engine/sequence.hpp>

namespace lamina {

/// Puts other tokens in the place of drafts: right and wrong ones at a known rate, in tests and benches.
struct DraftSubstitute {
  /// The token that is drafted at `position`, behind what `sequence` has read, instead of `drafted`.
  TokenId (*token)(void* context, const Sequence& sequence, std::uint32_t position,
                   TokenId drafted) = nullptr;
  void* context = nullptr;
};

/// How drafts are made.
struct DraftOptions {
  std::uint32_t most = 8;  ///< drafts for a sequence in a pass at most, 0 .. `most_drafts`; 0: never any
  bool measures = true;    ///< false: always as many as there may be
  DraftSubstitute substitute{};

  /// Drafts of a pass over `sequences` sequences at most, beside a row of each: where so many rows are in a
  /// pass, one more is free on no CPU. An engine has logits for all of them (`EngineOptions::logits_rows`).
  [[nodiscard]] constexpr std::uint32_t rows(std::uint32_t sequences) const noexcept {
    constexpr std::uint32_t enough = 32;
    return std::min(std::max(enough, most), sequences * most);
  }

  /// Errors: bad_argument (`most` is more than a round can have)
  [[nodiscard]] Status check() const noexcept {
    if (most <= most_drafts) return Done{};
    return Error{ErrorCode::bad_argument,         "drafts",         "more drafts than a round can have",
                 text("at most %u", most_drafts), text("%u", most), ""};
  }
};

}  // namespace lamina
