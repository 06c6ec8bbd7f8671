// SPDX-License-Identifier: Apache-2.0
// Matrix products as plain C++: activation rows, their quantised copy, and the table of kernels a target
// offers. Source: docs/adr/0006; the arithmetic is fixed in code_products-inl.hpp,
// matmul_floats-inl.hpp and matmul_bf16-inl.hpp.
#pragma once

#include <algorithm>
#include <bit>
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
  f32,   ///< `ActivationRows::values`; rounded to bf16 where the target multiplies these natively
  int8,  ///< `ActivationRows::quantized`: in steps of 32 or 128 columns, step = largest magnitude / 127
};

/// The form that weights of `format` multiply with.
[[nodiscard]] constexpr ActivationKind activation_kind(Format format, Precision precision) noexcept {
  const bool has_codes = info_of(format).block_elements > 1;
  return has_codes && precision == Precision::fast ? ActivationKind::int8 : ActivationKind::f32;
}

/// Whether products of these weights round to bf16, activations and F16 weights, where the target multiplies
/// bf16 natively.
[[nodiscard]] constexpr bool rounds_to_bf16(Format format, Precision precision) noexcept {
  return precision == Precision::fast && (format == Format::bf16 || format == Format::f16);
}

/// Rows of activations that the products take together. Their quantised copies lie side by side, so that a
/// kernel reads one stream: Q4_0 with 512 tokens, one thread of an AVX2 machine, 1.1 times as fast as with a
/// stream of codes and one of steps for every row.
inline constexpr std::uint32_t activation_tile = 4;

/// An integer n with |n| < 2^22, added to the bits of this float, gives the bits of this float plus n.
inline constexpr float sum_bias = 12582912.0F;  // 1.5 * 2^23
inline constexpr auto sum_bias_bits = std::bit_cast<std::int32_t>(sum_bias);

/// The n of `sum_bias_bits` + n.
[[nodiscard]] inline float without_bias(std::int32_t biased) noexcept {
  return std::bit_cast<float>(biased) - sum_bias;
}

/// Block of 32 columns of a tile of `rows` rows, quantised: value ≈ step * code. The sums are those of codes
/// times the offsets that kernels add to weight codes to make them unsigned: ready to start an accumulator
/// with, so that the offset costs nothing in the product. Targets that start sums at the bits of `sum_bias`
/// add these to the biased ones.
template <int rows>
struct ActivationBlock {
  std::int32_t quads[code_block_elements / 4][rows];  ///< four codes each, -127..127
  float step[rows];                                   ///< the same in all blocks that share it
  std::int32_t biased_minus_8_total[rows];
  std::int32_t biased_minus_32_first[rows];  ///< codes 0..15
  std::int32_t minus_32_second[rows];        ///< codes 16..31
};

/// Rows of activations `[rows, columns]`, one per token. Owns nothing.
///
/// Shapes    values: row t at values + t * stride · quantized: what `LinearKernels::quantize_rows` made of these
///           rows, tiles of `activation_tile` rows and a last one of the rest: [columns / 32] blocks each
///           · rounded [rows, rounded_row_numbers(columns)]: what `LinearKernels::round_rows` made of them
/// Requires  what `activation_kind` asks for is set; the other form may be null. Without `rounded`, kernels
///           that multiply bf16 round the values themselves, every time: the same bits
struct ActivationRows {
  const float* values = nullptr;
  std::size_t stride = 0;  ///< floats from one row of `values` to the next
  const std::byte* quantized = nullptr;
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  const std::uint16_t* rounded = nullptr;
};

/// Bytes of a quantised row: where the tile of rows r, r + 1 … begins is r times that.
[[nodiscard]] constexpr std::size_t quantized_row_bytes(std::size_t columns) noexcept {
  return columns / code_block_elements * sizeof(ActivationBlock<1>);
}

/// Numbers of a row rounded to bf16, zeros at its end included: whole vectors of any target.
[[nodiscard]] constexpr std::size_t rounded_row_numbers(std::size_t columns) noexcept {
  return (columns + 31) / 32 * 32;
}

/// Bytes of a row quantised or rounded, whichever is more.
[[nodiscard]] constexpr std::size_t prepared_row_bytes(std::size_t columns) noexcept {
  return std::max(quantized_row_bytes(columns), rounded_row_numbers(columns) * sizeof(std::uint16_t));
}

/// The blocks of a tile of `rows` rows that begins at `first`.
template <int rows>
[[nodiscard]] const ActivationBlock<rows>* tile_at(const std::byte* first) noexcept {
  return reinterpret_cast<const ActivationBlock<rows>*>(first);
}
static_assert(sizeof(ActivationBlock<activation_tile>) == activation_tile * sizeof(ActivationBlock<1>));

// --- Kernels ---

/// Output rows that kernels of any target compute together at most: threads should share rows in multiples of
/// this, and slabs of interleaved rows (InterleavedOrder) whole where there are enough of them. Other
/// divisions give the same bits, only slower.
inline constexpr std::uint32_t matmul_row_step = 32;

/// Bytes of codes that are unpacked at a time, to stay in the nearest cache while tokens pass by. One thread
/// of an AVX2 machine with 32 KiB of it, Q4_0, 512 tokens: with 16 KiB 1.05 times as long as with 24 KiB.
inline constexpr std::size_t matmul_panel_bytes = 24576;
/// Bytes of their scales and offsets: at most four numbers per block of 32.
inline constexpr std::size_t matmul_scale_bytes =
    matmul_panel_bytes / code_block_elements * 4 * sizeof(float);

/// Tokens that pass by an unpacked part at most; their sums stay in the second-level cache.
inline constexpr std::uint32_t matmul_token_step = 512;

/// Scratch bytes that each thread needs for `matmul` of at most `rows` rows of activations, alignment slack
/// included, whatever the number of columns: codes, their scales, and sums.
[[nodiscard]] constexpr std::size_t matmul_scratch_bytes(std::size_t rows) noexcept {
  const std::size_t tokens = rows < matmul_token_step ? rows : matmul_token_step;
  return matmul_panel_bytes + matmul_scale_bytes + tokens * matmul_row_step * sizeof(float) + arena_alignment;
}

/// The first byte of `scratch` at a multiple of `arena_alignment`.
[[nodiscard]] inline std::byte* aligned_scratch(std::span<std::byte> scratch) noexcept {
  const auto misalignment = reinterpret_cast<std::uintptr_t>(scratch.data()) % arena_alignment;
  return scratch.data() + (arena_alignment - misalignment) % arena_alignment;
}

/// The products that one target offers. All are noexcept and allocate nothing.
struct LinearKernels {
  const char* target;    ///< Highway's name of the target, "AVX2", or the CPU level's: "AVX512_BF16"
  const char* products;  ///< the instructions that multiply: "vpmaddubsw", "vpdpbusd, vdpbf16ps"
  bool optimised;        ///< false: compiled without -O, tens of times slower

  /// Quantises `rows` rows of `values` [rows, columns] into `to`, of rows * quantized_row_bytes(columns)
  /// bytes, aligned for float.
  ///
  /// Requires  `columns` is a multiple of 32
  /// Threads   safe for distinct rows: rows r .. r + n of a copy are made alone, at r * quantized_row_bytes
  ///           (columns), if r is a multiple of `activation_tile` and so is n, or they are the last
  void (*quantize_rows)(const float* values, std::size_t stride, std::uint32_t columns, std::uint32_t rows,
                        std::byte* to) noexcept;

  /// Rounds `rows` rows of `values` [rows, columns] to bf16, to nearest even: to [rows, rounded_row_numbers
  /// (columns)]. Null where the target does not multiply bf16 natively.
  ///
  /// Threads   safe for distinct rows
  void (*round_rows)(const float* values, std::size_t stride, std::uint32_t columns, std::uint32_t rows,
                     std::uint16_t* to) noexcept;

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
  ///           `activation_kind(w.format, precision)` names, `scratch` of `matmul_scratch_bytes(x.rows)`
  ///           bytes; of interleaved rows, first_row and row_count are multiples of `interleave_height`
  /// Effects   an element of `out` has the same bits whatever the row range and the other rows of `x` are
  /// Cost      reads the weights of the range once
  /// Threads   safe for distinct row ranges
  void (*matmul)(const WeightMatrix& w, const ActivationRows& x, Precision precision, float* out,
                 std::size_t out_stride, std::uint32_t first_row, std::uint32_t row_count,
                 std::span<std::byte> scratch) noexcept;

  /// Decodes columns first .. first + count of a row of `table` and multiplies them by `scale`: out [count].
  ///
  /// Requires  table.stack == 1, row < table.rows; first and count are multiples of the format's block
  void (*embed_row)(const WeightMatrix& table, std::uint32_t row, std::uint32_t first, std::uint32_t count,
                    float scale, float* out) noexcept;
};

/// The kernels of the translation unit that includes <lamina/linear/define_linear.hpp>. Translation units
/// that define LAMINA_EXTERN_LINEAR_KERNELS use these instead of compiling their own: a program with many
/// model types compiles the matrix products once. Units with other LAMINA_FORMATS than theirs do not link.
template <std::uint64_t BuiltIn = built_in_formats>
const LinearKernels& extern_linear_kernels() noexcept;

}  // namespace lamina
