// SPDX-License-Identifier: Apache-2.0
// Interleaved rows: the bytes of a few rows of integer weights in the order in which vectors read them.
//
// `height` rows, one a lane, lie together. Each of their blocks is cut into units of four bytes, and one of
// two where a scale stands alone; units come in the order in which products need them, each of all rows
// before the next of any. So rows cost the same bytes as before and are read as one stream. Rows of wide
// matrices are cut: see `InterleavedOrder`.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <lamina/core/config.hpp>
#include <lamina/blocks/decode.hpp>
#include <lamina/formats/weight_matrix.hpp>

namespace lamina {

namespace detail {

/// Place of the unit of two bytes in a block: its scale. -1: there is none.
constexpr int place_of_half(Format format) noexcept {
  switch (format) {
    case Format::q4_0:
    case Format::iq4_nl:
    case Format::q8_0:
      return 0;
    case Format::q6_k:
      return 208;
    default:
      return -1;
  }
}

/// Calls visit(at, size) for every unit of a block, front to back.
template <class Visit>
inline void for_each_unit(Format format, Visit visit) noexcept {
  const int half = place_of_half(format);
  for (int at = 0; at < static_cast<int>(info_of(format).block_bytes);) {
    const int size = at == half ? 2 : 4;
    visit(static_cast<std::size_t>(at), static_cast<std::size_t>(size));
    at += size;
  }
}

/// Where a unit at `at` of a block in a file lies in an interleaved one. Files keep upper bits and scales of
/// Q6_K behind the lower bits, and a product would jump between them: here the scales come first, then 16
/// bytes of upper bits before each twice 16 of lower ones that they belong to. Other formats are stored as
/// they are read.
constexpr std::size_t interleaved_place(Format format, std::size_t at) noexcept {
  if (format != Format::q6_k) return at;
  constexpr std::size_t sub_scales = 2;
  constexpr std::size_t codes = sub_scales + 16;
  constexpr std::size_t part = 48;  // 16 bytes of upper bits and twice 16 of lower ones
  if (at >= 208) return at - 208;
  if (at >= 192) return sub_scales + (at - 192);
  if (at >= 128) return codes + (at - 128) / 16 * part + at % 16;
  // Each 64 bytes of lower bits are those of two parts: 16 of one, 16 of the other, and both again.
  return codes + (at / 64 * 2 + at % 32 / 16) * part + 16 + at % 64 / 32 * 16 + at % 16;
}

/// The bytes of one block of row `lane` of a group, back in the order of files. Requires `first` to be where
/// the group's blocks begin; `block` has room for `block_bytes` of the format.
inline void take_block(Format format, std::uint32_t height, const std::byte* first, std::uint32_t lane,
                       std::byte* block) noexcept {
  for_each_unit(format, [&](std::size_t unit, std::size_t size) {
    std::memcpy(block + unit, first + interleaved_place(format, unit) * height + lane * size, size);
  });
}

}  // namespace detail

/// The order of the groups and blocks of one matrix.
///
/// A product goes through its activations once for each group. Those of more than some 3000 columns do not
/// stay in the nearest cache while a group's weights pass by, and what is loaded for them from the next cache
/// holds up the stream. So the rows of wide matrices lie in slabs of 64, which lie run by run: 1536 columns
/// of each of their groups, then the next 1536. GB/s of a Zen 4 core that reads 29 to 30, one token, AVX-512
/// VNNI, whole rows -> slabs: Q4_0 at 6144 and 12 288 columns 25 -> 31, at 3840 26 -> 31, Q4_K at 6144 24 ->
/// 29, Q8_0 28 -> 30, Q6_K level; at 2816 columns whole rows read 29. Runs of 768 and 2048 columns and slabs
/// of 128 rows are level.
struct InterleavedOrder {
  Format format;
  std::uint32_t height;  ///< rows of a group
  std::size_t rows;      ///< of the matrix, a multiple of `height`
  std::size_t columns;

  /// Columns of a run of a wide matrix: whole blocks, and whole panels of kernels.
  static constexpr std::size_t wide_run = 1536;
  /// Rows of its slabs.
  static constexpr std::uint32_t wide_slab = 64;

  /// Columns of a group that lie together; the last run of a row may be shorter.
  [[nodiscard]] constexpr std::size_t run_columns() const noexcept { return is_wide() ? wide_run : columns; }

  /// Rows that lie together; the last slab of a matrix may be shorter. Whoever multiplies a part of a slab
  /// leaves the stream at the end of every run.
  [[nodiscard]] constexpr std::size_t slab_rows() const noexcept {
    return is_wide() ? std::max<std::size_t>(wide_slab / height, 1) * height : height;
  }

  /// Bytes from the beginning of the matrix to the blocks at `column` of the group that begins with `row`.
  [[nodiscard]] constexpr std::size_t place(std::size_t row, std::size_t column) const noexcept {
    const std::size_t slab = row / slab_rows() * slab_rows();
    const std::size_t slab_size = std::min(slab_rows(), rows - slab);
    const std::size_t run = column / run_columns() * run_columns();
    const std::size_t run_size = std::min(run_columns(), columns - run);
    return row_bytes(format, columns) * slab + row_bytes(format, run) * slab_size +
           row_bytes(format, run_size) * (row - slab) + row_bytes(format, column - run) * height;
  }

 private:
  [[nodiscard]] constexpr bool is_wide() const noexcept { return columns > 3072; }
};

/// The order of a single matrix whose groups have `height` rows.
[[nodiscard]] constexpr InterleavedOrder order_of(const WeightMatrix& w, std::uint32_t height) noexcept {
  return {w.format, height, w.rows, w.columns};
}

/// Interleaves the group that begins with `row`, whose rows lie at `rows`, into its place in the matrix `to`.
///
/// Requires  can_interleave(order.format); the ranges do not overlap
inline void interleave_group(const InterleavedOrder& order, std::size_t row, const std::byte* rows,
                             std::byte* to) noexcept {
  const std::size_t row_size = row_bytes(order.format, order.columns);
  const std::size_t block_bytes = info_of(order.format).block_bytes;
  for (std::size_t run = 0; run < order.columns; run += order.run_columns()) {
    std::byte* first = to + order.place(row, run);
    const std::byte* run_rows = rows + row_bytes(order.format, run);
    const std::size_t run_bytes = row_bytes(order.format, std::min(order.run_columns(), order.columns - run));
    for (std::size_t at = 0; at < run_bytes; at += block_bytes) {
      detail::for_each_unit(order.format, [&](std::size_t unit, std::size_t size) {
        std::byte* unit_to = first + (at + detail::interleaved_place(order.format, unit)) * order.height;
        const std::byte* from = run_rows + at + unit;
        // Constant sizes: a copy is one instruction each.
        if (size == 4) {
          for (std::size_t lane = 0; lane < order.height; ++lane)
            std::memcpy(unit_to + lane * 4, from + lane * row_size, 4);
        } else {
          for (std::size_t lane = 0; lane < order.height; ++lane)
            std::memcpy(unit_to + lane * 2, from + lane * row_size, 2);
        }
      });
    }
  }
}

/// Looks for scales or elements that are infinite or NaN in the group of the matrix `data` that begins with
/// `row`.
///
/// Requires  can_interleave(order.format); columns are a multiple of the format's block
[[nodiscard]] inline bool has_non_finite_scale_interleaved(const InterleavedOrder& order, std::size_t row,
                                                           const std::byte* data) noexcept {
  const std::size_t elements = info_of(order.format).block_elements;
  std::byte block[256];
  LAMINA_DCHECK(info_of(order.format).block_bytes <= sizeof block);
  for (std::size_t column = 0; column < order.columns; column += elements) {
    const std::byte* first = data + order.place(row, column);
    for (std::uint32_t lane = 0; lane < order.height; ++lane) {
      detail::take_block(order.format, order.height, first, lane, block);
      if (has_non_finite_scale(order.format, block, elements)) return true;
    }
  }
  return false;
}

/// Decodes columns first .. first + count of a row of `w`, whatever its packing; `height` is the kernels'
/// own.
///
/// Requires  `first` and `count` multiples of the format's block, w.stack == 1
inline void decode_columns(const WeightMatrix& w, std::uint32_t height, std::size_t row, std::size_t first,
                           std::size_t count, float* out) noexcept {
  if (w.packing == Packing::rows) {
    return decode_row(w.format, w.row(row) + row_bytes(w.format, first), count, out);
  }
  const std::size_t elements = info_of(w.format).block_elements;
  const InterleavedOrder order = order_of(w, height);
  std::byte block[256];
  LAMINA_DCHECK(info_of(w.format).block_bytes <= sizeof block);
  for (std::size_t column = first; column < first + count; column += elements) {
    detail::take_block(w.format, height, w.data + order.place(row / height * height, column),
                       static_cast<std::uint32_t>(row % height), block);
    decode_row(w.format, block, elements, out + (column - first));
  }
}

}  // namespace lamina
