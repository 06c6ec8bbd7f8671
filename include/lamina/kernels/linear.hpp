// SPDX-License-Identifier: Apache-2.0
// Matrix products as plain C++: activation rows, their quantised copy, and the table of kernels a target
// offers. Source: architecture.md 10 and 11; the arithmetic is fixed in matmul_codes-inl.hpp and
// matmul_floats-inl.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/arena.hpp>
#include <lamina/core/types.hpp>
#include <lamina/formats/code_block.hpp>
#include <lamina/formats/weight_matrix.hpp>

namespace lamina {

/// The form in which activations enter a product.
enum class ActivationKind : std::uint8_t {
  f32,   ///< `ActivationRows::values`
  int8,  ///< `ActivationRows::codes`: quantised in blocks of 32, step = largest magnitude / 127
};

/// The form that weights of `format` multiply with.
[[nodiscard]] constexpr ActivationKind activation_kind(Format format, Precision precision) noexcept {
  const bool has_codes = info_of(format).block_elements > 1;
  return has_codes && precision == Precision::fast ? ActivationKind::int8 : ActivationKind::f32;
}

/// What products need of a block of 32 quantised values besides its codes: value ≈ step * code. The sums are
/// those of codes times the offsets that kernels add to weight codes to make them unsigned: ready to start an
/// accumulator with, so that the offset costs nothing in the product.
struct ActivationBlock {
  float step;
  std::int32_t minus_8_total;
  std::int32_t minus_32_first;   ///< codes 0..15
  std::int32_t minus_32_second;  ///< codes 16..31
};

/// Rows of activations `[rows, columns]`, one per token. Owns nothing.
///
/// Shapes    values: row t at values + t * stride · codes [rows, columns] · blocks [rows, columns / 32]
/// Requires  what `activation_kind` asks for is set; the other form may be null
struct ActivationRows {
  const float* values = nullptr;
  std::size_t stride = 0;              ///< floats from one row of `values` to the next
  const std::int8_t* codes = nullptr;  ///< -127..127
  const ActivationBlock* blocks = nullptr;
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
};

// --- The quantised copy ---

/// Bytes of memory for the quantised copy of `[rows, columns]`, alignment slack included.
[[nodiscard]] constexpr std::size_t quantized_bytes(std::size_t rows, std::size_t columns) noexcept {
  const std::size_t blocks = rows * (columns / code_block_elements);
  return aligned_size(rows * columns) + aligned_size(blocks * sizeof(ActivationBlock)) + arena_alignment;
}

/// Where the parts of a quantised copy lie in its memory.
struct QuantizedRows {
  std::int8_t* codes;       ///< [rows, columns]
  ActivationBlock* blocks;  ///< [rows, columns / 32]
};

/// Divides `memory`, of `quantized_bytes(rows, columns)` bytes at any alignment.
[[nodiscard]] inline QuantizedRows quantized_layout(std::byte* memory, std::size_t rows,
                                                    std::size_t columns) noexcept {
  const auto misalignment = reinterpret_cast<std::uintptr_t>(memory) % arena_alignment;
  std::byte* codes = memory + (arena_alignment - misalignment) % arena_alignment;
  std::byte* blocks = codes + aligned_size(rows * columns);
  return {reinterpret_cast<std::int8_t*>(codes), reinterpret_cast<ActivationBlock*>(blocks)};
}

/// Points `x` (rows and columns set) at the quantised copy in `memory`, which `quantize_rows` filled.
inline void attach_quantized(ActivationRows& x, std::byte* memory) noexcept {
  const QuantizedRows parts = quantized_layout(memory, x.rows, x.columns);
  x.codes = parts.codes;
  x.blocks = parts.blocks;
}

// --- Kernels ---

/// Output rows that kernels of any target compute together at most: threads should share rows in multiples of
/// this. Other divisions give the same bits, only slower.
inline constexpr std::uint32_t matmul_row_step = 32;

/// Columns of weights that are unpacked at a time.
inline constexpr std::uint32_t matmul_column_step = 1024;

/// Scratch bytes that each thread needs for `matmul`, alignment slack included, whatever the number of
/// columns: per code of a panel one byte of code and, per block of 32, two scales and two offsets.
[[nodiscard]] constexpr std::size_t matmul_scratch_bytes(std::size_t /*columns*/) noexcept {
  constexpr std::size_t panel = std::size_t{matmul_row_step} * matmul_column_step;
  return panel + panel / code_block_elements * 4 * sizeof(float) + arena_alignment;
}

/// The products that one target offers. All are noexcept and allocate nothing.
struct LinearKernels {
  const char* target;  ///< Highway's name of the target: "AVX2"

  /// Quantises rows first .. first + count of `values` [rows, columns] into the memory of a quantised copy of
  /// all `rows` rows.
  ///
  /// Requires  `columns` is a multiple of 32; `memory` has `quantized_bytes(rows, columns)` bytes
  /// Threads   safe for distinct row ranges of one copy
  void (*quantize_rows)(const float* values, std::size_t stride, std::uint32_t columns, std::uint32_t rows,
                        std::byte* memory, std::uint32_t first, std::uint32_t count) noexcept;

  /// Rows that `interleave` puts together on this target; 0 where it has no use for that.
  std::uint32_t interleave_height;

  /// Interleaves rows first .. first + count of `w` into the place of row `first` in `to`, which has as many
  /// bytes as `w`; see interleave.hpp.
  ///
  /// Requires  can_interleave(w.format); first, count and the rows of one matrix of a stack are multiples of
  ///           `interleave_height`; rows of a stack count through
  /// Threads   safe for distinct row ranges
  void (*interleave)(const WeightMatrix& w, std::size_t first, std::size_t count, std::byte* to) noexcept;

  /// Multiplies all rows of `x` with rows first_row .. first_row + row_count of `w`:
  /// out[t * out_stride + r] = sum over k of w[r, k] * x[t, k].
  ///
  /// Requires  w.stack == 1 (see `WeightMatrix::at`), w.columns == x.columns, `x` in the form that
  ///           `activation_kind(w.format, precision)` names, `scratch` of `matmul_scratch_bytes` bytes; of
  ///           interleaved rows, first_row and row_count are multiples of `interleave_height`
  /// Effects   an element of `out` has the same bits whatever the row range and the other rows of `x` are
  /// Cost      reads the weights of the range once
  /// Threads   safe for distinct row ranges
  void (*matmul)(const WeightMatrix& w, const ActivationRows& x, Precision precision, float* out,
                 std::size_t out_stride, std::uint32_t first_row, std::uint32_t row_count,
                 std::span<std::byte> scratch) noexcept;

  /// Decodes one row of `table` and multiplies it by `scale`: out [table.columns].
  ///
  /// Requires  table.stack == 1, row < table.rows
  void (*embed_row)(const WeightMatrix& table, std::uint32_t row, float scale, float* out) noexcept;
};

/// The kernels of the translation unit that includes <lamina/kernels/define_linear.hpp>. Translation units
/// that define LAMINA_EXTERN_LINEAR_KERNELS use these instead of compiling their own: a program with many
/// model types compiles the matrix products once.
const LinearKernels& extern_linear_kernels() noexcept;

}  // namespace lamina
