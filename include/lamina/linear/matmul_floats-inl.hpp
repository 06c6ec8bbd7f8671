// SPDX-License-Identifier: Apache-2.0
// Products with float32 activations: float weights, and every format under `Precision::exact`.
//
// The bits of an output element are fixed (architecture 11). Of every 512 columns of its row in turn, lane i
// of one vector adds up, by fma and in order, the products of columns i, i + lanes, i + 2 lanes …; the lanes
// are then summed in the order of `compat::StoreSums` and the sum is added to the element. Neither other rows
// nor other tokens take part.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_LINEAR_MATMUL_FLOATS_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LINEAR_MATMUL_FLOATS_INL_HPP_
#undef LAMINA_LINEAR_MATMUL_FLOATS_INL_HPP_
#else
#define LAMINA_LINEAR_MATMUL_FLOATS_INL_HPP_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/config.hpp>
#include <lamina/blocks/decode.hpp>
#include <lamina/linear/row_group-inl.hpp>
#include <lamina/linear/linear.hpp>
#include <lamina/simd/compat-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Rows and tokens of a register tile: 12 sums, three vectors of activations and one of weights are all 16
/// registers of AVX2, and 7 loads serve 12 products. Held there by `compat::pin`, without which GCC loads 16
/// times.
inline constexpr int float_tile_rows = 4;
inline constexpr int float_tile_tokens = 3;

/// Rows that are widened together for many tokens, and columns that a vector adds up. 12 * 512 weights, 24
/// KiB, and the tile's activations fit the first-level cache, so that the activations of all tokens come from
/// further away only once for 12 rows. BF16, 1536 columns, 512 tokens, one thread on AVX2 that can do 103
/// Gop/s, best of 60 runs on a busy machine: 78; 8 rows 78, 8 rows of 1024 columns 73, 4 rows of 1024 columns
/// 74, before the registers were held 52. Blocks of 64 or 128 tokens, which the second-level cache holds, and
/// prefetched activations gave no more.
inline constexpr std::uint32_t float_group_rows = 12;
inline constexpr std::size_t float_column_step = 512;
static_assert(float_group_rows * float_column_step * sizeof(float) <=
              matmul_scratch_bytes(0) - arena_alignment);

/// Loads one vector of weights of the float format `F`, widened; `at` may have any alignment.
template <Format F>
HWY_INLINE compat::VecF32 load_widened(const std::byte* at) noexcept {
  const compat::TagF32 df;
#if LAMINA_ONE_LANE
  return hn::Set(df, lamina::load_element<F>(at));
#else
  if constexpr (F == Format::f32) {
    return hn::LoadU(df, reinterpret_cast<const float*>(at));
  } else if constexpr (F == Format::f16) {
    const hn::Rebind<hwy::float16_t, compat::TagF32> d_half;
    return compat::WidenHalves(hn::LoadU(d_half, reinterpret_cast<const hwy::float16_t*>(at)));
  } else {
    const hn::Rebind<std::uint16_t, compat::TagF32> d16;
    const hn::Rebind<std::uint32_t, compat::TagF32> d32;
    const auto bits = hn::PromoteTo(d32, hn::LoadU(d16, reinterpret_cast<const std::uint16_t*>(at)));
    return hn::BitCast(df, hn::ShiftLeft<16>(bits));
  }
#endif
}

/// The lowest `count` < lanes32 weights, zeros above; reads nothing behind them.
template <Format F>
HWY_INLINE compat::VecF32 load_widened_part(const std::byte* at, std::size_t count) noexcept {
  HWY_ALIGN float lanes[compat::lanes32] = {};
  for (std::size_t i = 0; i < count; ++i) lanes[i] = lamina::load_element<F>(at + i * info_of(F).block_bytes);
  return hn::Load(compat::TagF32(), lanes);
}

/// Bytes from rows to those that are asked for, into the second-level cache, while they are multiplied with
/// few tokens: whole rows, never those of the same tile. The processor does not foresee where short rows go
/// on. GB/s of a Zen 4 core that reads 28 to 30, one token, before (the next tile, into the nearest cache) ->
/// now, F16 at 1536 columns, BF16 at 256, 1536 and 6144:
///
///   AVX-512 with BF16   12 -> 20   10 -> 18   15 -> 20   16 -> 23
///   AVX2                14 -> 21    8 -> 26   14 -> 23   16 -> 21
///
/// 4, 8 and 32 KiB are level or slower; asking in the order of the addresses is slower; one row after the
/// other reads 26 at 1536 columns, and 13 at 6144, whose activations then come from the second-level cache,
/// too.
[[nodiscard]] inline std::size_t bytes_to_next_rows(const WeightMatrix& w) noexcept {
  constexpr std::size_t least = 16384;
  const std::size_t row = w.bytes_per_row();
  return std::max<std::size_t>(float_tile_rows, (least + row - 1) / row) * row;
}

/// One segment of the columns of a few rows and tokens.
template <class Activation>
struct SegmentTile {
  const std::byte* rows[float_tile_rows];  ///< first weight of the segment in each row
  const Activation* x;                     ///< first activation of the segment
  std::size_t x_stride;
  std::size_t columns;
  std::size_t next_rows;  ///< see `bytes_to_next_rows`
};

/// At most `float_column_step` columns.
using FloatTile = SegmentTile<float>;

/// The products of a segment: sums [tokens, float_tile_rows]. `stored` weights come from memory, others from
/// the nearest cache.
template <Format F, int tokens, bool stored>
HWY_NOINLINE void multiply_segment(const FloatTile& tile, float* sums) noexcept {
  const compat::TagF32 df;
  constexpr std::size_t lanes = compat::lanes32;
  constexpr std::size_t element_bytes = info_of(F).block_bytes;
  compat::VecF32 sum[tokens][float_tile_rows];
  HWY_UNROLL(3)
  for (int t = 0; t < tokens; ++t) {
    HWY_UNROLL(4)
    for (int r = 0; r < float_tile_rows; ++r) sum[t][r] = hn::Zero(df);
  }
  std::size_t column = 0;
  for (; column + lanes <= tile.columns; column += lanes) {
    if (stored && column * element_bytes % 64 == 0) {
      HWY_UNROLL(4)
      for (int r = 0; r < float_tile_rows; ++r) {
        __builtin_prefetch(tile.rows[r] + tile.next_rows + column * element_bytes, 0, 2);
      }
    }
    compat::VecF32 x[tokens];
    HWY_UNROLL(3)
    for (int t = 0; t < tokens; ++t) {
      x[t] = hn::LoadU(df, tile.x + static_cast<std::size_t>(t) * tile.x_stride + column);
      compat::pin(x[t]);
    }
    HWY_UNROLL(4)
    for (int r = 0; r < float_tile_rows; ++r) {
      auto weights = load_widened<F>(tile.rows[r] + column * element_bytes);
      if (tokens > 1) compat::pin(weights);
      HWY_UNROLL(3)
      for (int t = 0; t < tokens; ++t) sum[t][r] = hn::MulAdd(weights, x[t], sum[t][r]);
    }
  }
  if (const std::size_t left = tile.columns - column; left > 0) {
    HWY_UNROLL(3)
    for (int t = 0; t < tokens; ++t) {
      const float* from = tile.x + static_cast<std::size_t>(t) * tile.x_stride + column;
      const auto x = load_widened_part<Format::f32>(reinterpret_cast<const std::byte*>(from), left);
      HWY_UNROLL(4)
      for (int r = 0; r < float_tile_rows; ++r) {
        sum[t][r] =
            hn::MulAdd(load_widened_part<F>(tile.rows[r] + column * element_bytes, left), x, sum[t][r]);
      }
    }
  }
  HWY_UNROLL(3)
  for (int t = 0; t < tokens; ++t)
    compat::StoreSums(df, sum[t][0], sum[t][1], sum[t][2], sum[t][3], sums + t * float_tile_rows);
}

/// Tokens up to which 16-bit weights are widened again for every tile of tokens: less work than a pass of its
/// own.
inline constexpr std::uint32_t most_tokens_on_the_fly = 16;

using MultiplySegment = void (*)(const FloatTile&, float*) noexcept;

/// The kernel for 1 .. `float_tile_tokens` tokens.
template <Format F, bool stored>
[[nodiscard]] HWY_INLINE MultiplySegment multiply_segment_of(std::uint32_t tokens) noexcept {
  static_assert(float_tile_tokens == 3);
  return tokens == 1   ? &multiply_segment<F, 1, stored>
         : tokens == 2 ? &multiply_segment<F, 2, stored>
                       : &multiply_segment<F, 3, stored>;
}

/// Widens `count` weights of the float format `F`.
template <Format F>
HWY_INLINE void widen_row(const std::byte* from, std::size_t count, float* to) noexcept {
  constexpr std::size_t lanes = compat::lanes32;
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    hn::StoreU(load_widened<F>(from + i * info_of(F).block_bytes), compat::TagF32(), to + i);
  for (; i < count; ++i) to[i] = lamina::load_element<F>(from + i * info_of(F).block_bytes);
}

/// Widens columns first .. first + count of a row of any format.
inline void widen_columns(const WeightMatrix& w, std::size_t row, std::size_t first, std::size_t count,
                          float* to) noexcept {
  const auto from = [&] { return w.row(row) + lamina::row_bytes(w.format, first); };
  if (w.format == Format::bf16) return widen_row<built_in_or_f32<Format::bf16>>(from(), count, to);
  if (w.format == Format::f16) return widen_row<built_in_or_f32<Format::f16>>(from(), count, to);
  if (w.format == Format::f32) return widen_row<Format::f32>(from(), count, to);
  decode_columns(w, interleave_height, row, first, count, to);
}

/// Adds the sums of a tile's row of outputs, or stores them if they are the `first`: y [valid].
HWY_INLINE void add_tile_sums(const float* sums, bool first, std::uint32_t valid, float* y) noexcept {
  const hn::CappedTag<float, float_tile_rows> d;
  if (valid < float_tile_rows) {
    for (std::uint32_t r = 0; r < valid; ++r) y[r] = first ? sums[r] : y[r] + sums[r];
    return;
  }
  for (std::size_t r = 0; r < float_tile_rows; r += hn::Lanes(d)) {
    const auto sum = hn::LoadU(d, sums + r);
    hn::StoreU(first ? sum : hn::Add(hn::LoadU(d, y + r), sum), d, y + r);
  }
}

/// Multiplies one segment, from `column`, of rows first_row .. first_row + rows with all tokens.
///
/// Requires  rows <= float_group_rows; without memory for `widened` weights, a float format
inline void multiply_group(const WeightMatrix& w, const ActivationRows& x, float* out, std::size_t out_stride,
                           std::size_t first_row, std::uint32_t rows, std::size_t column,
                           float* widened) noexcept {
  FloatTile tile{};
  tile.columns = std::min<std::size_t>(float_column_step, w.columns - column);
  tile.x_stride = x.stride;
  tile.next_rows = bytes_to_next_rows(w);
  const std::byte* weights[float_group_rows];
  for (std::uint32_t r = 0; r < rows; ++r) {
    if (widened == nullptr) {
      weights[r] = w.row(first_row + r) + lamina::row_bytes(w.format, column);
    } else {
      float* to = widened + r * float_column_step;
      widen_columns(w, first_row + r, column, tile.columns, to);
      weights[r] = reinterpret_cast<const std::byte*>(to);
    }
  }
  for (std::uint32_t token = 0; token < x.rows; token += float_tile_tokens) {
    const std::uint32_t tokens = std::min<std::uint32_t>(float_tile_tokens, x.rows - token);
    const MultiplySegment multiply =
        widened != nullptr        ? multiply_segment_of<Format::f32, false>(tokens)
        : w.format == Format::f32 ? multiply_segment_of<Format::f32, true>(tokens)
        : w.format == Format::f16 ? multiply_segment_of<built_in_or_f32<Format::f16>, true>(tokens)
                                  : multiply_segment_of<built_in_or_f32<Format::bf16>, true>(tokens);
    tile.x = x.values + token * x.stride + column;
    for (std::uint32_t row = 0; row < rows; row += float_tile_rows) {
      const std::uint32_t valid = std::min<std::uint32_t>(float_tile_rows, rows - row);
      // Rows past the range repeat its last one; their results are dropped.
      for (std::uint32_t r = 0; r < float_tile_rows; ++r)
        tile.rows[r] = weights[row + std::min(r, valid - 1)];
      float sums[float_tile_tokens * float_tile_rows];
      multiply(tile, sums);
      for (std::uint32_t t = 0; t < tokens; ++t) {
        add_tile_sums(sums + t * float_tile_rows, column == 0, valid,
                      out + (token + t) * out_stride + first_row + row);
      }
    }
  }
}

/// Products of any format with float32 activations; see `LinearKernels::matmul`.
///
/// Float weights of few tokens are widened on the fly. Otherwise a group of rows is widened once and stays in
/// the first-level cache while all tokens pass by.
inline void matmul_floats(const WeightMatrix& w, const ActivationRows& x, float* out, std::size_t out_stride,
                          std::uint32_t first_row, std::uint32_t row_count,
                          std::span<std::byte> scratch) noexcept {
  LAMINA_DCHECK(x.values != nullptr && scratch.size() >= matmul_scratch_bytes(x.rows));
  const bool on_the_fly = is_float(w.format) && x.rows <= most_tokens_on_the_fly;
  float* widened = on_the_fly ? nullptr : reinterpret_cast<float*>(aligned_scratch(scratch));
  const std::uint32_t group = on_the_fly ? float_tile_rows : float_group_rows;
  for (std::uint32_t row = 0; row < row_count; row += group) {
    for (std::size_t column = 0; column < w.columns; column += float_column_step) {
      multiply_group(w, x, out, out_stride, std::size_t{first_row} + row, std::min(group, row_count - row),
                     column, widened);
    }
  }
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_LINEAR_MATMUL_FLOATS_INL_HPP_
