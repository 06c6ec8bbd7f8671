// SPDX-License-Identifier: Apache-2.0
// How many tokens are drafted: as many as pay, for one sequence and for many in a pass, by simulated costs
// and luck, and never at a loss.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <random>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/engine/drafting/draft_counts.hpp>
#include <lamina/engine/drafting/draft_lengths.hpp>
#include <lamina/engine/drafting/draft_options.hpp>

namespace {
namespace drafting {  // other tests of the unit have the same names

using lamina::DraftCosts;
using lamina::DraftLengths;
using lamina::DraftOdds;
using lamina::DraftShare;
using lamina::PlainRows;

/// A machine on which a pass of n rows takes as long as `pass` says, and a step `step` for each sequence.
struct Machine {
  std::function<double(double rows)> pass;
  double step = 0.02;
  double noise = 0;
  double jump = 0;  ///< how likely it goes between `pass` and `slow` before a round
  std::function<double(double rows)> slow = {};
};

/// One row takes 1, each more `slope`.
Machine linear(double slope, double step = 0.02, double noise = 0) {
  return {[slope](double rows) { return 1 + slope * (rows - 1); }, step, noise};
}
/// Rows are free while weights take longer to come than to be multiplied.
Machine roof(double free_rows, double noise = 0) {
  return {[free_rows](double rows) { return std::max(1.0, rows / free_rows) + 0.01 * rows; }, 0.02, noise};
}
/// Milliseconds of a whole model (E2B Q4_0 on two cores) while memory gives 60 GB/s, and 35: now the one, now
/// the other, about 300 passes of each.
Machine jumping() {
  const auto through = [](std::vector<double> rows_1_to_7) {
    return [ms = std::move(rows_1_to_7)](double rows) {
      const auto row = static_cast<std::size_t>(rows) - 1;
      return row < ms.size() ? ms[row] : ms.back() + 6 * static_cast<double>(row + 1 - ms.size());
    };
  };
  return {through({31, 34, 35, 41, 54, 60, 65}), 0.8, 0.05, 0.003, through({43, 47, 48, 48, 49, 56, 62})};
}

struct Run {
  double tokens = 0;
  double plain_seconds = 0;  ///< that so many tokens would have taken
  double seconds = 0;
  std::uint64_t drafted = 0;
  std::vector<std::uint32_t> last;  ///< drafts of the last round

  [[nodiscard]] double gain() const { return plain_seconds / seconds; }
};

/// So many sequences that decode together.
struct Decoders {
  explicit Decoders(std::uint32_t sequences)
      : costs(sequences + lamina::DraftOptions{}.rows(sequences), sequences),
        lengths(lamina::DraftOptions{}.rows(sequences)),
        odds(sequences),
        shares(sequences) {}

  /// Chooses for the next pass.
  std::vector<DraftShare>& choose(const PlainRows& rows) {
    for (std::size_t i = 0; i < odds.size(); ++i) shares[i] = {&odds[i], most};
    lengths.choose(costs, rows, lamina::DraftOptions{most}.rows(static_cast<std::uint32_t>(odds.size())),
                   shares);
    return shares;
  }

  /// Until `tokens` were drawn. Drafts of sequence i are right as often as right[i] says; beside them are so
  /// many rows of prompts.
  Run simulate(const Machine& machine, const std::vector<double>& right, double tokens,
               std::uint32_t seed = 1, std::uint32_t others = 0) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> uniform(0, 1);
    Run run;
    const PlainRows rows{static_cast<std::uint32_t>(odds.size()), others};
    bool is_slow = machine.jump > 0 && uniform(random) < 0.5;
    while (run.tokens < tokens) {
      if (machine.jump > 0 && uniform(random) < machine.jump) is_slow = !is_slow;
      const auto& pass_of = is_slow ? machine.slow : machine.pass;
      choose(rows);
      run.last.clear();
      std::uint32_t drafted = 0, accepted = 0, deepest = 0;
      std::vector<std::uint32_t> accepted_of;
      for (std::size_t i = 0; i < shares.size(); ++i) {
        const std::uint32_t k = shares[i].count;
        std::uint32_t good = 0;
        while (good < k && uniform(random) < right[i]) ++good;
        accepted_of.push_back(good);
        drafted += k;
        accepted += good;
        deepest = std::max(deepest, k);
        run.last.push_back(k);
      }
      const double jitter = 1 + machine.noise * (uniform(random) - 0.5);
      double steps = 0;
      for (std::uint32_t depth = 1; depth <= deepest; ++depth) {
        const auto beside = static_cast<std::uint32_t>(
            std::count_if(run.last.begin(), run.last.end(), [&](std::uint32_t k) { return k >= depth; }));
        const double step = machine.step * beside * jitter;
        costs.take_step(beside, step);
        steps += step;
      }
      const double plain = pass_of(rows.single + others);
      const double pass = pass_of(rows.single + others + drafted) * jitter;
      costs.take_pass(rows, drafted, pass);
      for (std::size_t i = 0; i < odds.size(); ++i) odds[i].take(run.last[i], accepted_of[i], false);
      lengths.take_round(costs, rows, drafted, accepted, steps, pass);
      run.tokens += rows.single + accepted;
      run.plain_seconds += plain * (1 + static_cast<double>(accepted) / rows.single);
      run.seconds += steps + pass;
      run.drafted += drafted;
    }
    return run;
  }

  DraftCosts costs;
  DraftLengths lengths;
  std::vector<DraftOdds> odds;
  std::vector<DraftShare> shares;
  std::uint32_t most = 8;
};

Run one(const Machine& machine, double right, double tokens = 1000, std::uint32_t seed = 1) {
  return Decoders(1).simulate(machine, {right}, tokens, seed);
}

TEST_CASE("draft lengths: what pays is drafted") {
  // The best that a fixed length reaches: right^i summed over (1 + slope k + step k).
  CHECK(one(linear(0.1), 0.75).gain() > 1.95);  // of 2.07 with 4 or 5
  CHECK(one(linear(0.1), 0.9).gain() > 2.8);    // of 3.1 with 8
  CHECK(one(linear(0.1), 0.5).gain() > 1.25);   // of 1.41 with 2
  CHECK(one(linear(0.02, 0.005), 0.97).gain() > 5.5);
}

TEST_CASE("draft lengths: nothing is lost where nothing is right, or passes of more rows cost too much") {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    for (const double noise : {0.0, 0.1}) {
      CAPTURE(noise);
      for (const double right : {0.0, 0.1}) {
        const double least = noise > 0 ? 0.985 : 0.99;  // 400 passes are known to a third of a hundredth
        CHECK(one(linear(0.1, 0.02, noise), right, 400, seed).gain() > least);
        // Experts: every row more needs others.
        CHECK(one(linear(0.8, 0.02, noise), right, 400, seed).gain() > least);
      }
      CHECK(one(linear(0.8, 0.02, noise), 0.5, 2000, seed).gain() > 0.99);
      CHECK(one(linear(1.0, 0.3, noise), 0.75, 2000, seed).gain() > 0.99);
    }
  }
}

TEST_CASE("draft lengths: what waited for memory once does not end it") {
  Decoders decoders(1);
  for (int i = 0; i < 2; ++i) {
    decoders.costs.take_pass({1, 0}, 0, 1);
    decoders.lengths.take_round(decoders.costs, {1, 0}, 0, 0, 0, 1);
  }
  REQUIRE(decoders.choose({1, 0})[0].count == 1);
  decoders.costs.take_step(1, 7);  // the drafter's pages come in
  decoders.costs.take_pass({1, 0}, 1, 3);
  decoders.odds[0].take(1, 1, false);
  decoders.lengths.take_round(decoders.costs, {1, 0}, 1, 1, 7, 3);
  CHECK(decoders.choose({1, 0})[0].count == 0);  // has the machine changed its speed?
  decoders.costs.take_pass({1, 0}, 0, 1);
  decoders.lengths.take_round(decoders.costs, {1, 0}, 0, 0, 0, 1);
  CHECK(decoders.choose({1, 0})[0].count >= 1);
  CHECK(decoders.simulate(linear(0.1), {0.75}, 1000).gain() > 1.9);
}

TEST_CASE("draft lengths: follows the text, and looks again where it had given up") {
  Decoders decoders(1);
  const Run prose = decoders.simulate(linear(0.1), {0.02}, 1500, 3);
  CHECK(prose.gain() > 0.99);
  CHECK(prose.drafted > 0);
  const Run code = decoders.simulate(linear(0.1), {0.95}, 1500, 4);
  CHECK(code.gain() > 1.8);
  CHECK(code.last[0] >= 4);
  const Run again = decoders.simulate(linear(0.1), {0.0}, 300, 5);
  CHECK(again.gain() > 0.97);  // what it had won before is not all lost
  CHECK(again.last[0] <= 1);
}

TEST_CASE("draft lengths: within what is allowed, and not before plain passes were measured") {
  Decoders decoders(1);
  CHECK(decoders.choose({1, 0})[0].count == 0);
  decoders.simulate(linear(0.01, 0.001), {1}, 500);
  CHECK(decoders.choose({1, 0})[0].count == 8);
  decoders.most = 3;
  CHECK(decoders.choose({1, 0})[0].count == 3);
  decoders.most = 0;
  CHECK(decoders.choose({1, 0})[0].count == 0);
  decoders.most = 8;
  decoders.lengths.choose(decoders.costs, {1, 0}, 2, decoders.shares);
  CHECK(decoders.shares[0].count <= 2);
  CHECK(decoders.odds[0].of(1) > 0.9);
}

TEST_CASE("draft lengths: sequences that decode together have each their own") {
  Decoders decoders(3);
  const Run run = decoders.simulate(linear(0.05), {0.95, 0.05, 0.6}, 6000);
  CHECK(run.gain() > 1.5);
  CHECK(run.last[0] >= 4);
  CHECK(run.last[1] <= 1);
  CHECK(run.last[2] >= 1);
  CHECK(run.last[2] < run.last[0]);
  // The text of one becomes easy after it was hard for long: looks find it.
  const Run later = decoders.simulate(linear(0.05), {0.95, 0.95, 0.6}, 6000, 2);
  CHECK(later.last[1] >= 3);
}

TEST_CASE("draft lengths: where rows are no longer free nothing is drafted, nor lost") {
  for (const double noise : {0.0, 0.1}) {
    CAPTURE(noise);
    CHECK(Decoders(1).simulate(roof(8, noise), {0.75}, 2000).gain() > 1.7);
    const std::vector<double> all(16, 0.75);
    const Run crowded = Decoders(16).simulate(roof(8, noise), all, 16 * 1000);
    CHECK(crowded.gain() > 0.99);
    CHECK(static_cast<double>(crowded.drafted) < 0.04 * crowded.tokens);
    for (const double right : {0.0, 0.3}) {
      for (const std::uint32_t sequences : {2U, 4U, 32U, 64U}) {
        CAPTURE(sequences);
        const std::vector<double> odds(sequences, right);
        for (std::uint32_t seed = 1; seed <= 5; ++seed)
          CHECK(Decoders(sequences).simulate(linear(0.5, 0.02, noise), odds, sequences * 500, seed).gain() >
                0.988);
      }
    }
  }
}

TEST_CASE("draft lengths: a machine that changes its speed is not taken for what drafts gain or lose") {
  constexpr std::uint32_t runs = 40;
  const auto mean_gain = [](std::uint32_t sequences, double right) {
    double sum = 0;
    for (std::uint32_t seed = 1; seed <= runs; ++seed) {
      const std::vector<double> all(sequences, right);
      sum += Decoders(sequences).simulate(jumping(), all, 500 * sequences, seed).gain();
    }
    return sum / runs;
  };
  for (const std::uint32_t sequences : {1U, 2U, 4U, 8U}) {
    CAPTURE(sequences);
    for (const double right : {0.0, 0.1, 0.3, 0.5}) {
      CAPTURE(right);
      CHECK(mean_gain(sequences, right) > 0.99);
    }
  }
  CHECK(mean_gain(1, 0.5) > 1.4);
  CHECK(mean_gain(1, 0.75) > 2.0);
}

TEST_CASE("draft costs: two surprises in a row are a change, one is none") {
  lamina::MeanSeconds mean;
  for (const double taken : {1.0, 1.0, 1.0, 1.6}) mean.take(taken);
  CHECK(mean.seconds < 1.1);
  mean.take(1.0);
  mean.take(0.5);
  CHECK(mean.seconds > 0.9);
  mean.take(1.6);  // the other way
  CHECK(mean.seconds < 1.1);
  mean.take(1.8);
  CHECK(mean.seconds == doctest::Approx(1.7));
}

TEST_CASE("draft lengths: as many sequences come and go, plain passes of each number are known first") {
  Decoders decoders(4);
  for (const std::uint32_t single : {4U, 3U, 1U}) {
    CAPTURE(single);
    for (int i = 0; i < 2; ++i) {
      for (const DraftShare& share : decoders.choose({single, 0})) CHECK(share.count == 0);
      decoders.costs.take_pass({single, 0}, 0, 1 + 0.01 * single);
      decoders.lengths.take_round(decoders.costs, {single, 0}, 0, 0, 0, 1 + 0.01 * single);
    }
    std::uint32_t drafted = 0;
    for (const DraftShare& share : decoders.choose({single, 0})) drafted += share.count;
    CHECK(drafted > 0);
  }
}

TEST_CASE("draft lengths: beside prompts a row costs what all cost, and these wait for few drafts") {
  Decoders decoders(2);
  CHECK(decoders.simulate(linear(0.1), {0.9, 0.9}, 200, 1, 8).drafted == 0);
  const Run run = decoders.simulate(linear(0.1), {0.9, 0.9}, 2000, 1, 64);
  CHECK(run.gain() > 1.5);
  CHECK(run.last[0] + run.last[1] <= 4);
  CHECK(Decoders(2).simulate(linear(0.1), {0.0, 0.0}, 2000, 1, 64).gain() > 0.99);
}

TEST_CASE("draft costs: passes that were not measured lie on the line of those that were") {
  DraftCosts costs;
  const PlainRows one_row{1, 0};
  costs.take_pass(one_row, 0, 1.0);
  CHECK_FALSE(costs.knows(one_row));
  CHECK(costs.passes().of(1) == doctest::Approx(1.0));
  CHECK(costs.pass(one_row, 3) == doctest::Approx(1.25));
  CHECK(costs.step(1) == doctest::Approx(0.02));
  CHECK(costs.step(3) == doctest::Approx(0.06));
  costs.take_pass(one_row, 2, 1.4);
  CHECK(costs.pass(one_row, 1) == doctest::Approx(1.2));
  CHECK(costs.pass(one_row, 4) == doctest::Approx(1.8));
  CHECK(costs.age(one_row) == 1);
  costs.take_pass(one_row, 0, 0.8);  // the first one waited
  CHECK(costs.knows(one_row));
  CHECK(costs.age(one_row) == 0);
  CHECK(costs.pass(one_row, 0) == doctest::Approx(0.8));
  costs.take_pass(one_row, 0, 100);  // an interruption
  CHECK(costs.pass(one_row, 0) < 0.9);
  CHECK(costs.most(one_row) == 3);
  costs.take_pass({400, 0}, 0, 3);  // more than is planned for
  costs.take_pass({0, 400}, 0, 4);  // a prompt
  CHECK(costs.passes().most_known() == 3);
  CHECK(costs.pass({1, 99}, 100) == doctest::Approx(2.0));
  CHECK(costs.plain({1, 99}, 100, 2.0) == doctest::Approx(1.0));

  lamina::RowCosts rows(20);
  rows.take(8, 2.0);
  CHECK(rows.of(9) == doctest::Approx(2.0 + 2.0 / 19));
  CHECK(rows.of(4) == doctest::Approx(2.0));
}

TEST_CASE("draft counts: how many over time, as long as there is room") {
  lamina::DraftCounts counts;
  for (const std::size_t k : {0U, 0U, 3U, 3U, 3U, 1U}) counts.take_pass(k);
  REQUIRE(counts.over_time().size() == 3);
  CHECK(counts.over_time()[1].drafts == 3);
  CHECK(counts.over_time()[1].passes == 3);
  CHECK(counts.drafted == 10);
  CHECK(counts.passes == 6);
  CHECK(counts.lengths[0] == 2);
  for (std::size_t i = 0; i < 2 * lamina::DraftCounts::most_runs; ++i) counts.take_pass(i % 2);
  CHECK(counts.over_time().size() == lamina::DraftCounts::most_runs);
  CHECK(counts.run_passes < counts.passes);
  std::uint64_t told = 0;
  for (const lamina::DraftRun& run : counts.over_time()) told += run.passes;
  CHECK(told == counts.run_passes);
  counts = {};
  for (int i = 0; i < 70'000; ++i) counts.take_pass(2);
  CHECK(counts.over_time().size() == 2);
  CHECK(counts.run_passes == 70'000);

  CHECK(lamina::DraftOptions{8}.rows(1) == 8);
  CHECK(lamina::DraftOptions{8}.rows(3) == 24);
  CHECK(lamina::DraftOptions{8}.rows(256) == 32);
  CHECK(lamina::DraftOptions{0}.rows(256) == 0);
}

}  // namespace drafting
}  // namespace
