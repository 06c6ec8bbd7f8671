// SPDX-License-Identifier: Apache-2.0
// The rows of a pass: where they come from, their rotation angles, and the tiles in which they attend.
// Source: text-decoder.md §2.4.1 (angles).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/types.hpp>
#include <lamina/rows/rope.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/soft_rows.hpp>

namespace lamina {

/// Consecutive tokens of one sequence that enter a pass.
struct RowSource {
  LayerCaches caches;
  std::uint32_t first_position = 0;  ///< of tokens[0]
  PromptTokens tokens;
  std::uint32_t wanted = 0;  ///< tokens at the end whose logits are wanted
};

/// The row of token `index` of a source whose sequence has number `sequence`; `hidden` is the width of the
/// stream, and blocks count where the model `sees_blocks`.
[[nodiscard]] inline PassRow row_of(const RowSource& source, std::uint32_t index, std::uint32_t sequence,
                                    std::uint32_t hidden, bool sees_blocks) noexcept {
  PassRow row{source.tokens.ids[index], sequence, source.first_position + index};
  const SoftRows* soft = source.tokens.soft_at(index);
  if (soft == nullptr) return row;
  const std::uint32_t at = source.tokens.offset + index - soft->first;
  row.token = soft_token;
  row.embedding = soft->rows + std::size_t{at} * hidden;
  if (!sees_blocks || !soft->is_block) return row;
  row.block_begin = row.position - at;
  row.block_end = row.block_begin + soft->count;
  return row;
}

/// Puts the rows of source number `sequence` into `pass` that are wanted, or those that are not.
///
/// Effects   `work.rows` grows by them; wanted ones must all be put before the others
inline void put_rows(Pass& pass, const RowSource& source, std::uint32_t sequence, bool wanted,
                     bool sees_blocks) noexcept {
  const auto count = static_cast<std::uint32_t>(source.tokens.size());
  const std::uint32_t from = wanted ? count - source.wanted : 0;
  const std::uint32_t to = wanted ? count : count - source.wanted;
  for (std::uint32_t i = from; i < to; ++i) {
    pass.work.rows[pass.rows++] = row_of(source, i, sequence, pass.hidden, sees_blocks);
  }
  if (wanted) pass.wanted = pass.rows;
}

/// Puts the rows of `count` sources into `pass`, wanted ones first, each sort in the order of the sources;
/// `source_at(i)` is the source number i, and blocks count where the model `sees_blocks`.
///
/// Requires  no more rows, and no more sources, than the workspace was taken for
template <class SourceAt>
void put_rows(Pass& pass, std::size_t count, bool sees_blocks, SourceAt source_at) noexcept {
  for (std::size_t i = 0; i < count; ++i) pass.work.caches[i] = source_at(i).caches;
  pass.caches = {pass.work.caches, count};
  for (const bool wanted : {true, false}) {
    for (std::uint32_t i = 0; i < count; ++i) put_rows(pass, source_at(i), i, wanted, sees_blocks);
  }
}

/// Computes the rotation angles of all rows.
inline void fill_rotary(const Pass& pass, const RotaryRows& rotary) noexcept {
  pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) noexcept {
    for (std::size_t i = range.first; i < range.first + range.count; ++i) {
      rope_angles(rotary.frequencies, static_cast<int>(rotary.pairs), pass.row(i).position,
                  rotary.cosines + i * rotary.pairs, rotary.sines + i * rotary.pairs);
    }
  });
}

/// Cuts the rows into tiles of at most `most` consecutive rows of one sequence; returns how many.
inline std::uint32_t cut_tiles(const Pass& pass, std::uint32_t most) noexcept {
  std::uint32_t tiles = 0;
  for (std::uint32_t first = 0; first < pass.rows;) {
    const PassRow& start = pass.row(first);
    std::uint32_t end = first + 1;
    while (end < pass.rows && end - first < most && pass.row(end).sequence == start.sequence &&
           pass.row(end).position == start.position + (end - first)) {
      ++end;
    }
    pass.work.tiles[tiles++] = {first, end};
    first = end;
  }
  return tiles;
}

}  // namespace lamina
