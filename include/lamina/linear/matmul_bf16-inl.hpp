// SPDX-License-Identifier: Apache-2.0
// Products of BF16 weights with activations rounded to bf16, where the target multiplies these natively.
//
// Rounding is to nearest even. The bits of an output element are fixed (architecture 11). Of every 1024
// columns of its row in turn, lane i of one vector adds up in order the products of columns 2i and 2i + 1, of
// those 2 lanes further on … (`compat::AddBf16Products`); the lanes are then summed in the order of
// `compat::StoreSums` and the sum is added to the element. Neither other rows nor other tokens take part.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_LINEAR_MATMUL_BF16_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LINEAR_MATMUL_BF16_INL_HPP_
#undef LAMINA_LINEAR_MATMUL_BF16_INL_HPP_
#else
#define LAMINA_LINEAR_MATMUL_BF16_INL_HPP_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <lamina/core/config.hpp>
#include <lamina/rows/elementwise-inl.hpp>
#include <lamina/linear/linear.hpp>
#include <lamina/linear/matmul_floats-inl.hpp>
#include <lamina/simd/compat-inl.hpp>

#if defined(LAMINA_BF16_DOT)
HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Columns that a vector adds up, and numbers in a vector.
inline constexpr std::size_t bf16_column_step = 1024;
inline constexpr std::size_t bf16_lanes = 2 * compat::lanes32;

static_assert(bf16_column_step % bf16_lanes == 0 &&
              bf16_column_step * sizeof(std::uint16_t) * float_tile_tokens <=
                  matmul_scratch_bytes(0) - arena_alignment);

/// At most `bf16_column_step` columns; activations are zeros up to a multiple of `bf16_lanes`.
using Bf16Tile = SegmentTile<std::uint16_t>;

/// The products of a segment: sums [tokens, float_tile_rows].
template <int tokens>
HWY_NOINLINE void multiply_bf16_segment(const Bf16Tile& tile, float* sums) noexcept {
  const compat::TagF32 df;
  const compat::TagI32 di;
  compat::VecF32 sum[tokens][float_tile_rows];
  HWY_UNROLL(3)
  for (int t = 0; t < tokens; ++t) {
    HWY_UNROLL(4)
    for (int r = 0; r < float_tile_rows; ++r) sum[t][r] = hn::Zero(df);
  }
  const auto activations = [&](int t, std::size_t column) HWY_ATTR {
    const std::uint16_t* from = tile.x + static_cast<std::size_t>(t) * tile.x_stride + column;
    return hn::LoadU(di, reinterpret_cast<const std::int32_t*>(from));
  };
  std::size_t column = 0;
  for (; column + bf16_lanes <= tile.columns; column += bf16_lanes) {
    compat::VecI32 weights[float_tile_rows];
    HWY_UNROLL(4)
    for (int r = 0; r < float_tile_rows; ++r) {
      const std::byte* from = tile.rows[r] + column * sizeof(std::uint16_t);
      // The processor does not foresee where short rows go on (see matmul_floats-inl.hpp).
      __builtin_prefetch(from + tile.next_rows, 0, 3);
      weights[r] = hn::LoadU(di, reinterpret_cast<const std::int32_t*>(from));
    }
    HWY_UNROLL(3)
    for (int t = 0; t < tokens; ++t) {
      const auto x = activations(t, column);
      HWY_UNROLL(4)
      for (int r = 0; r < float_tile_rows; ++r) sum[t][r] = compat::AddBf16Products(sum[t][r], weights[r], x);
    }
  }
  if (const std::size_t left = tile.columns - column; left > 0) {
    HWY_UNROLL(4)
    for (int r = 0; r < float_tile_rows; ++r) {
      HWY_ALIGN std::int32_t lanes[compat::lanes32] = {};
      std::memcpy(lanes, tile.rows[r] + column * sizeof(std::uint16_t), left * sizeof(std::uint16_t));
      const auto weights = hn::Load(di, lanes);
      HWY_UNROLL(3)
      for (int t = 0; t < tokens; ++t)
        sum[t][r] = compat::AddBf16Products(sum[t][r], weights, activations(t, column));
    }
  }
  HWY_UNROLL(3)
  for (int t = 0; t < tokens; ++t)
    compat::StoreSums(df, sum[t][0], sum[t][1], sum[t][2], sum[t][3], sums + t * float_tile_rows);
}

/// Rounds columns first .. first + count of all tokens: to [x.rows, count rounded up to whole vectors].
inline void round_to_bf16(const ActivationRows& x, std::size_t first, std::size_t count,
                          std::uint16_t* to) noexcept {
  const std::size_t stride = (count + bf16_lanes - 1) / bf16_lanes * bf16_lanes;
  for (std::size_t token = 0; token < x.rows; ++token) {
    std::uint16_t* row = to + token * stride;
    to_bf16(x.values + token * x.stride + first, row, count);
    std::fill(row + count, row + stride, std::uint16_t{0});
  }
}

/// Multiplies columns first_column .. first_column + columns of the rows with tokens that `round_to_bf16`
/// rounded.
inline void multiply_rounded(const WeightMatrix& w, const std::uint16_t* rounded, std::uint32_t token_count,
                             std::size_t first_column, std::size_t columns, float* out,
                             std::size_t out_stride, std::size_t first_row,
                             std::uint32_t row_count) noexcept {
  static_assert(float_tile_tokens == 3);
  constexpr decltype(&multiply_bf16_segment<1>) kernels[] = {
      &multiply_bf16_segment<1>, &multiply_bf16_segment<2>, &multiply_bf16_segment<3>};
  Bf16Tile tile{};
  tile.x_stride = (columns + bf16_lanes - 1) / bf16_lanes * bf16_lanes;
  tile.next_rows = float_tile_rows * w.bytes_per_row();
  for (std::uint32_t row = 0; row < row_count; row += float_tile_rows) {
    const std::uint32_t valid = std::min<std::uint32_t>(float_tile_rows, row_count - row);
    for (std::size_t column = 0; column < columns; column += bf16_column_step) {
      tile.columns = std::min(bf16_column_step, columns - column);
      // Rows past the range repeat its last one; their results are dropped.
      for (std::uint32_t r = 0; r < float_tile_rows; ++r) {
        tile.rows[r] = w.row(first_row + row + std::min(r, valid - 1)) +
                       lamina::row_bytes(w.format, first_column + column);
      }
      for (std::uint32_t token = 0; token < token_count; token += float_tile_tokens) {
        const std::uint32_t tokens = std::min<std::uint32_t>(float_tile_tokens, token_count - token);
        tile.x = rounded + token * tile.x_stride + column;
        float sums[float_tile_tokens * float_tile_rows];
        kernels[tokens - 1](tile, sums);
        for (std::uint32_t t = 0; t < tokens; ++t) {
          add_tile_sums(sums + t * float_tile_rows, first_column + column == 0, valid,
                        out + (token + t) * out_stride + first_row + row);
        }
      }
    }
  }
}

/// Products of BF16 weights with activations rounded to bf16; see `LinearKernels::matmul`.
///
/// Activations are rounded once for all rows: as many tokens and columns as fit into the scratch memory, for
/// each of which weights pass by once.
inline void matmul_bf16(const WeightMatrix& w, const ActivationRows& x, float* out, std::size_t out_stride,
                        std::uint32_t first_row, std::uint32_t row_count,
                        std::span<std::byte> scratch) noexcept {
  LAMINA_DCHECK(w.format == Format::bf16 && x.values != nullptr &&
                scratch.size() >= matmul_scratch_bytes(x.rows));
  auto* rounded = reinterpret_cast<std::uint16_t*>(aligned_scratch(scratch));
  const std::size_t room = (scratch.size() - arena_alignment) / sizeof(std::uint16_t);
  const auto most_tokens = static_cast<std::uint32_t>(room / bf16_column_step);
  for (std::uint32_t token = 0; token < x.rows; token += most_tokens) {
    ActivationRows block = x;
    block.values += token * x.stride;
    block.rows = std::min(most_tokens, x.rows - token);
    const std::size_t step = room / block.rows / bf16_column_step * bf16_column_step;
    for (std::size_t column = 0; column < w.columns; column += step) {
      const std::size_t columns = std::min<std::size_t>(step, w.columns - column);
      round_to_bf16(block, column, columns, rounded);
      multiply_rounded(w, rounded, block.rows, column, columns, out + token * out_stride, out_stride,
                       first_row, row_count);
    }
  }
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#endif  // LAMINA_LINEAR_MATMUL_BF16_INL_HPP_
