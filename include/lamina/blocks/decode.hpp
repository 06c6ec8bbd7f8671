// SPDX-License-Identifier: Apache-2.0
// Decodes rows of any format to float32, or to integer codes with scales: the bit-exact scalar definition of
// §4. Source: weight-files.md §4. Loaders, embedding lookups, tests and the generic path of the kernels use
// it.
#pragma once

#include <lamina/core/config.hpp>
#include <lamina/blocks/codebook_blocks.hpp>
#include <lamina/blocks/k_blocks.hpp>
#include <lamina/blocks/legacy_blocks.hpp>
#include <lamina/blocks/table_blocks.hpp>
#include <lamina/blocks/ternary_blocks.hpp>
#include <lamina/formats/float_element.hpp>
#include <lamina/formats/visit_format.hpp>

namespace lamina {

/// True for the formats that unpack to `CodeBlock`s; false for F32, F16, BF16 and I32.
[[nodiscard]] constexpr bool has_codes(Format format) noexcept { return info_of(format).block_elements > 1; }

/// Widens 32 elements: out[i] = scale[i / 16] * code[i] - offset[i / 16].
///
/// Shapes  out [32]
/// Cost    two multiply-subtract loops of 16; whether they are fused changes no bit (see `BlockCodec`).
inline void expand(const CodeBlock& block, float* out) noexcept {
  constexpr int half = code_block_elements / 2;
  for (int h = 0; h < 2; ++h) {
    for (int i = half * h; i < half * (h + 1); ++i) {
      out[i] = block.scale[h] * static_cast<float>(block.code[i]) - block.offset[h];
    }
  }
}

/// Unpacks elements 32 * index .. 32 * index + 31 of a row of the integer encoding `F`.
///
/// Requires  `row` (any alignment) holds at least 32 * (index + 1) elements
template <Format F>
inline void decode_codes(const std::byte* row, std::size_t index, CodeBlock& out) noexcept {
  constexpr std::size_t parts = parts_per_block<F>;
  BlockCodec<F>::codes(row + index / parts * info_of(F).block_bytes, static_cast<int>(index % parts), out);
}

namespace detail {

/// Whether no scale of the row, or for float formats no element, is infinite or NaN.
template <Format F>
[[nodiscard]] bool is_finite_row(const std::byte* row, std::size_t columns) noexcept {
  std::size_t count = columns / info_of(F).block_elements;
  for (; count > 0; --count, row += info_of(F).block_bytes) {
    if constexpr (F == Format::f32) {
      if ((load_u32(row) & 0x7F80'0000) == 0x7F80'0000) return false;
    } else if constexpr (F == Format::f16) {
      if (!is_finite_half(load_u16(row))) return false;
    } else if constexpr (F == Format::bf16) {
      if ((load_u16(row) & 0x7F80) == 0x7F80) return false;
    } else if constexpr (F != Format::i32) {
      if (!BlockCodec<F>::has_finite_scales(row)) return false;
    }
  }
  return true;
}

}  // namespace detail

/// Decodes a row of format `F` to float32; I32 is converted to the nearest float.
///
/// Shapes    row: `columns` elements, any alignment · out [columns]
/// Requires  `columns` is a multiple of the block size; `out` does not overlap `row`
template <Format F>
void decode_row(const std::byte* row, std::size_t columns, float* out) noexcept {
  if constexpr (has_codes(F)) {
    LAMINA_DCHECK(columns % info_of(F).block_elements == 0);
    const std::size_t blocks = columns / info_of(F).block_elements;
    for (std::size_t b = 0; b < blocks; ++b, row += info_of(F).block_bytes) {
      for (int part = 0; part < parts_per_block<F>; ++part, out += code_block_elements) {
        CodeBlock codes;
        BlockCodec<F>::codes(row, part, codes);
        expand(codes, out);
      }
    }
  } else {
    constexpr std::size_t bytes = info_of(F).block_bytes;
    constexpr std::size_t chunk_elements = code_block_elements;
    for (std::size_t n = columns / chunk_elements; n > 0;
         --n, row += chunk_elements * bytes, out += chunk_elements) {
      float chunk[chunk_elements];  // known length, no overlap: vectorises at -O2
      for (std::size_t i = 0; i < chunk_elements; ++i) chunk[i] = load_element<F>(row + i * bytes);
      std::memcpy(out, chunk, sizeof chunk);
    }
    for (std::size_t i = 0; i < columns % chunk_elements; ++i) out[i] = load_element<F>(row + i * bytes);
  }
}

/// Decodes a row of any format to float32, bit for bit as the reference implementation; zeros may differ
/// in sign.
///
/// Shapes    row: `columns` elements, any alignment · out [columns]
/// Requires  `columns` is a multiple of the block size; `out` does not overlap `row`
/// Effects   NVFP4: without the tensor's second scale (`WeightMatrix::scales`)
/// Cost      one jump per row, then about one pass over the bytes; noexcept, does not allocate
inline void decode_row(Format format, const std::byte* row, std::size_t columns, float* out) noexcept {
  visit_format(format, [&]<Format F>(FormatTag<F>) { decode_row<F>(row, columns, out); });
}

/// Unpacks 32 elements of a row: `decode_codes<F>` of one format behind a pointer.
using CodesFunction = void (*)(const std::byte* row, std::size_t index, CodeBlock& out) noexcept;

/// The unpacking function of a format, so that a product chooses it once; null if `!has_codes(format)`.
[[nodiscard]] inline CodesFunction codes_function(Format format) noexcept {
  return visit_format(format, []<Format F>(FormatTag<F>) -> CodesFunction {
    if constexpr (has_codes(F)) {
      return &decode_codes<F>;
    } else {
      return nullptr;
    }
  });
}

/// Unpacks elements 32 * index .. 32 * index + 31 of a row. Requires `has_codes(format)`, else does nothing.
inline void decode_codes(Format format, const std::byte* row, std::size_t index, CodeBlock& out) noexcept {
  const CodesFunction decode = codes_function(format);
  LAMINA_DCHECK(decode != nullptr);
  if (decode != nullptr) decode(row, index, out);
}

/// Looks for damage that decoding would spread: an infinite or NaN scale in any block of a row, or element if
/// the format is a float (weight-files.md §1.9 rule 19). MXFP4 scale 255, NaN by its standard, counts.
///
/// Requires  `columns` is a multiple of the block size
/// Cost      reads the scale fields only; stops at the first hit
[[nodiscard]] inline bool has_non_finite_scale(Format format, const std::byte* row,
                                               std::size_t columns) noexcept {
  return visit_format(format,
                      [&]<Format F>(FormatTag<F>) { return !detail::is_finite_row<F>(row, columns); });
}

}  // namespace lamina
