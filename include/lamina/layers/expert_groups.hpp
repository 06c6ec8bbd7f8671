// SPDX-License-Identifier: Apache-2.0
// Sorts the (row, expert) pairs of a pass by expert, so that each expert's weights are read once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <lamina/pass/pass.hpp>

namespace lamina {

/// Groups `work.routed` [rows, active] by expert.
///
/// Effects   fills expert_begin, entry_row, and for every row its entries and weights by rising expert index:
/// the order
///           in which the outputs are added, whatever the other rows of the pass chose
inline void group_by_expert(Workspace& work, std::uint32_t rows, std::uint32_t experts,
                            std::uint32_t active) noexcept {
  std::fill_n(work.expert_begin, experts + 1, 0U);
  for (std::size_t i = 0; i < std::size_t{rows} * active; ++i) ++work.expert_begin[work.routed[i].expert + 1];
  for (std::uint32_t expert = 0; expert < experts; ++expert)
    work.expert_begin[expert + 1] += work.expert_begin[expert];

  for (std::uint32_t row = 0; row < rows; ++row) {
    RoutedExpert* routed = work.routed + std::size_t{row} * active;
    std::sort(routed, routed + active,
              [](const RoutedExpert& a, const RoutedExpert& b) { return a.expert < b.expert; });
    for (std::uint32_t i = 0; i < active; ++i) {
      // expert_begin[e] walks to the end of e's entries here; it is shifted back below.
      const std::uint32_t entry = work.expert_begin[routed[i].expert]++;
      work.entry_row[entry] = row;
      work.row_entries[std::size_t{row} * active + i] = entry;
      work.row_weights[std::size_t{row} * active + i] = routed[i].weight;
    }
  }
  for (std::uint32_t expert = experts; expert > 0; --expert)
    work.expert_begin[expert] = work.expert_begin[expert - 1];
  work.expert_begin[0] = 0;
}

}  // namespace lamina
