// SPDX-License-Identifier: Apache-2.0
// How many tokens to draft: by what passes and steps were measured to cost, and how many drafts were right.
//
// A round of k drafts takes pass(k + 1) + k · step and yields 1 + Σ_i Π_{j<=i} a_j tokens, where a_j is how
// often draft j was right when all before it were. The k with the most tokens a second is taken. What rounds
// cost more than plain passes would have is paid from an account that fills slowly: so drafting never costs
// more than a hundredth of the time, whatever the estimates say.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <lamina/engine/drafting/draft_counts.hpp>

namespace lamina {

/// What passes and steps cost, measured; in seconds.
class DraftCosts {
 public:
  /// A pass that only decodes took `seconds` for `rows` rows.
  void take_pass(std::uint32_t rows, double seconds) noexcept {
    if (rows == 0 || rows > most_drafts + 1) return;
    take(passes_[rows], seconds);
  }
  /// `count` steps of the drafter took `seconds`.
  void take_steps(std::uint32_t count, double seconds) noexcept {
    if (count > 0) take(step_, seconds / count);
  }

  [[nodiscard]] bool knows_pass(std::uint32_t rows) const noexcept { return passes_[rows].count > 0; }
  /// The most rows that a pass was measured with.
  [[nodiscard]] std::uint32_t most_known() const noexcept {
    std::uint32_t rows = most_drafts + 1;
    while (rows > 0 && !knows_pass(rows)) --rows;
    return rows;
  }

  /// A pass of `rows` rows: as measured, else on the line through the two nearest measured ones. Where only
  /// one row was measured, each more is expected to cost a twelfth of it. Requires `knows_pass(1)`.
  ///
  /// What was measured once may have waited for memory or for others: not all of it is believed.
  [[nodiscard]] double pass(std::uint32_t rows) const noexcept {
    const Mean& own = passes_[rows];
    if (own.count > 1 || (own.count == 1 && rows == 1)) return own.seconds;
    const double guess = guessed(rows);
    return own.count == 1 ? std::min(own.seconds, first_doubt * guess) : guess;
  }
  /// A step of the drafter; a fiftieth of a pass before any was measured.
  [[nodiscard]] double step() const noexcept {
    const double guess = pass(1) / 50;
    if (step_.count > 1) return step_.seconds;
    return step_.count == 1 ? std::min(step_.seconds, 2 * guess) : guess;
  }

 private:
  struct Mean {
    double seconds = 0;
    std::uint32_t count = 0;
  };
  static constexpr double first_doubt = 1.25;

  [[nodiscard]] double guessed(std::uint32_t rows) const noexcept {
    std::uint32_t below = rows - 1;
    while (below > 1 && !knows_pass(below)) --below;
    std::uint32_t above = rows + 1;
    while (above <= most_drafts + 1 && !knows_pass(above)) ++above;
    const double low = passes_[below].seconds;
    if (above <= most_drafts + 1) {
      const double part = static_cast<double>(rows - below) / (above - below);
      return low + part * (passes_[above].seconds - low);
    }
    const double one = passes_[1].seconds;
    const double slope = below > 1 ? std::max(0.0, (low - one) / (below - 1)) : one / 12;
    return low + slope * (rows - below);
  }
  /// A running mean that follows changes (the context grows) and to which one interruption does little.
  static void take(Mean& mean, double seconds) noexcept {
    if (mean.count < 2) {  // the first one may have waited for memory
      mean.seconds = mean.count == 0 ? seconds : std::min(mean.seconds, seconds);
    } else {
      mean.seconds += (std::clamp(seconds, 0.5 * mean.seconds, 1.5 * mean.seconds) - mean.seconds) / 8;
    }
    ++mean.count;
  }

  std::array<Mean, most_drafts + 2> passes_{};  ///< [rows]
  Mean step_{};
};

/// Chooses how many tokens to draft for one sequence.
class DraftLength {
 public:
  /// Drafts for the next round, at most `most`. Requires that a plain pass was measured if it is to be more
  /// than 0.
  [[nodiscard]] std::uint32_t choose(const DraftCosts& costs, std::uint32_t most) noexcept {
    most = std::min(most, most_drafts);
    if (most == 0 || !costs.knows_pass(1) || plain_ < least_plain) return 0;
    const double plain = costs.pass(1);
    // One more than was ever tried at most: what a pass of many rows costs is only guessed before.
    const std::uint32_t tried = std::max(1U, costs.most_known());
    most = std::min(most, tried);
    std::uint32_t best = 0;
    double best_rate = least_gain / plain;
    double tokens = 1;
    double all_right = 1;
    for (std::uint32_t k = 1; k <= most; ++k) {
      all_right *= odds(k);
      tokens += all_right;
      const double rate = tokens / (costs.pass(k + 1) + k * costs.step());
      if (rate > best_rate) {
        best_rate = rate;
        best = k;
      }
    }
    const auto expect = [&](std::uint32_t k) {
      expected_ = costs.pass(k + 1) + k * costs.step();
      return k;
    };
    if (best > 0) {
      // What a plain pass costs must stay known, the better the less is gained by drafts.
      const bool is_stale = since_plain_ >= (best_rate * plain < small_gain ? 16U : 64U);
      return account_ >= 0 && !is_stale ? expect(best) : 0;
    }
    // Nothing is gained by what is known: now and then a look whether that is still so.
    const double loss = costs.pass(2) + costs.step() - plain;
    return account_ * plain >= loss ? expect(1) : 0;
  }

  /// A round drafted `drafted` tokens, of which the first `accepted` were right, and took `seconds` with its
  /// pass. `is_cut`: what would have followed those is not known.
  void take_round(const DraftCosts& costs, std::uint32_t drafted, std::uint32_t accepted, double seconds,
                  bool is_cut = false) noexcept {
    if (drafted == 0) {
      ++plain_;
      since_plain_ = 0;
      account_ = std::min(most_account, account_ + income);
      return;
    }
    ++since_plain_;
    for (std::uint32_t j = 1; j <= std::min(drafted, most_drafts); ++j) {
      if (j > accepted + 1 || (j == accepted + 1 && is_cut)) break;
      Odds& odds = odds_[j];
      odds.right = decay * odds.right + (j <= accepted ? 1 : 0);
      odds.tried = decay * odds.tried + 1;
    }
    // In passes, so that it keeps its worth while these get longer; a hundredth dearer, as what a plain one
    // costs is only known so well.
    const double plain = 0.99 * costs.pass(1);
    const double cost =
        std::min(seconds, 1.5 * std::max(expected_, costs.pass(1))) / plain - (1.0 + accepted);
    account_ = std::min(most_account, account_ - cost + income);
  }

  /// How often draft `j` (from 1 on) is right when those before it were. What is known of the one before
  /// counts as much as one try.
  [[nodiscard]] double odds(std::uint32_t j) const noexcept {
    const double before = j > 1 ? odds(j - 1) : 0.6;
    return (odds_[j].right + before * prior_weight) / (odds_[j].tried + prior_weight);
  }

 private:
  struct Odds {
    double right = 0;
    double tried = 0;
  };
  static constexpr std::uint32_t least_plain = 2;  ///< plain passes before anything is drafted
  static constexpr double decay = 0.95;            ///< what was 14 tries ago counts half
  static constexpr double prior_weight = 2;
  static constexpr double least_gain = 1.02;  ///< times the plain rate; less is within what is measured
  static constexpr double small_gain = 1.25;
  static constexpr double income = 0.005;  ///< passes that may be lost, for every pass
  static constexpr double most_account = 4;

  std::array<Odds, most_drafts + 1> odds_{};  ///< [j]
  double account_ = 0.6;                      ///< passes that drafting may still lose
  double expected_ =
      0;  ///< seconds of the round that was chosen last: more than half as much again were others'
  std::uint32_t plain_ = 0;
  std::uint32_t since_plain_ = 0;  ///< rounds with drafts since a pass without
};

}  // namespace lamina
