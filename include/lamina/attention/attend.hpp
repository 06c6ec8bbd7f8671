// SPDX-License-Identifier: Apache-2.0
// What attention is asked to do: visible keys per query row, work units, and the scratch they need.
// Source: text-decoder.md §2.4.2 (masks).
#pragma once

#include <cstddef>
#include <cstdint>

#include <lamina/attention/kv_rows.hpp>

namespace lamina {

/// Positions first, ..., end - 1 that one query row sees. A row may see later positions than its own.
struct KeyRange {
  std::uint32_t first = 0;
  std::uint32_t end = 0;
};

/// The keys a token at `position` sees: itself and what came before it, at most `window` of them (0: no
/// limit).
[[nodiscard]] constexpr KeyRange causal_keys(std::uint32_t position, std::uint32_t window) noexcept {
  const std::uint32_t end = position + 1;
  return {window != 0 && end > window ? end - window : 0, end};
}

/// Query rows of one sequence against one layer's cache. R rows, H query heads, d head_dim.
struct AttendRows {
  const float* queries = nullptr;     ///< [R, H, d], normed, rotated, passed through `prepare_queries`
  const KeyRange* visible = nullptr;  ///< [R]; every position in it is stored in the cache
  float* out = nullptr;               ///< [R, H, d]; must not alias `queries`
  std::uint32_t rows = 0;
  std::uint32_t heads = 0;  ///< multiple of the cache's kv_heads; head h reads kv head h / (H / kv_heads)
  /// Queries and probabilities may be rounded to bf16 where the rows are bf16 and the target multiplies
  /// these.
  bool may_round = false;
};

/// Spans of `kv_span` positions, by number: first, ..., end - 1.
struct SpanRange {
  std::uint32_t first = 0;
  std::uint32_t end = 0;
  [[nodiscard]] constexpr std::uint32_t count() const noexcept { return end - first; }
};

/// The spans that rows first_row, ..., end_row - 1 touch together. Requires end_row > first_row.
[[nodiscard]] constexpr SpanRange spans_of(const AttendRows& rows, std::uint32_t first_row,
                                           std::uint32_t end_row) noexcept {
  KeyRange all = rows.visible[first_row];
  for (std::uint32_t row = first_row + 1; row < end_row; ++row) {
    all.first = rows.visible[row].first < all.first ? rows.visible[row].first : all.first;
    all.end = rows.visible[row].end > all.end ? rows.visible[row].end : all.end;
  }
  return {all.first / kv_span, (all.end + kv_span - 1) / kv_span};
}

/// Rows that share each loaded key and value, for `group` query heads per kv head: 24 query vectors are four
/// register tiles of six, and their partial results (24 · 512 floats, 48 KiB) stay in the second-level cache
/// beside one block of keys and values.
[[nodiscard]] constexpr std::uint32_t attend_tile_rows(std::uint32_t group) noexcept {
  return group >= 24 ? 1 : 24 / group;
}

/// Floats that one span's partial result takes for `rows` rows (at most a tile) of one kv head.
template <class Layout>
[[nodiscard]] constexpr std::size_t attend_partial_floats(std::uint32_t group, std::uint32_t rows) noexcept {
  const std::size_t vectors = std::size_t{group} * rows;
  const std::size_t padded = (vectors + 15) / 16 * 16;
  return (vectors * Layout::head_dim + 15) / 16 * 16 + 2 * padded;
}

/// Keys whose rows are turned into columns together, where bf16 is multiplied natively (attend_bf16-inl.hpp).
inline constexpr std::uint32_t attend_panel_keys = 32;

/// Floats that products of bf16 need besides: the columns of a panel's keys, and probabilities of 2 bytes.
[[nodiscard]] constexpr std::size_t attend_rounded_floats(std::size_t vectors,
                                                          std::size_t head_dim) noexcept {
  return (attend_panel_keys * head_dim + vectors * kv_block) / 2;
}

/// Floats of scratch that a thread needs for `attend` or `attend_spans`.
template <class Layout>
[[nodiscard]] constexpr std::size_t attend_scratch_floats(std::uint32_t group) noexcept {
  const std::uint32_t rows = attend_tile_rows(group);
  const std::size_t padded = (std::size_t{group} * rows + 15) / 16 * 16;
  return attend_partial_floats<Layout>(group, rows) + padded * (Layout::head_dim + kv_block + 4) +
         attend_rounded_floats(padded, Layout::head_dim);
}

/// Names `use(layout)` for the cache layouts of published models, which a program compiles once
/// (attention/define_attention.hpp): local heads, global heads, and global heads whose keys are values.
#define LAMINA_FOR_SHARED_LAYOUTS(use, cache_format)                      \
  use(KvRowLayout<256, cache_format>) use(KvRowLayout<512, cache_format>) \
      use(KvRowLayout<512, cache_format, 64>)

}  // namespace lamina
