// SPDX-License-Identifier: Apache-2.0
#include <lamina/layers/expert_groups.hpp>

#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

namespace {

using namespace lamina;

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
  group_by_expert(work, rows, experts, active);

  CHECK(begin == std::vector<std::uint32_t>{0, 1, 3, 4, 4, 6});
  CHECK(entry_row == std::vector<std::uint32_t>{1, 0, 1, 2, 0, 2});
  CHECK(row_weights == std::vector<float>{0.25F, 0.5F, 0.125F, 0.75F, 0.4F, 0.6F});
  CHECK(row_entries == std::vector<std::uint32_t>{1, 4, 0, 2, 3, 5});
}

}  // namespace
