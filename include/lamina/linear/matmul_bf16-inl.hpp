// SPDX-License-Identifier: Apache-2.0
// Products of BF16 weights, and of F16 weights rounded to bf16, with activations rounded to bf16, where the
// target multiplies these natively.
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

/// Tokens of a register tile: 24 sums and four vectors of weights in 32 registers, activations from memory.
/// 3 tokens, and 8 rows by 3 tokens, are 0.9 and 0.8 of its speed.
inline constexpr int bf16_tile_tokens = 6;

/// Weights that stay in the second-level cache while all tokens pass by, and tokens of which a segment does.
inline constexpr std::size_t bf16_cached_bytes = std::size_t{1} << 19;
inline constexpr std::uint32_t bf16_token_step = 96;

/// Tokens up to which rows pass by all of them at once, as a stream.
inline constexpr std::uint32_t most_bf16_few_tokens = 16;

/// Weights of a tile that are rounded once for many tokens.
inline constexpr std::size_t bf16_panel_numbers = float_tile_rows * bf16_column_step;

static_assert(bf16_column_step % bf16_lanes == 0 &&
              (bf16_panel_numbers + bf16_column_step * bf16_tile_tokens) * sizeof(std::uint16_t) <=
                  matmul_scratch_bytes(0) - arena_alignment);

/// At most `bf16_column_step` columns; activations are zeros up to a multiple of `bf16_lanes`.
using Bf16Tile = SegmentTile<std::uint16_t>;

/// Loads `bf16_lanes` weights; those of F16 are rounded.
template <Format F>
HWY_INLINE compat::VecI32 load_bf16(const std::byte* from) noexcept {
  if constexpr (F == Format::bf16) {
    return hn::LoadU(compat::TagI32(), reinterpret_cast<const std::int32_t*>(from));
  } else {
    constexpr std::size_t half = compat::lanes32 * info_of(F).block_bytes;
    return compat::RoundToBf16(load_widened<F>(from), load_widened<F>(from + half));
  }
}

/// The lowest `count` < bf16_lanes weights, zeros above; reads nothing behind them.
template <Format F>
HWY_INLINE compat::VecI32 load_bf16_part(const std::byte* from, std::size_t count) noexcept {
  HWY_ALIGN std::byte numbers[bf16_lanes * sizeof(std::uint16_t)] = {};
  std::memcpy(numbers, from, count * sizeof(std::uint16_t));
  return load_bf16<F>(numbers);
}

/// The products of a segment: sums [tokens, float_tile_rows]. `stored` weights come from memory, others from
/// the nearest cache.
template <Format F, int tokens, bool stored>
HWY_NOINLINE void multiply_bf16_segment(const Bf16Tile& tile, float* sums) noexcept {
  const compat::TagF32 df;
  const compat::TagI32 di;
  compat::VecF32 sum[tokens][float_tile_rows];
  HWY_UNROLL(6)
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
      if constexpr (stored) __builtin_prefetch(from + tile.next_rows, 0, 2);
      weights[r] = load_bf16<F>(from);
    }
    HWY_UNROLL(6)
    for (int t = 0; t < tokens; ++t) {
      const auto x = activations(t, column);
      HWY_UNROLL(4)
      for (int r = 0; r < float_tile_rows; ++r) sum[t][r] = compat::AddBf16Products(sum[t][r], weights[r], x);
    }
  }
  if (const std::size_t left = tile.columns - column; left > 0) {
    HWY_UNROLL(4)
    for (int r = 0; r < float_tile_rows; ++r) {
      const auto weights = load_bf16_part<F>(tile.rows[r] + column * sizeof(std::uint16_t), left);
      HWY_UNROLL(6)
      for (int t = 0; t < tokens; ++t)
        sum[t][r] = compat::AddBf16Products(sum[t][r], weights, activations(t, column));
    }
  }
  HWY_UNROLL(6)
  for (int t = 0; t < tokens; ++t)
    compat::StoreSums(df, sum[t][0], sum[t][1], sum[t][2], sum[t][3], sums + t * float_tile_rows);
}

/// Rounds rows of activations to bf16; see `LinearKernels::round_rows`.
inline void round_rows(const float* values, std::size_t stride, std::uint32_t columns, std::uint32_t rows,
                       std::uint16_t* to) noexcept {
  const std::size_t width = rounded_row_numbers(columns);
  for (std::size_t row = 0; row < rows; ++row, to += width) {
    to_bf16(values + row * stride, to, columns);
    std::fill(to + columns, to + width, std::uint16_t{0});
  }
}

/// A segment of rounded activations: column 0 .. columns of `tokens` rows.
struct RoundedRows {
  const std::uint16_t* values;
  std::size_t stride;
  std::uint32_t tokens;
};

/// Rounds a tile's F16 weights into `panel`, asks for the next ones meanwhile, and lets the tile read them
/// there.
template <Format F>
HWY_NOINLINE void round_weights(Bf16Tile& tile, std::uint16_t* panel) noexcept {
  const compat::TagI32 di;
  for (const std::byte*& row : tile.rows) {
    std::size_t column = 0;
    for (; column + bf16_lanes <= tile.columns; column += bf16_lanes) {
      const std::byte* from = row + column * sizeof(std::uint16_t);
      __builtin_prefetch(from + tile.next_rows, 0, 2);
      hn::StoreU(load_bf16<F>(from), di, reinterpret_cast<std::int32_t*>(panel + column));
    }
    if (const std::size_t left = tile.columns - column; left > 0) {
      hn::StoreU(load_bf16_part<F>(row + column * sizeof(std::uint16_t), left), di,
                 reinterpret_cast<std::int32_t*>(panel + column));
    }
    row = reinterpret_cast<const std::byte*>(panel);
    panel += bf16_column_step;
  }
}

using MultiplyBf16Segment = void (*)(const Bf16Tile&, float*) noexcept;

/// The kernel for 1 .. `bf16_tile_tokens` tokens.
template <Format F, bool stored>
[[nodiscard]] inline MultiplyBf16Segment multiply_bf16_segment_of(std::uint32_t tokens) noexcept {
  static_assert(bf16_tile_tokens == 6);
  constexpr MultiplyBf16Segment kernels[] = {
      &multiply_bf16_segment<F, 1, stored>, &multiply_bf16_segment<F, 2, stored>,
      &multiply_bf16_segment<F, 3, stored>, &multiply_bf16_segment<F, 4, stored>,
      &multiply_bf16_segment<F, 5, stored>, &multiply_bf16_segment<F, 6, stored>};
  return kernels[tokens - 1];
}

/// Multiplies columns first_column .. first_column + columns of the rows with tokens.
///
/// BF16 weights are read where they lie, by every tile: copied to whole cache lines first (files place them
/// anywhere), 8 tokens take 2.4 times as long on Zen 4, 16 tokens 1.7, 96 tokens 1.15 and 512 tokens 1.08
/// times. F16 weights of more than a tile are rounded into `panel`, of `bf16_panel_numbers`.
template <Format F>
void multiply_rounded(const WeightMatrix& w, const RoundedRows& x, std::size_t first_column,
                      std::size_t columns, float* out, std::size_t out_stride, std::size_t first_row,
                      std::uint32_t row_count, std::uint16_t* panel) noexcept {
  const bool has_panel = F != Format::bf16 && x.tokens > bf16_tile_tokens;
  Bf16Tile tile{};
  tile.x_stride = x.stride;
  tile.next_rows = bytes_to_next_rows(w);
  for (std::uint32_t row = 0; row < row_count; row += float_tile_rows) {
    const std::uint32_t valid = std::min<std::uint32_t>(float_tile_rows, row_count - row);
    for (std::size_t column = 0; column < columns; column += bf16_column_step) {
      tile.columns = std::min(bf16_column_step, columns - column);
      // Rows past the range repeat its last one; their results are dropped.
      for (std::uint32_t r = 0; r < float_tile_rows; ++r) {
        tile.rows[r] = w.row(first_row + row + std::min(r, valid - 1)) +
                       lamina::row_bytes(w.format, first_column + column);
      }
      if (has_panel) round_weights<F>(tile, panel);
      for (std::uint32_t token = 0; token < x.tokens; token += bf16_tile_tokens) {
        const std::uint32_t tokens = std::min<std::uint32_t>(bf16_tile_tokens, x.tokens - token);
        tile.x = x.values + token * x.stride + column;
        float sums[bf16_tile_tokens * float_tile_rows];
        const bool is_near = has_panel || token > 0;
        (is_near ? multiply_bf16_segment_of<Format::bf16, false>(tokens)
                 : multiply_bf16_segment_of<F, true>(tokens))(tile, sums);
        for (std::uint32_t t = 0; t < tokens; ++t) {
          add_tile_sums(sums + t * float_tile_rows, first_column + column == 0, valid,
                        out + (token + t) * out_stride + first_row + row);
        }
      }
    }
  }
}

/// Products of weights of format `F` with activations rounded to bf16.
///
/// Rows whose weights fit the second-level cache pass by all tokens, a block of tokens at a time. Activations
/// that nobody has rounded yet are rounded for each, as many as fit into the scratch memory.
template <Format F>
void matmul_rounded(const WeightMatrix& w, const ActivationRows& x, float* out, std::size_t out_stride,
                    std::uint32_t first_row, std::uint32_t row_count, std::span<std::byte> scratch) noexcept {
  LAMINA_DCHECK(w.format == F && x.values != nullptr && scratch.size() >= matmul_scratch_bytes(x.rows));
  auto* panel = reinterpret_cast<std::uint16_t*>(aligned_scratch(scratch));
  std::uint16_t* rounded = panel + bf16_panel_numbers;
  const std::size_t room = (scratch.size() - arena_alignment) / sizeof(std::uint16_t) - bf16_panel_numbers;
  const std::uint32_t most_tokens =
      x.rounded != nullptr ? bf16_token_step
                           : std::max(1U, static_cast<std::uint32_t>(room / bf16_column_step /
                                                                     bf16_tile_tokens * bf16_tile_tokens));
  const std::size_t width = rounded_row_numbers(w.columns);
  if (x.rounded != nullptr && x.rows <= most_bf16_few_tokens) {
    return multiply_rounded<F>(w, {x.rounded, width, x.rows}, 0, w.columns, out, out_stride, first_row,
                               row_count, panel);
  }
  const std::size_t cached = bf16_cached_bytes / (w.bytes_per_row() * float_tile_rows) + 1;
  const auto row_step = static_cast<std::uint32_t>(cached * float_tile_rows);
  for (std::uint32_t row = 0; row < row_count; row += row_step) {
    const std::uint32_t rows = std::min(row_step, row_count - row);
    for (std::uint32_t token = 0; token < x.rows; token += most_tokens) {
      const std::uint32_t tokens = std::min(most_tokens, x.rows - token);
      for (std::size_t column = 0; column < w.columns; column += bf16_column_step) {
        const std::size_t columns = std::min<std::size_t>(bf16_column_step, w.columns - column);
        RoundedRows segment{rounded, rounded_row_numbers(columns), tokens};
        if (x.rounded != nullptr) {
          segment = {x.rounded + token * width + column, width, tokens};
        } else {
          round_rows(x.values + token * x.stride + column, x.stride, static_cast<std::uint32_t>(columns),
                     tokens, rounded);
        }
        multiply_rounded<F>(w, segment, column, columns, out + token * out_stride, out_stride,
                            first_row + row, rows, panel);
      }
    }
  }
}

/// Products of BF16 or F16 weights with activations rounded to bf16; see `LinearKernels::matmul`.
inline void matmul_bf16(const WeightMatrix& w, const ActivationRows& x, float* out, std::size_t out_stride,
                        std::uint32_t first_row, std::uint32_t row_count,
                        std::span<std::byte> scratch) noexcept {
  constexpr Format f16 = is_built_in(Format::f16) ? Format::f16 : Format::bf16;
  (w.format == Format::f16 ? matmul_rounded<f16> : matmul_rounded<Format::bf16>)(w, x, out, out_stride,
                                                                                 first_row, row_count,
                                                                                 scratch);
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#endif  // LAMINA_LINEAR_MATMUL_BF16_INL_HPP_
