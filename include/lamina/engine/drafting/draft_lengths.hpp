// SPDX-License-Identifier: Apache-2.0
// How many tokens to draft for each sequence of a pass: by what passes and steps were measured to cost, and
// how many drafts were right.
//
// A pass over n sequences with k drafts for all of them together takes pass(n + k) and the steps of the
// drafter, and yields n + Σ a tokens, where a is how often a draft was right, times those before it in its
// sequence. Drafts are added one by one, where they are likeliest, and as many are taken as bring the most
// tokens a second. What rounds cost more than plain passes would have is paid from an account that fills
// slowly: so drafting never costs more than a hundredth of the time, whatever the estimates say.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <lamina/engine/drafting/draft_costs.hpp>
#include <lamina/engine/drafting/draft_counts.hpp>
#include <lamina/engine/drafting/draft_odds.hpp>

namespace lamina {

/// One sequence of a pass, and how many tokens are drafted for it.
struct DraftShare {
  const DraftOdds* odds = nullptr;
  std::uint32_t most = 0;   ///< drafts at most
  std::uint32_t count = 0;  ///< what was chosen
  double next = 0;          ///< while it is chosen: how likely one more draft is right, with all before it
};

/// Chooses how many tokens to draft for the sequences of a pass.
class DraftLengths {
 public:
  /// For passes with up to `drafts` drafts. Takes memory; nothing else does.
  explicit DraftLengths(std::uint32_t drafts) { picks_.reserve(drafts); }

  /// Chooses the drafts of the next pass, at most `most` together; none before passes without were measured.
  void choose(const DraftCosts& costs, const PlainRows& rows, std::uint32_t most,
              std::span<DraftShare> shares) noexcept {
    for (DraftShare& share : shares) {
      share.count = 0;
      share.most = std::min(share.most, most_drafts);
      share.next = share.odds->of(1);
    }
    expected_ = 0;
    if (rows.single == 0 || !costs.knows(rows)) return;
    const double plain = expected_ = costs.pass(rows, 0);
    const std::uint32_t best =
        best_count(costs, rows,
                   std::min({most, costs.most(rows), static_cast<std::uint32_t>(picks_.capacity())}), shares);
    if (picks_.empty()) return;
    for (DraftShare& share : shares) share.count = 0;
    std::uint32_t taken = 0;
    if (best > 0) {
      // What a plain pass costs must stay known, the better the less is gained by drafts; and at once where
      // the machine seems to have changed its speed.
      const bool is_stale = is_surprised_ || costs.age(rows) >= (best_gain_ < small_gain ? 6U : 32U);
      if (account_ >= 0 && !is_stale) taken = best;
    } else if (account_ * plain >= costs.pass(rows, 1) + costs.step(1) - plain) {
      taken = 1;  // Nothing is gained by what is known: now and then a look whether that is still so.
    }
    for (std::uint32_t i = 0; i < taken; ++i) ++shares[picks_[i]].count;
    if (best > 0 && taken == best && taken < most) look_at_one(costs, rows, shares, taken);
    expected_ = costs.pass(rows, taken) + steps(costs, shares);
  }

  /// A round had `drafted` drafts, of which `accepted` were right; `steps` and `pass` took so many seconds.
  void take_round(const DraftCosts& costs, const PlainRows& rows, std::uint32_t drafted,
                  std::uint32_t accepted, double steps, double pass) noexcept {
    if (rows.single == 0 || !costs.knows(rows)) return;
    is_surprised_ = drafted > 0 && is_surprise(pass + steps, expected_);
    double loss = 0;
    if (drafted > 0 || steps > 0) {
      // In passes, so that it keeps its worth while these get longer. More than half as much again as was
      // expected were others'.
      const double seconds = std::min(steps + pass, 1.5 * std::max(expected_, costs.pass(rows, 0)));
      loss = seconds / costs.plain(rows, drafted, pass) - (1.0 + static_cast<double>(accepted) / rows.single);
    }
    account_ = std::min(most_account, account_ - loss + income);
  }

 private:
  static constexpr double least_gain = 1.02;  ///< times the plain rate; less is within what is measured
  static constexpr double small_gain = 1.25;
  static constexpr double income = 0.004;  ///< passes that may be lost, for every pass
  static constexpr double most_account = 4;
  static constexpr std::uint32_t long_untried = 32;

  /// Puts drafts into `picks_` where they are likeliest; returns how many of these are best, at most `most`.
  std::uint32_t best_count(const DraftCosts& costs, const PlainRows& rows, std::uint32_t most,
                           std::span<DraftShare> shares) noexcept {
    picks_.clear();
    const double plain_rate = rows.single / costs.pass(rows, 0);
    std::uint32_t best = 0;
    double best_rate = least_gain * plain_rate;
    double tokens = rows.single;
    double step_seconds = 0;
    std::array<std::uint32_t, most_drafts + 1> sequences{};  // of each step
    while (picks_.size() < most) {
      DraftShare* likeliest = nullptr;
      for (DraftShare& share : shares) {
        if (share.count < share.most && (likeliest == nullptr || share.next > likeliest->next))
          likeliest = &share;
      }
      if (likeliest == nullptr) break;
      picks_.push_back(static_cast<std::uint32_t>(likeliest - shares.data()));
      tokens += likeliest->next;
      std::uint32_t& beside = sequences[++likeliest->count];
      if (beside > 0) step_seconds -= costs.step(beside);
      step_seconds += costs.step(++beside);
      if (likeliest->count < most_drafts) likeliest->next *= likeliest->odds->of(likeliest->count + 1);
      const auto count = static_cast<std::uint32_t>(picks_.size());
      const double rate = tokens / (costs.pass(rows, count) + step_seconds);
      if (rate > best_rate) {
        best_rate = rate;
        best = count;
      }
    }
    best_gain_ = best_rate / plain_rate;
    return best;
  }

  /// A sequence that was passed over for long gets one draft, for its text may have become easier.
  void look_at_one(const DraftCosts& costs, const PlainRows& rows, std::span<DraftShare> shares,
                   std::uint32_t& taken) const noexcept {
    DraftShare* longest = nullptr;
    for (DraftShare& share : shares) {
      if (share.count > 0 || share.most == 0 || share.odds->since_tried() < long_untried) continue;
      if (longest == nullptr || share.odds->since_tried() > longest->odds->since_tried()) longest = &share;
    }
    if (longest == nullptr) return;
    const double loss = costs.pass(rows, taken + 1) - costs.pass(rows, taken) + costs.step(1);
    if (account_ * costs.pass(rows, 0) < loss) return;
    longest->count = 1;
    ++taken;
  }

  [[nodiscard]] static double steps(const DraftCosts& costs, std::span<const DraftShare> shares) noexcept {
    double seconds = 0;
    for (std::uint32_t depth = 1; depth <= most_drafts; ++depth) {
      const auto deep = std::count_if(shares.begin(), shares.end(),
                                      [&](const DraftShare& share) { return share.count >= depth; });
      if (deep == 0) break;
      seconds += costs.step(static_cast<std::uint32_t>(deep));
    }
    return seconds;
  }

  std::vector<std::uint32_t> picks_;  ///< which share each draft goes to, the likeliest first
  double best_gain_ = 1;              ///< tokens a second, times those without drafts
  double account_ = 0.6;              ///< passes that drafting may still lose
  double expected_ = 0;               ///< seconds of the round that was chosen last
  bool is_surprised_ = false;         ///< a round with drafts took another time than was expected
};

}  // namespace lamina
