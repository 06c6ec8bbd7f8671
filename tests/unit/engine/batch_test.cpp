// SPDX-License-Identifier: Apache-2.0
// Who goes into a pass, without a model: nobody who decodes waits for more than a pass, prompts share what is
// left, nobody waits for ever.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/engine/batch.hpp>

#include "support/expect_error.hpp"

namespace {

using lamina::Batch;
using lamina::BatchOptions;
using lamina::Feed;
using lamina::Want;

constexpr std::array<lamina::TokenId, 4096> batch_tokens{};

/// Addresses that stand for sequences; batches never look into them.
struct Crowd {
  alignas(lamina::Sequence) std::array<std::byte, 128> places{};
  std::vector<std::size_t> left;  ///< tokens that each still has to be fed
  std::vector<Want> wants;

  [[nodiscard]] std::vector<Feed> waiting() {
    std::vector<Feed> feeds;
    for (std::size_t i = 0; i < left.size(); ++i) {
      feeds.push_back({reinterpret_cast<lamina::Sequence*>(&places[i]),
                       std::span(batch_tokens).first(left[i]), wants.empty() ? Want::last : wants[i]});
    }
    return feeds;
  }
};

std::vector<std::size_t> rows_of(const Batch& batch, std::size_t count) {
  std::vector<std::size_t> rows(count, 0);
  for (std::size_t i = 0; i < batch.feeds().size(); ++i)
    rows[batch.source(i)] += batch.feeds()[i].tokens.size();
  return rows;
}

TEST_CASE("those who decode are in every pass, prompts share the rest evenly") {
  Crowd crowd;
  crowd.left = {1, 1000, 1, 10, 1000, 1};
  const auto waiting = crowd.waiting();
  Batch batch({.rows = 64, .logits_rows = 8, .prompt_rows = 64});
  must(batch.plan(waiting));
  CHECK(rows_of(batch, 6) == std::vector<std::size_t>{1, 25, 1, 10, 26, 1});
  for (const Feed& feed : batch.feeds()) {
    const bool is_whole = feed.tokens.size() == 1 || feed.tokens.size() == 10;
    CHECK(feed.want == (is_whole ? Want::last : Want::none));
  }
  Batch gentle({.rows = 64, .logits_rows = 8, .prompt_rows = 8});
  must(gentle.plan(waiting));
  CHECK(rows_of(gentle, 6) == std::vector<std::size_t>{1, 3, 1, 2, 3, 1});
  crowd.left = {0, 1000, 0, 10, 1000, 0};  // nobody waits for the pass
  const auto readers = crowd.waiting();
  must(gentle.plan(readers));
  CHECK(rows_of(gentle, 6) == std::vector<std::size_t>{0, 27, 0, 10, 27, 0});
}

TEST_CASE("what a pass has left can be filled: a feed takes the place of another of its sequence") {
  Crowd crowd;
  crowd.left = {1, 1000, 1};
  const auto waiting = crowd.waiting();
  Batch batch({.rows = 64, .logits_rows = 8, .prompt_rows = 16});
  must(batch.plan(waiting));
  CHECK(batch.rows_left() == 64 - 16 - 2);
  CHECK(batch.logits_left() == 8 - 2);
  const Feed plain = batch.feeds()[0];
  REQUIRE(plain.tokens.size() == 1);
  batch.replace(0, {plain.sequence, std::span(batch_tokens).first(4), Want::all});
  CHECK(rows_of(batch, 3)[batch.source(0)] == 4);
  CHECK(batch.rows_left() == 64 - 16 - 2 - 3);
  CHECK(batch.logits_left() == 8 - 2 - 3);
  batch.replace(0, plain);
  CHECK(batch.logits_left() == 8 - 2);
  CHECK(rows_of(batch, 3)[batch.source(0)] == 1);
}

TEST_CASE("rows of logits are counted: all of a prompt's in pieces") {
  Crowd crowd;
  crowd.left = {1, 1000, 10};
  crowd.wants = {Want::last, Want::all, Want::last};
  const auto waiting = crowd.waiting();
  Batch batch({.rows = 64, .logits_rows = 8, .prompt_rows = 64});
  must(batch.plan(waiting));
  CHECK(rows_of(batch, 3) == std::vector<std::size_t>{1, 6, 10});
}

TEST_CASE(
    "whatever waits: passes keep their limits, who decodes is served every other pass, all comes to an end") {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    BatchOptions options;
    options.rows = 2 + static_cast<std::uint32_t>(random() % 40);
    options.logits_rows = 1 + static_cast<std::uint32_t>(random() % options.rows);
    options.prompt_rows = 1 + static_cast<std::uint32_t>(random() % options.rows);
    Batch batch(options);
    Crowd crowd;
    const std::size_t count = 1 + random() % 30;
    for (std::size_t i = 0; i < count; ++i) {
      crowd.left.push_back(random() % 2 == 0 ? 1 : random() % 200);
      crowd.wants.push_back(static_cast<Want>(random() % 3));
    }
    std::vector<std::size_t> asleep(count, 0);
    std::size_t passes = 0;
    CAPTURE(round);
    for (;; ++passes) {
      REQUIRE(passes < 10'000);
      const auto waiting = crowd.waiting();
      must(batch.plan(waiting));
      if (batch.feeds().empty()) break;
      std::size_t rows = 0;
      std::size_t wanted = 0;
      for (const Feed& feed : batch.feeds()) {
        rows += feed.tokens.size();
        wanted += lamina::wanted_rows(feed);
      }
      CHECK(rows <= options.rows);
      CHECK(wanted <= options.logits_rows);
      const std::vector<std::size_t> given = rows_of(batch, count);
      const auto singles = static_cast<std::size_t>(std::count(crowd.left.begin(), crowd.left.end(), 1U));
      const std::size_t room =
          std::min<std::size_t>(options.rows - options.rows / 8 - 1, options.logits_rows);
      for (std::size_t i = 0; i < count; ++i) {
        asleep[i] = given[i] > 0 || crowd.left[i] != 1 ? 0 : asleep[i] + 1;
        if (singles <= room && options.logits_rows > singles) CHECK(asleep[i] <= 1);
        crowd.left[i] -= given[i];
      }
    }
    CHECK(std::all_of(crowd.left.begin(), crowd.left.end(), [](std::size_t left) { return left == 0; }));
  }
}

TEST_CASE("pictures are not cut, and one that is long waits for its turn only") {
  const std::vector<float> row(1);
  const std::array<lamina::SoftRows, 1> soft{{{2, 50, row.data(), true}}};
  Crowd crowd;
  crowd.left = std::vector<std::size_t>(20, 1);
  crowd.left[5] = 100;
  auto waiting = crowd.waiting();
  Batch batch({.rows = 60, .logits_rows = 60, .prompt_rows = 16, .keeps_blocks = true});
  std::size_t at = 0;
  std::vector<std::size_t> pieces;
  std::size_t waited = 0;
  while (at < 100) {
    REQUIRE(pieces.size() < 100);
    waiting[5].tokens = lamina::PromptTokens(std::span(batch_tokens).first(100), soft).subspan(at);
    must(batch.plan(waiting));
    const auto given = rows_of(batch, 20);
    const bool all_decode = std::count(given.begin(), given.end(), 0U) == 0;
    waited = all_decode ? 0 : waited + 1;
    CHECK(waited <= 1);
    if (given[5] > 0) pieces.push_back(given[5]);
    at += given[5];
  }
  CHECK(pieces.front() == 2);
  CHECK(pieces[1] == 50);
}

TEST_CASE("what fits into no pass is handed to the engine, which says so") {
  const std::vector<float> row(1);
  const std::array<lamina::SoftRows, 1> soft{{{0, 50, row.data(), true}}};
  Crowd crowd;
  crowd.left = {60};
  auto waiting = crowd.waiting();
  waiting[0].tokens = lamina::PromptTokens(std::span(batch_tokens).first(60), soft);
  Batch batch({.rows = 20, .logits_rows = 1, .prompt_rows = 16, .keeps_blocks = true});
  must(batch.plan(waiting));
  CHECK(rows_of(batch, 1) == std::vector<std::size_t>{50});
  must(batch.plan({}));
  CHECK(batch.feeds().empty());
}

}  // namespace
