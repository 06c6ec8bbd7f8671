// SPDX-License-Identifier: Apache-2.0
// Products with float32 activations: float weights, and every format under `Precision::exact`.
//
// The bits of an output element are fixed (architecture 11). Of every 1024 columns of its row in turn, lane i
// of one vector adds up, by fma and in order, the products of columns i, i + lanes, i + 2 lanes …; the lanes
// are then summed in the target's order and the sum is added to the element. Neither other rows nor other
// tokens take part.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_KERNELS_MATMUL_FLOATS_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_MATMUL_FLOATS_INL_HPP_
#undef LAMINA_KERNELS_MATMUL_FLOATS_INL_HPP_
#else
#define LAMINA_KERNELS_MATMUL_FLOATS_INL_HPP_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/config.hpp>
#include <lamina/formats/decode.hpp>
#include <lamina/kernels/interleave-inl.hpp>
#include <lamina/kernels/linear.hpp>
#include <lamina/simd/compat-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Rows and tokens of a register tile: 12 sums, and 7 loads for 12 products.
inline constexpr int float_tile_rows = 4;
inline constexpr int float_tile_tokens = 3;
static_assert(std::size_t{float_tile_rows} * matmul_column_step * sizeof(float) <=
              matmul_scratch_bytes(0) - arena_alignment);

/// Loads one vector of weights of the float format `F`, widened; `at` may have any alignment.
template <Format F>
HWY_INLINE compat::VecF32 load_widened(const std::byte* at) noexcept {
  const compat::TagF32 df;
#if LAMINA_ONE_LANE
  return hn::Set(df, lamina::detail::load_element<F>(at));
#else
  if constexpr (F == Format::f32) {
    return hn::LoadU(df, reinterpret_cast<const float*>(at));
  } else if constexpr (F == Format::f16) {
    const hn::Rebind<hwy::float16_t, compat::TagF32> d_half;
    return hn::PromoteTo(df, hn::LoadU(d_half, reinterpret_cast<const hwy::float16_t*>(at)));
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
  for (std::size_t i = 0; i < count; ++i)
    lanes[i] = lamina::detail::load_element<F>(at + i * info_of(F).block_bytes);
  return hn::Load(compat::TagF32(), lanes);
}

/// One segment of at most 1024 columns of a few rows and tokens.
struct FloatTile {
  const std::byte* rows[float_tile_rows];  ///< first weight of the segment in each row
  const float* x;                          ///< first activation of the segment
  std::size_t x_stride;
  std::size_t columns;
  std::size_t next_rows;  ///< bytes from a row to the one that is multiplied after it
};

/// The products of a segment: sums [tokens, float_tile_rows].
template <Format F, int tokens>
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
    // Few tokens wait for memory. The processor does not foresee where short rows go on: BF16, 1536 columns,
    // one thread on AVX2: 0.7 of the read bandwidth, with this 1.1 of it.
    if (tokens == 1 && column * element_bytes % 64 == 0) {
      HWY_UNROLL(4)
      for (int r = 0; r < float_tile_rows; ++r) {
        __builtin_prefetch(tile.rows[r] + tile.next_rows + column * element_bytes, 0, 3);
      }
    }
    compat::VecF32 weights[float_tile_rows];
    HWY_UNROLL(4)
    for (int r = 0; r < float_tile_rows; ++r)
      weights[r] = load_widened<F>(tile.rows[r] + column * element_bytes);
    HWY_UNROLL(3)
    for (int t = 0; t < tokens; ++t) {
      const auto x = hn::LoadU(df, tile.x + static_cast<std::size_t>(t) * tile.x_stride + column);
      HWY_UNROLL(4)
      for (int r = 0; r < float_tile_rows; ++r) sum[t][r] = hn::MulAdd(weights[r], x, sum[t][r]);
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
  for (int t = 0; t < tokens; ++t) {
    for (int r = 0; r < float_tile_rows; ++r)
      sums[t * float_tile_rows + r] = compat::ReduceSum(df, sum[t][r]);
  }
}

/// Tokens up to which 16-bit weights are widened again for every tile of tokens: less work than a pass of its
/// own.
inline constexpr std::uint32_t most_tokens_on_the_fly = 16;

using MultiplySegment = void (*)(const FloatTile&, float*) noexcept;

/// The kernel for 1 .. `float_tile_tokens` tokens.
template <Format F>
[[nodiscard]] HWY_INLINE MultiplySegment multiply_segment_of(std::uint32_t tokens) noexcept {
  static_assert(float_tile_tokens == 3);
  return tokens == 1   ? &multiply_segment<F, 1>
         : tokens == 2 ? &multiply_segment<F, 2>
                       : &multiply_segment<F, 3>;
}

/// Products of any format with float32 activations; see `LinearKernels::matmul`.
///
/// Float weights of few tokens are widened on the fly. Otherwise four rows are widened once, 16 KiB that stay
/// in the first-level cache while all tokens pass by.
inline void matmul_floats(const WeightMatrix& w, const ActivationRows& x, float* out, std::size_t out_stride,
                          std::uint32_t first_row, std::uint32_t row_count,
                          std::span<std::byte> scratch) noexcept {
  LAMINA_DCHECK(x.values != nullptr && scratch.size() >= matmul_scratch_bytes(x.rows));
  const bool on_the_fly = w.format == Format::f32 || (is_float(w.format) && x.rows <= most_tokens_on_the_fly);
  const std::size_t row_bytes = w.bytes_per_row();
  const auto misalignment = reinterpret_cast<std::uintptr_t>(scratch.data()) % arena_alignment;
  auto* widened =
      reinterpret_cast<float*>(scratch.data() + (arena_alignment - misalignment) % arena_alignment);

  for (std::uint32_t row = 0; row < row_count; row += float_tile_rows) {
    const std::uint32_t valid = std::min<std::uint32_t>(float_tile_rows, row_count - row);
    for (std::size_t column = 0; column < w.columns; column += matmul_column_step) {
      FloatTile tile{};
      tile.columns = std::min<std::size_t>(matmul_column_step, w.columns - column);
      tile.x_stride = x.stride;
      tile.next_rows = float_tile_rows * row_bytes;
      for (std::uint32_t r = 0; r < float_tile_rows; ++r) {
        // Rows past the range repeat its last one; their results are dropped.
        const std::uint32_t wanted = std::min(r, valid - 1);
        const std::size_t index = std::size_t{first_row} + row + wanted;
        if (on_the_fly) {
          tile.rows[r] = w.row(index) + lamina::row_bytes(w.format, column);
        } else {
          float* to = widened + wanted * matmul_column_step;
          if (r == wanted) decode_columns(w, interleave_height, index, column, tile.columns, to);
          tile.rows[r] = reinterpret_cast<const std::byte*>(to);
        }
      }
      for (std::uint32_t token = 0; token < x.rows; token += float_tile_tokens) {
        const std::uint32_t tokens = std::min<std::uint32_t>(float_tile_tokens, x.rows - token);
        tile.x = x.values + token * x.stride + column;
        float sums[float_tile_tokens * float_tile_rows];
        const MultiplySegment multiply =
            !on_the_fly || w.format == Format::f32 ? multiply_segment_of<Format::f32>(tokens)
            : w.format == Format::f16              ? multiply_segment_of<Format::f16>(tokens)
                                                   : multiply_segment_of<Format::bf16>(tokens);
        multiply(tile, sums);
        for (std::uint32_t t = 0; t < tokens; ++t) {
          float* y = out + (token + t) * out_stride + first_row + row;
          for (std::uint32_t r = 0; r < valid; ++r)
            y[r] = column == 0 ? sums[t * float_tile_rows + r] : y[r] + sums[t * float_tile_rows + r];
        }
      }
    }
  }
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_MATMUL_FLOATS_INL_HPP_
