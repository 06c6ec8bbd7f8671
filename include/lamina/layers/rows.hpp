// SPDX-License-Identifier: Apache-2.0
// Which rows a pass still works on: their rotation angles, and dropping the rows that nobody needs any more.
// Source: text-decoder.md §2.4.1 (angles), §2.4.3 (a prompt token may stop after the last KV owner).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <lamina/kernels/rope.hpp>
#include <lamina/layers/pass.hpp>

namespace lamina {

/// Computes the rotation angles of all rows.
inline void fill_rotary(const Pass& pass, const RotaryRows& rotary) noexcept {
  for (const RowRun& run : pass.runs) {
    pass.team.split(run.rows, rows_per_share, [&](IndexRange range, std::uint32_t) noexcept {
      for (std::uint32_t i = range.first; i < range.first + range.count; ++i) {
        const std::size_t at = std::size_t{run.first_row + i} * rotary.pairs;
        rope_angles(rotary.frequencies, static_cast<int>(rotary.pairs), run.first_position + i,
                    rotary.cosines + at, rotary.sines + at);
      }
    });
  }
}

/// True if some row's logits are not wanted, so that it may stop after the last KV owner.
[[nodiscard]] inline bool has_unwanted_rows(const Pass& pass) noexcept {
  return std::any_of(pass.runs.begin(), pass.runs.end(),
                     [](const RowRun& run) { return run.wanted < run.rows; });
}

/// Drops all rows whose logits nobody wants: moves the others to the front of the stream and of the per-layer
/// inputs.
inline void keep_wanted_rows(Pass& pass) noexcept {
  std::uint32_t kept = 0;
  for (RowRun& run : pass.runs) {
    const std::uint32_t dropped = run.rows - run.wanted;
    const std::uint32_t from = run.first_row + dropped;
    const auto move = [&](float* rows, std::size_t width) {
      std::copy_n(rows + from * width, run.wanted * width, rows + kept * width);  // never overlaps forwards
    };
    if (kept != from && run.wanted > 0) {
      move(pass.work.stream, pass.hidden);
      if (pass.per_layer_floats > 0) move(pass.work.per_layer, pass.per_layer_floats);
      for (const RotaryRows& rotary : pass.rotaries) {
        move(rotary.cosines, rotary.pairs);
        move(rotary.sines, rotary.pairs);
      }
    }
    run.first_position += dropped;
    run.first_row = kept;
    run.rows = run.wanted;
    kept += run.wanted;
  }
  pass.rows = kept;
}

}  // namespace lamina
