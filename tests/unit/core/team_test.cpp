// SPDX-License-Identifier: Apache-2.0
#include <lamina/core/team.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/core/threads.hpp>

namespace {

using namespace lamina;

TEST_CASE("shares cover every index once, at multiples of the grain, balanced to one grain") {
  for (const std::uint32_t total : {0U, 1U, 15U, 16U, 17U, 1000U, 262144U}) {
    for (const std::uint32_t grain : {1U, 4U, 32U}) {
      for (std::uint32_t parts = 1; parts <= 7; ++parts) {
        std::uint32_t next = 0;
        std::uint32_t least = total + 1;
        std::uint32_t most = 0;
        for (std::uint32_t part = 0; part < parts; ++part) {
          const IndexRange share = share_of(total, grain, part, parts);
          REQUIRE((share.count == 0 || share.first == next));
          REQUIRE(share.first % grain == (share.count == 0 ? share.first % grain : 0));
          next = share.count == 0 ? next : share.first + share.count;
          least = std::min(least, share.count);
          most = std::max(most, share.count);
        }
        REQUIRE(next == total);
        REQUIRE(most <= least + 2 * grain);
      }
    }
  }
}

TEST_CASE("a team runs every part once, on one thread or on many") {
  for (const std::uint32_t threads : {0U, 1U, 2U, 3U, 5U}) {
    Result<std::unique_ptr<ThreadPool>> pool = ThreadPool::create(threads == 0 ? 1 : threads);
    REQUIRE(static_cast<bool>(pool));
    const Team team(threads == 0 ? nullptr : pool->get());
    for (const std::uint32_t total : {1U, 3U, 100U}) {
      std::vector<std::atomic<int>> hits(total);
      for (int round = 0; round < 200; ++round) {
        team.split(total, 1, [&](IndexRange range, std::uint32_t part) noexcept {
          if (part >= team.width()) return;
          for (std::uint32_t i = range.first; i < range.first + range.count; ++i) ++hits[i];
        });
      }
      for (const auto& hit : hits) CHECK(hit.load() == 200);
    }
  }
}

TEST_CASE(
    "dealt units: each part reads on in its own row, and takes the last ones of others when it is through") {
  DealtUnits dealt(10, 3);  // rows 0-2, 3-5, 6-9
  const auto taken_by = [&](std::uint32_t part) {
    std::uint32_t unit = 0;
    return dealt.take(part, unit) ? static_cast<int>(unit) : -1;
  };
  CHECK(taken_by(1) == 3);
  CHECK(taken_by(1) == 4);
  for (const int unit : {6, 7, 8, 9, 2}) CHECK(taken_by(2) == unit);
  CHECK(taken_by(0) == 0);
  CHECK(taken_by(0) == 1);
  CHECK(taken_by(0) == 5);
  for (const std::uint32_t part : {0U, 1U, 2U}) CHECK(taken_by(part) == -1);
}

TEST_CASE("dealt units: every one once, however many parts and threads") {
  for (const std::uint32_t threads : {1U, 2U, 5U, 70U}) {  // 70: more than there are rows
    const auto pool = ThreadPool::create(threads);
    REQUIRE(static_cast<bool>(pool));
    const Team team(pool->get());
    for (const std::uint32_t units : {0U, 1U, 2U, 7U, 64U, 1000U}) {
      std::vector<std::atomic<int>> hits(units);
      std::atomic<int> strangers{0};
      for (int round = 0; round < 50; ++round) {
        team.deal(units, [&](std::uint32_t unit, std::uint32_t part) noexcept {
          ++hits[unit];
          if (part >= threads) ++strangers;
        });
      }
      CHECK(strangers == 0);
      for (const auto& hit : hits) REQUIRE(hit.load() == 50);
    }
  }
}

}  // namespace
