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

}  // namespace
