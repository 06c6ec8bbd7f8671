// SPDX-License-Identifier: Apache-2.0
// Interleaved rows: the bytes of a few rows of integer weights in the order in which vectors read them.
//
// `height` rows, one a lane, lie together. Each of their blocks is cut into units of four bytes, and one of
// two where a scale stands alone; units come in the order in which products need them, each of all rows
// before the next of any. A block that begins `at` bytes into a row begins at * height bytes into the group,
// so rows cost the same bytes as before and are read as one stream.
#pragma once

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

/// The bytes of one block of row `lane` of a group, back in the order of files. Requires `at` to be the place
/// of a block in the row; `block` has room for `block_bytes` of the format.
inline void take_block(Format format, std::uint32_t height, const std::byte* group, std::uint32_t lane,
                       std::size_t at, std::byte* block) noexcept {
  const std::byte* first = group + at * height;
  for_each_unit(format, [&](std::size_t unit, std::size_t size) {
    std::memcpy(block + unit, first + interleaved_place(format, unit) * height + lane * size, size);
  });
}

}  // namespace detail

/// Interleaves `height` rows of `columns` columns, from `rows` on, into `group`, of as many bytes.
///
/// Requires  can_interleave(format); the ranges do not overlap
inline void interleave_rows(Format format, std::size_t columns, std::uint32_t height, const std::byte* rows,
                            std::byte* group) noexcept {
  const std::size_t row_size = row_bytes(format, columns);
  const std::size_t block_bytes = info_of(format).block_bytes;
  for (std::size_t at = 0; at < row_size; at += block_bytes) {
    detail::for_each_unit(format, [&](std::size_t unit, std::size_t size) {
      std::byte* to = group + (at + detail::interleaved_place(format, unit)) * height;
      const std::byte* from = rows + at + unit;
      // Constant sizes: a copy is one instruction each.
      if (size == 4) {
        for (std::size_t lane = 0; lane < height; ++lane)
          std::memcpy(to + lane * 4, from + lane * row_size, 4);
      } else {
        for (std::size_t lane = 0; lane < height; ++lane)
          std::memcpy(to + lane * 2, from + lane * row_size, 2);
      }
    });
  }
}

/// Looks for scales or elements that are infinite or NaN in `height` interleaved rows.
///
/// Requires  can_interleave(format); `columns` is a multiple of the format's block
[[nodiscard]] inline bool has_non_finite_scale_interleaved(Format format, std::uint32_t height,
                                                           const std::byte* group,
                                                           std::size_t columns) noexcept {
  const std::size_t elements = info_of(format).block_elements;
  std::byte block[256];
  LAMINA_DCHECK(info_of(format).block_bytes <= sizeof block);
  for (std::size_t column = 0; column < columns; column += elements) {
    for (std::uint32_t lane = 0; lane < height; ++lane) {
      detail::take_block(format, height, group, lane, row_bytes(format, column), block);
      if (has_non_finite_scale(format, block, elements)) return true;
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
  const std::byte* group = w.row(row / height * height);
  std::byte block[256];
  LAMINA_DCHECK(info_of(w.format).block_bytes <= sizeof block);
  for (std::size_t column = first; column < first + count; column += elements) {
    detail::take_block(w.format, height, group, static_cast<std::uint32_t>(row % height),
                       row_bytes(w.format, column), block);
    decode_row(w.format, block, elements, out + (column - first));
  }
}

}  // namespace lamina
