// SPDX-License-Identifier: Apache-2.0
// Sorts the (row, expert) pairs of a pass by expert, so that each expert's weights are read once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <lamina/pass/pass.hpp>

namespace lamina {

/// Gives every expert its place in a pass: first those of `work.routed` [rows, active] that `is_here`, then
/// the others that rows go to, then the rest; each by rising index.
///
/// Effects   fills expert_at, place_of
/// Returns   experts that rows go to
template <class IsHere>
inline std::uint32_t place_experts(Workspace& work, std::uint32_t rows, std::uint32_t experts,
                                   std::uint32_t active, IsHere is_here) noexcept {
  enum : std::uint32_t { here, missing, unwanted, groups };
  std::uint32_t* const group_of = work.place_of;  // until the places are known
  std::fill_n(group_of, experts, unwanted);
  for (std::size_t i = 0; i < std::size_t{rows} * active; ++i) group_of[work.routed[i].expert] = missing;
  for (std::uint32_t expert = 0; expert < experts; ++expert) {
    if (group_of[expert] == missing && is_here(expert)) group_of[expert] = here;
  }
  std::uint32_t place = 0;
  std::uint32_t wanted = 0;
  for (std::uint32_t group = here; group < groups; ++group) {
    if (group == unwanted) wanted = place;
    for (std::uint32_t expert = 0; expert < experts; ++expert) {
      if (group_of[expert] == group) work.expert_at[place++] = expert;
    }
  }
  for (std::uint32_t i = 0; i < experts; ++i) work.place_of[work.expert_at[i]] = i;
  return wanted;
}

/// Groups `work.routed` [rows, active] by expert, in the order of their places.
///
/// Effects   fills expert_begin, entry_row, and for every row its entries and weights by rising expert index:
///           the order in which the outputs are added, whatever the other rows of the pass chose
inline void group_by_expert(Workspace& work, std::uint32_t rows, std::uint32_t experts,
                            std::uint32_t active) noexcept {
  std::fill_n(work.expert_begin, experts + 1, 0U);
  for (std::size_t i = 0; i < std::size_t{rows} * active; ++i)
    ++work.expert_begin[work.place_of[work.routed[i].expert] + 1];
  for (std::uint32_t place = 0; place < experts; ++place)
    work.expert_begin[place + 1] += work.expert_begin[place];

  for (std::uint32_t row = 0; row < rows; ++row) {
    RoutedExpert* routed = work.routed + std::size_t{row} * active;
    std::sort(routed, routed + active,
              [](const RoutedExpert& a, const RoutedExpert& b) { return a.expert < b.expert; });
    for (std::uint32_t i = 0; i < active; ++i) {
      // expert_begin walks to the end of the expert's entries here; it is shifted back below.
      const std::uint32_t entry = work.expert_begin[work.place_of[routed[i].expert]]++;
      work.entry_row[entry] = row;
      work.row_entries[std::size_t{row} * active + i] = entry;
      work.row_weights[std::size_t{row} * active + i] = routed[i].weight;
    }
  }
  for (std::uint32_t place = experts; place > 0; --place)
    work.expert_begin[place] = work.expert_begin[place - 1];
  work.expert_begin[0] = 0;
}

}  // namespace lamina
