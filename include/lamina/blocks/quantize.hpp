// SPDX-License-Identifier: Apache-2.0
// Encodes rows of float32 in another format, for tests, benches and tools (weight-files.md §4.1, §4.10).
#pragma once

#include <bit>

#include <lamina/core/config.hpp>
#include <lamina/blocks/quantize_blocks.hpp>

namespace lamina {

/// True for the formats `quantize_row` can write: F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K, Q6_K.
[[nodiscard]] constexpr bool can_quantize(Format format) noexcept {
  switch (format) {
    case Format::f32:
    case Format::f16:
    case Format::bf16:
    case Format::q8_0:
    case Format::q4_0:
    case Format::q4_k:
    case Format::q5_k:
    case Format::q6_k:
      return true;
    default:
      return false;
  }
}

namespace detail {

template <Format F>
void quantize_blocks(const float* row, std::size_t columns, std::byte* out) noexcept {
  LAMINA_DCHECK(columns % info_of(F).block_elements == 0);
  const std::size_t blocks = columns / info_of(F).block_elements;
  for (std::size_t b = 0; b < blocks; ++b) {
    BlockWriter<F>::write(row + b * info_of(F).block_elements, out + b * info_of(F).block_bytes);
  }
}

}  // namespace detail

/// Encodes a row; F16 and BF16 round to nearest even, Q8_0 and Q4_0 as the reference (§4.10), the K types by
/// simple rounding that is good enough for tests and benches.
///
/// Shapes    row [columns] · out: row_bytes(format, columns) bytes, any alignment
/// Requires  `columns` is a multiple of the block size; finite values (see `BlockWriter`)
/// Errors    false, and nothing written, if `!can_quantize(format)`
[[nodiscard]] inline bool quantize_row(Format format, const float* row, std::size_t columns,
                                       std::byte* out) noexcept {
  switch (format) {
    case Format::f32:
      for (std::size_t i = 0; i < columns; ++i) {
        const auto bits = std::bit_cast<std::uint32_t>(row[i]);
        detail::store_u16(out + 4 * i, static_cast<std::uint16_t>(bits & 0xFFFF));
        detail::store_u16(out + 4 * i + 2, static_cast<std::uint16_t>(bits >> 16));
      }
      return true;
    case Format::f16:
      for (std::size_t i = 0; i < columns; ++i) detail::store_u16(out + 2 * i, float_to_half(row[i]));
      return true;
    case Format::bf16:
      for (std::size_t i = 0; i < columns; ++i) detail::store_u16(out + 2 * i, float_to_bfloat(row[i]));
      return true;
    case Format::q8_0:
      detail::quantize_blocks<Format::q8_0>(row, columns, out);
      return true;
    case Format::q4_0:
      detail::quantize_blocks<Format::q4_0>(row, columns, out);
      return true;
    case Format::q4_k:
      detail::quantize_blocks<Format::q4_k>(row, columns, out);
      return true;
    case Format::q5_k:
      detail::quantize_blocks<Format::q5_k>(row, columns, out);
      return true;
    case Format::q6_k:
      detail::quantize_blocks<Format::q6_k>(row, columns, out);
      return true;
    default:
      return false;
  }
}

}  // namespace lamina
