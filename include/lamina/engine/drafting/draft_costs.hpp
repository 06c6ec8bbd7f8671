// SPDX-License-Identifier: Apache-2.0
// What passes and steps of a drafter cost, measured while they run.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <lamina/engine/drafting/draft_counts.hpp>

namespace lamina {

/// Whether something took so much more or less time than was expected that the machine may have changed its
/// speed.
[[nodiscard]] inline bool is_surprise(double taken, double expected) noexcept {
  return std::abs(taken - expected) > 0.15 * expected;
}

/// A running mean of seconds that follows changes (the context grows) and to which one interruption does
/// little. Where two surprises in a row are both longer, or both shorter, the machine has changed its speed:
/// these are the mean then.
struct MeanSeconds {
  double seconds = 0;
  double surprising = 0;  ///< the last one taken if it was one; 0: it was none
  std::uint32_t count = 0;

  void take(double taken) noexcept {
    const bool surprises = count >= 2 && is_surprise(taken, seconds);
    if (count < 2) {  // the first one may have waited for memory
      seconds = count == 0 ? taken : std::min(seconds, taken);
    } else if (surprises && surprising > 0 && (taken > seconds) == (surprising > seconds)) {
      seconds = (surprising + taken) / 2;
    } else {
      seconds += (std::clamp(taken, 0.5 * seconds, 1.5 * seconds) - seconds) / 8;
    }
    surprising = surprises ? taken : 0;
    ++count;
  }
};

/// What something costs that is done for a number of rows at once; in seconds.
class RowCosts {
 public:
  /// For up to `rows` rows. Takes memory; nothing else does.
  explicit RowCosts(std::uint32_t rows) : entries_(std::size_t{rows} + 1) {}

  /// It took `seconds` for `rows` rows; more than planned are not noted.
  void take(std::uint32_t rows, double seconds) noexcept {
    if (rows == 0 || rows >= entries_.size()) return;
    entries_[rows].mean.take(seconds);
    entries_[rows].taken = ++takes_;
  }

  /// How often it was measured for so many rows.
  [[nodiscard]] std::uint32_t count(std::uint32_t rows) const noexcept {
    return rows < entries_.size() ? entries_[rows].mean.count : 0;
  }
  [[nodiscard]] bool knows(std::uint32_t rows) const noexcept { return count(rows) > 0; }
  /// The most rows that it was measured with; 0: none.
  [[nodiscard]] std::uint32_t most_known() const noexcept {
    return known_below(static_cast<std::uint32_t>(entries_.size()));
  }
  /// Measurements since the last one for so many rows.
  [[nodiscard]] std::uint64_t age(std::uint32_t rows) const noexcept {
    return knows(rows) ? takes_ - entries_[rows].taken : takes_;
  }

  /// For `rows` rows: as measured, else on the line through the two nearest measured ones. Where only one
  /// number of rows was measured, each more is expected to cost a twelfth of a row alone, or less if there
  /// were more of them. Requires that something was measured.
  ///
  /// What was measured once may have waited for memory or for others: not all of it is believed.
  [[nodiscard]] double of(std::uint32_t rows) const noexcept {
    const std::uint32_t measured = count(rows);
    if (measured > 1) return seconds(rows);
    const std::uint32_t below = known_below(rows);
    if (below == 0) return measured == 1 ? seconds(rows) : seconds(known_above(rows));
    const double guess = guessed(rows, below);
    return measured == 1 ? std::min(seconds(rows), first_doubt * guess) : guess;
  }

 private:
  struct Entry {
    MeanSeconds mean;
    std::uint64_t taken = 0;  ///< when it was measured last
  };
  static constexpr double first_doubt = 1.25;

  [[nodiscard]] double seconds(std::uint32_t rows) const noexcept { return entries_[rows].mean.seconds; }
  [[nodiscard]] std::uint32_t known_below(std::uint32_t rows) const noexcept {
    std::uint32_t below = std::min(rows, static_cast<std::uint32_t>(entries_.size())) - 1;
    while (below > 0 && !knows(below)) --below;
    return below;
  }
  [[nodiscard]] std::uint32_t known_above(std::uint32_t rows) const noexcept {
    std::uint32_t above = rows + 1;
    while (above < entries_.size() && !knows(above)) ++above;
    return above < entries_.size() ? above : 0;
  }
  [[nodiscard]] double guessed(std::uint32_t rows, std::uint32_t below) const noexcept {
    const double low = seconds(below);
    if (const std::uint32_t above = known_above(rows); above > 0)
      return low + (seconds(above) - low) * (rows - below) / (above - below);
    const std::uint32_t first = known_above(0);
    const double slope =
        first < below ? std::max(0.0, (low - seconds(first)) / (below - first)) : low / (below + 11);
    return low + slope * (rows - below);
  }

  std::vector<Entry> entries_;  ///< [rows]; the first one is never measured
  std::uint64_t takes_ = 0;
};

/// Rows that are in a pass whether anything is drafted or not.
struct PlainRows {
  std::uint32_t single = 1;  ///< of sequences with one token each
  std::uint32_t others = 0;  ///< of prompts beside them
};

/// What passes and steps cost; in seconds.
///
/// Passes that only decode are known by their rows. Where prompts are read beside, every row costs the same:
/// that is more than one more row costs.
class DraftCosts {
 public:
  /// For passes of up to `rows` rows that only decode, and steps for up to `sequences` sequences.
  explicit DraftCosts(std::uint32_t rows = most_drafts + 1, std::uint32_t sequences = 1)
      : passes_(rows), steps_(sequences) {}

  /// A pass with so many drafts took `seconds`.
  void take_pass(const PlainRows& rows, std::uint32_t drafts, double seconds) noexcept {
    if (rows.others == 0) {
      passes_.take(rows.single + drafts, seconds);
    } else {
      mixed_row_.take(seconds / total(rows, drafts));
    }
  }
  /// A step of the drafter for `sequences` sequences took `seconds`.
  void take_step(std::uint32_t sequences, double seconds) noexcept {
    steps_.take(sequences, seconds);
    ++step_count_;
  }

  /// Whether it is known what such a pass takes without drafts.
  [[nodiscard]] bool knows(const PlainRows& rows) const noexcept {
    return rows.others == 0 ? passes_.count(rows.single) >= least_plain : mixed_row_.count > 0;
  }
  /// Such passes with drafts since one without.
  [[nodiscard]] std::uint64_t age(const PlainRows& rows) const noexcept {
    return rows.others == 0 ? passes_.age(rows.single) : 0;
  }
  /// Drafts of such a pass at most: one more than was ever tried, for what many rows cost is only guessed
  /// before; few where prompts are read, which wait for them.
  [[nodiscard]] std::uint32_t most(const PlainRows& rows) const noexcept {
    if (rows.others > 0) return rows.others / 16;
    return std::max(passes_.most_known(), rows.single) + 1 - rows.single;
  }

  /// Such a pass with so many drafts. Requires `knows(rows)`
  [[nodiscard]] double pass(const PlainRows& rows, std::uint32_t drafts) const noexcept {
    return rows.others == 0 ? passes_.of(rows.single + drafts) : mixed_row_.seconds * total(rows, drafts);
  }
  /// What a pass that took `seconds` would have taken without its drafts, or a little less: it is known to a
  /// hundredth. Requires as `pass`
  [[nodiscard]] double plain(const PlainRows& rows, std::uint32_t drafts, double seconds) const noexcept {
    return rows.others == 0 ? 0.99 * passes_.of(rows.single) : seconds * total(rows, 0) / total(rows, drafts);
  }
  /// A step of the drafter; a fiftieth of the shortest pass for each sequence before any was measured.
  /// Requires that a pass of decoders was measured.
  [[nodiscard]] double step(std::uint32_t sequences) const noexcept {
    const double guess = (passes_.most_known() > 0 ? passes_.of(1) : mixed_row_.seconds) / 50 * sequences;
    if (step_count_ == 0) return guess;
    const double measured = steps_.of(sequences);
    return step_count_ == 1 ? std::min(measured, 2 * guess) : measured;
  }

  /// Of passes that only decode, by all their rows.
  [[nodiscard]] const RowCosts& passes() const noexcept { return passes_; }

 private:
  static constexpr std::uint32_t least_plain = 2;

  [[nodiscard]] static double total(const PlainRows& rows, std::uint32_t drafts) noexcept {
    return static_cast<double>(rows.single) + rows.others + drafts;
  }

  RowCosts passes_;
  RowCosts steps_;
  std::uint32_t step_count_ = 0;
  MeanSeconds mixed_row_;  ///< a row of passes in which prompts are read, too
};

}  // namespace lamina
