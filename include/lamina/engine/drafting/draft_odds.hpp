// SPDX-License-Identifier: Apache-2.0
// How often drafts were right.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include <lamina/engine/drafting/draft_counts.hpp>

namespace lamina {

/// How often the drafts of one sequence were right, by their place in a round; what is long ago counts less.
class DraftOdds {
 public:
  /// How often draft `j` (from 1 on) is right when those before it were. What is known of the one before
  /// counts as much as two tries.
  [[nodiscard]] double of(std::uint32_t j) const noexcept {
    const double before = j > 1 ? of(j - 1) : 0.6;
    return (places_[j].right + before * prior_weight) / (places_[j].tried + prior_weight);
  }

  /// A round drafted `drafted` tokens, of which the first `accepted` were right. `is_cut`: what would have
  /// followed those is not known.
  void take(std::uint32_t drafted, std::uint32_t accepted, bool is_cut) noexcept {
    since_tried_ = drafted > 0 ? 0 : since_tried_ + 1;
    for (std::uint32_t j = 1; j <= std::min(drafted, most_drafts); ++j) {
      if (j > accepted + 1 || (j == accepted + 1 && is_cut)) break;
      Place& place = places_[j];
      place.right = decay * place.right + (j <= accepted ? 1 : 0);
      place.tried = decay * place.tried + 1;
    }
  }
  /// Rounds since the last one with drafts.
  [[nodiscard]] std::uint32_t since_tried() const noexcept { return since_tried_; }

 private:
  struct Place {
    double right = 0;
    double tried = 0;
  };
  static constexpr double decay = 0.95;  ///< what was 14 tries ago counts half
  static constexpr double prior_weight = 2;

  std::array<Place, most_drafts + 1> places_{};  ///< [j]
  std::uint32_t since_tried_ = 0;
};

}  // namespace lamina
