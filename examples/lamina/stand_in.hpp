// SPDX-License-Identifier: Apache-2.0
// Right and wrong drafts at a known rate, for benches: random weights do not tell how often a drafter is
// right.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>

#include <lamina/core/types.hpp>
#include <lamina/engine/drafting/draft_options.hpp>

namespace program {

/// How many of so many drafts are right.
struct Acceptance {
  std::uint32_t right = 0;
  std::uint32_t of = 1;  ///< 0: as the drafter has it

  /// "drafts" or "3/4 drafts right".
  [[nodiscard]] std::string name() const {
    if (of == 0) return "drafts";
    return std::to_string(right) + (of == 1 ? "" : "/" + std::to_string(of)) + " drafts right";
  }
};

/// Drafts for a text that is known. Must stay in place while it is a substitute.
struct StandIn {
  std::span<const lamina::TokenId> text;
  Acceptance acceptance;

  [[nodiscard]] lamina::DraftSubstitute substitute() {
    return acceptance.of > 0 ? lamina::DraftSubstitute{&StandIn::choose, this} : lamina::DraftSubstitute{};
  }

 private:
  static lamina::TokenId choose(void* context, const lamina::Sequence&, std::uint32_t position,
                                lamina::TokenId) {
    const auto& self = *static_cast<const StandIn*>(context);
    const lamina::TokenId right = self.text[std::min<std::size_t>(position, self.text.size() - 1)];
    // The same draft is right or wrong whenever it is made.
    const bool is_right = std::mt19937(position)() % self.acceptance.of < self.acceptance.right;
    return is_right ? right : right ^ 1U;
  }
};

}  // namespace program
