// SPDX-License-Identifier: Apache-2.0
#include <lamina/layers/expert_groups.hpp>

#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

namespace {

using namespace lamina;

TEST_CASE("experts that are in memory come first, then those that rows go to, each by rising index") {
  constexpr std::uint32_t experts = 6;
  std::vector<RoutedExpert> routed{{4, 0.5F}, {1, 0.25F}, {3, 0.75F}, {0, 0.125F}, {4, 0.6F}, {3, 0.4F}};
  std::vector<std::uint32_t> at(experts, 99);
  std::vector<std::uint32_t> place(experts, 99);
  Workspace work;
  work.routed = routed.data();
  work.expert_at = at.data();
  work.place_of = place.data();
  // Those that nobody goes to come last, also if they are here.
  const std::uint32_t chosen =
      place_experts(work, 3, experts, 2, [](std::uint32_t expert) { return expert >= 3; });
  CHECK(chosen == 4);
  CHECK(at == std::vector<std::uint32_t>{3, 4, 0, 1, 2, 5});
  CHECK(place == std::vector<std::uint32_t>{2, 3, 4, 0, 1, 5});
}

TEST_CASE("entries are grouped by expert, and every row adds its experts by rising index") {
  constexpr std::uint32_t experts = 5;
  constexpr std::uint32_t active = 2;
  std::vector<RoutedExpert> routed{{4, 0.5F}, {1, 0.25F}, {1, 0.75F}, {0, 0.125F}, {4, 0.6F}, {2, 0.4F}};
  const std::uint32_t rows = 3;
  std::vector<std::uint32_t> begin(experts + 1, 99);
  std::vector<std::uint32_t> entry_row(routed.size());
  std::vector<std::uint32_t> row_entries(routed.size());
  std::vector<float> row_weights(routed.size());
  Workspace work;
  work.routed = routed.data();
  work.expert_begin = begin.data();
  work.entry_row = entry_row.data();
  work.row_entries = row_entries.data();
  work.row_weights = row_weights.data();
  std::vector<std::uint32_t> at(experts);
  std::vector<std::uint32_t> place(experts);
  work.expert_at = at.data();
  work.place_of = place.data();
  CHECK(place_experts(work, rows, experts, active, [](std::uint32_t) { return false; }) == 4);
  group_by_expert(work, rows, experts, active);

  CHECK(at == std::vector<std::uint32_t>{0, 1, 2, 4, 3});
  CHECK(begin == std::vector<std::uint32_t>{0, 1, 3, 4, 6, 6});
  CHECK(entry_row == std::vector<std::uint32_t>{1, 0, 1, 2, 0, 2});
  CHECK(row_weights == std::vector<float>{0.25F, 0.5F, 0.125F, 0.75F, 0.4F, 0.6F});
  CHECK(row_entries == std::vector<std::uint32_t>{1, 4, 0, 2, 3, 5});
}

}  // namespace
