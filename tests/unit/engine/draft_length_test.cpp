// SPDX-License-Identifier: Apache-2.0
// How many tokens are drafted: as many as pay, by simulated costs and luck, and never at a loss.
#include <cstdint>
#include <random>

#include <doctest/doctest.h>

#include <lamina/engine/drafting/draft_length.hpp>

namespace {

using lamina::DraftCosts;
using lamina::DraftLength;

/// A machine on which a pass of n rows takes 1 + slope · (n - 1), a step `step`, and drafts are right so
/// often.
struct Machine {
  double slope = 0.1;
  double step = 0.02;
  double right = 0.75;
  double noise = 0;
};

struct Run {
  double tokens = 0;
  double seconds = 0;
  std::uint64_t drafted = 0;
  std::uint32_t last = 0;  ///< drafts of the last round

  /// How much faster than without drafts, which takes a second a token.
  [[nodiscard]] double gain() const { return tokens / seconds; }
};

Run simulate(DraftCosts& costs, DraftLength& length, const Machine& machine, double tokens,
             std::uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  Run run;
  while (run.tokens < tokens) {
    const std::uint32_t k = length.choose(costs, 8);
    const double jitter = 1 + machine.noise * (uniform(random) - 0.5);
    const double steps = machine.step * k * jitter;
    const double pass = (1 + machine.slope * k) * jitter;
    std::uint32_t accepted = 0;
    while (accepted < k && uniform(random) < machine.right) ++accepted;
    costs.take_steps(k, steps);
    costs.take_pass(k + 1, pass);
    length.take_round(costs, k, accepted, steps + pass);
    run.tokens += 1 + accepted;
    run.seconds += steps + pass;
    run.drafted += k;
    run.last = k;
  }
  return run;
}

Run simulate(const Machine& machine, double tokens = 1000, std::uint32_t seed = 1) {
  DraftCosts costs;
  DraftLength length;
  return simulate(costs, length, machine, tokens, seed);
}

TEST_CASE("draft length: what pays is drafted") {
  // The best that a fixed length reaches: right^i summed over (1 + slope k + step k).
  CHECK(simulate({.right = 0.75}).gain() > 1.95);  // of 2.07 with 4 or 5
  CHECK(simulate({.right = 0.9}).gain() > 2.8);    // of 3.1 with 8
  CHECK(simulate({.right = 0.5}).gain() > 1.25);   // of 1.41 with 2
  CHECK(simulate({.slope = 0.02, .step = 0.005, .right = 0.97}).gain() > 5.5);
}

TEST_CASE("draft length: nothing is lost where nothing is right, or passes of more rows cost too much") {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    for (const double noise : {0.0, 0.1}) {
      CAPTURE(noise);
      for (const double right : {0.0, 0.1}) {
        const double least = noise > 0 ? 0.985 : 0.99;  // 400 passes are known to a third of a hundredth
        CHECK(simulate({.right = right, .noise = noise}, 400, seed).gain() > least);
        // Experts: every row more needs others.
        CHECK(simulate({.slope = 0.8, .right = right, .noise = noise}, 400, seed).gain() > least);
      }
      CHECK(simulate({.slope = 0.8, .right = 0.5, .noise = noise}, 2000, seed).gain() > 0.99);
      CHECK(simulate({.slope = 1.0, .step = 0.3, .right = 0.75, .noise = noise}, 2000, seed).gain() > 0.99);
    }
  }
}

TEST_CASE("draft length: what waited for memory once does not end it") {
  DraftCosts costs;
  DraftLength length;
  costs.take_pass(1, 1);
  costs.take_pass(1, 1);
  length.take_round(costs, 0, 0, 1);
  length.take_round(costs, 0, 0, 1);
  REQUIRE(length.choose(costs, 8) == 1);
  costs.take_steps(1, 7);  // the drafter's pages come in
  costs.take_pass(2, 3);
  length.take_round(costs, 1, 1, 10);
  CHECK(length.choose(costs, 8) >= 1);
  CHECK(simulate(costs, length, {.right = 0.75}, 1000, 1).gain() > 1.9);
}

TEST_CASE("draft length: follows the text, and looks again where it had given up") {
  DraftCosts costs;
  DraftLength length;
  const Run prose = simulate(costs, length, {.right = 0.02}, 1500, 3);
  CHECK(prose.gain() > 0.99);
  CHECK(prose.drafted > 0);
  const Run code = simulate(costs, length, {.right = 0.95}, 1500, 4);
  CHECK(code.gain() > 1.8);
  CHECK(code.last >= 4);
  const Run again = simulate(costs, length, {.right = 0.0}, 300, 5);
  CHECK(again.gain() > 0.97);  // what it had won before is not all lost
  CHECK(again.last <= 1);
}

TEST_CASE("draft length: within what is allowed, and not before a plain pass was measured") {
  DraftCosts costs;
  DraftLength length;
  CHECK(length.choose(costs, 8) == 0);
  Machine lucky{.slope = 0.01, .step = 0.001, .right = 1};
  simulate(costs, length, lucky, 500, 1);
  CHECK(length.choose(costs, 8) == 8);
  CHECK(length.choose(costs, 3) == 3);
  CHECK(length.choose(costs, 0) == 0);
  CHECK(length.choose(costs, 1000) <= lamina::most_drafts);
  CHECK(length.odds(1) > 0.9);
}

TEST_CASE("draft costs: passes that were not measured lie on the line of those that were") {
  DraftCosts costs;
  costs.take_pass(1, 1.0);
  CHECK(costs.pass(1) == doctest::Approx(1.0));
  CHECK(costs.pass(4) == doctest::Approx(1.25));
  CHECK(costs.step() == doctest::Approx(0.02));
  costs.take_pass(3, 1.4);
  CHECK(costs.pass(2) == doctest::Approx(1.2));
  CHECK(costs.pass(5) == doctest::Approx(1.8));
  costs.take_pass(1, 0.8);  // the first one waited
  CHECK(costs.pass(1) == doctest::Approx(0.8));
  costs.take_pass(1, 100);  // an interruption
  CHECK(costs.pass(1) < 0.9);
  costs.take_pass(400, 3);  // a prompt
  CHECK(costs.most_known() == 3);
}

}  // namespace
