// SPDX-License-Identifier: Apache-2.0
// Products of integer weights with int8 activations: panels of unpacked rows that all tokens pass by.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_KERNELS_MATMUL_CODES_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_MATMUL_CODES_INL_HPP_
#undef LAMINA_KERNELS_MATMUL_CODES_INL_HPP_
#else
#define LAMINA_KERNELS_MATMUL_CODES_INL_HPP_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <lamina/core/config.hpp>
#include <lamina/kernels/code_products-inl.hpp>
#include <lamina/kernels/linear.hpp>
#include <lamina/kernels/matvec_codes-inl.hpp>
#include <lamina/kernels/row_group-inl.hpp>
#include <lamina/kernels/unpack_k-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Tokens that a panel is multiplied with at a time. With two vectors of rows that makes 8 sums in registers,
/// enough to hide the latency of a product, at 6 loads for 8 products.
inline constexpr int tile_tokens = 4;

/// One token's block of 32.
struct TokenBlock {
  const std::int8_t* codes;
  const ActivationBlock* block;
};

/// The exact integer sums of one block, or of half `half` of it.
template <CodeClass shape, int tokens, int half>
HWY_INLINE void sum_products(compat::VecI32 (&sums)[tokens][panel_vectors], const std::uint32_t* w,
                             const TokenBlock (&x)[tokens]) noexcept {
  constexpr int quads = half >= 0 ? block_quads / 2 : block_quads;
  constexpr int first = half == 1 ? quads : 0;
  const compat::TagI32 d;
  compat::ByteSums partial[tokens][panel_vectors];
  HWY_UNROLL(8)
  for (int quad = 0; quad < quads; ++quad) {
    compat::VecI32 weights[panel_vectors];
    HWY_UNROLL(2)
    for (int v = 0; v < panel_vectors; ++v) {
      const std::uint32_t* from = w + (v * block_quads + first + quad) * compat::lanes32;
      weights[v] = hn::Load(d, reinterpret_cast<const std::int32_t*>(from));
      compat::pin(weights[v]);
    }
    HWY_UNROLL(4)
    for (int t = 0; t < tokens; ++t) {
      const auto activations = hn::Set(d, four_codes(x[t].codes, first + quad));
      const std::int32_t start = initial_sum<shape>(*x[t].block, half);
      HWY_UNROLL(2)
      for (int v = 0; v < panel_vectors; ++v) {
        compat::add_byte_products<shape.range>(sums[t][v], partial[t][v], weights[v], activations, start,
                                               quad, quads);
      }
    }
  }
}

/// Multiplies `blocks` blocks of a panel with `tokens` tokens, adding to y [tokens, panel_rows] with
/// `y_stride`.
template <CodeClass shape, int tokens>
HWY_NOINLINE void multiply_tile(Panel panel, std::size_t blocks, CodeTile x, float* y,
                                std::size_t y_stride) noexcept {
  const compat::TagF32 df;
  constexpr int lanes = compat::lanes32;
  constexpr int scales_per_block = shape.scales_per_block();
  const auto place = [=](int t, int v)
                         HWY_ATTR { return y + static_cast<std::size_t>(t) * y_stride + v * lanes; };
  compat::VecF32 result[tokens][panel_vectors];
  TokenBlock at[tokens];
  HWY_UNROLL(4)
  for (int t = 0; t < tokens; ++t) {
    const auto row = static_cast<std::size_t>(t);
    at[t] = {x.codes + row * x.codes_stride, x.blocks + row * x.blocks_stride};
    HWY_UNROLL(2)
    for (int v = 0; v < panel_vectors; ++v) result[t][v] = hn::LoadU(df, place(t, v));
  }
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::uint32_t* w = panel.codes + b * panel_block_words;
    const float* scales = panel.scales + b * static_cast<std::size_t>(scales_per_block * panel_rows);
    compat::VecI32 sums[tokens][panel_vectors];
    compat::VecI32 second_sums[tokens][panel_vectors];
    if constexpr (shape.halves) {
      sum_products<shape, tokens, 0>(sums, w, at);
      sum_products<shape, tokens, 1>(second_sums, w, at);
    } else {
      sum_products<shape, tokens, -1>(sums, w, at);
    }
    HWY_UNROLL(4)
    for (int t = 0; t < tokens; ++t) {
      HWY_UNROLL(2)
      for (int v = 0; v < panel_vectors; ++v) {
        result[t][v] = add_block<shape>(result[t][v], sums[t][v], second_sums[t][v],
                                        scales + v * scales_per_block * lanes, *at[t].block);
      }
      at[t].codes += code_block_elements;
      ++at[t].block;
    }
  }
  HWY_UNROLL(4)
  for (int t = 0; t < tokens; ++t) {
    HWY_UNROLL(2)
    for (int v = 0; v < panel_vectors; ++v) hn::StoreU(result[t][v], df, place(t, v));
  }
}

/// Multiplies a panel with `tokens` tokens, at most `tile_tokens`.
template <CodeClass shape>
void multiply_tokens(std::uint32_t tokens, const Panel& panel, std::size_t blocks, const CodeTile& x,
                     float* y, std::size_t y_stride) noexcept {
  static_assert(tile_tokens == 4);
  switch (tokens) {
    case 1:
      return multiply_tile<shape, 1>(panel, blocks, x, y, y_stride);
    case 2:
      return multiply_tile<shape, 2>(panel, blocks, x, y, y_stride);
    case 3:
      return multiply_tile<shape, 3>(panel, blocks, x, y, y_stride);
    default:
      return multiply_tile<shape, 4>(panel, blocks, x, y, y_stride);
  }
}

using MultiplyTokens = void (*)(std::uint32_t, const Panel&, std::size_t, const CodeTile&, float*,
                                std::size_t) noexcept;

/// The kernel of a format's class: the only classes there are.
[[nodiscard]] inline MultiplyTokens multiply_tokens_of(CodeClass shape) noexcept {
  using compat::CodeRange;
  const auto in_range = [shape](CodeRange range) { return shape.range == range; };
  if (shape.halves && shape.offsets) return &multiply_tokens<CodeClass{true, true, CodeRange::six_bits}>;
  if (shape.halves) {
    return in_range(CodeRange::full) ? &multiply_tokens<CodeClass{true, false, CodeRange::full}>
                                     : &multiply_tokens<CodeClass{true, false, CodeRange::six_bits}>;
  }
  if (shape.offsets) {
    return in_range(CodeRange::nibble) ? &multiply_tokens<CodeClass{false, true, CodeRange::nibble}>
                                       : &multiply_tokens<CodeClass{false, true, CodeRange::six_bits}>;
  }
  return in_range(CodeRange::nibble) ? &multiply_tokens<CodeClass{false, false, CodeRange::nibble}>
                                     : &multiply_tokens<CodeClass{false, false, CodeRange::full}>;
}

/// Unpacks `columns` columns of a group, from `column` on.
inline void unpack_group(const RowGroup& group, std::size_t column, std::size_t columns,
                         const Panel& panel) noexcept {
  const Format format = group.matrix.format;
  for (int v = 0; v < panel_vectors; ++v) {
#if !LAMINA_ONE_LANE
    if (group.matrix.packing == Packing::interleaved) {
      unpack_vectors(format, interleaved_at(group, column, v), columns / code_block_elements, panel, v);
      continue;
    }
#endif
    RowPointers rows;
    point_at_rows(group, column, v, rows);
    unpack_rows(format, rows, columns / code_block_elements, panel, v);
  }
}

/// Asks for columns `column` .. `column + columns` of `total` of the group that follows, into the
/// second-level cache.
///
/// The processor's own prefetcher loses track of 16 rows at a time: Q4_0, 1536 columns, one thread of a busy
/// AVX2 machine: 5.0 GB/s without this and 7.3 GB/s with it; Q6_K 4.9 and 6.8.
HWY_INLINE void prefetch_next_group(const RowGroup& group, std::size_t column, std::size_t columns,
                                    std::size_t total) noexcept {
  constexpr std::size_t line = 64;
  const std::byte* next = group.end();
  const auto bytes = static_cast<std::size_t>(next - group.begin());
  const std::size_t end = bytes * (column + columns) / total;
  for (std::size_t at = bytes * column / total / line * line; at < end; at += line) {
    __builtin_prefetch(next + at, 0, 2);
  }
}

/// Multiplies a panel with a tile of tokens for the `rows` < `panel_rows` rows at `y`; nothing behind them is
/// touched.
inline void multiply_partial(MultiplyTokens multiply, std::uint32_t tokens, const Panel& panel,
                             std::size_t blocks, const CodeTile& tile, std::uint32_t rows, float* y,
                             std::size_t y_stride) noexcept {
  float part[tile_tokens * panel_rows] = {};
  for (std::uint32_t t = 0; t < tokens; ++t)
    std::memcpy(part + t * panel_rows, y + t * y_stride, rows * sizeof(float));
  multiply(tokens, panel, blocks, tile, part, panel_rows);
  for (std::uint32_t t = 0; t < tokens; ++t)
    std::memcpy(y + t * y_stride, part + t * panel_rows, rows * sizeof(float));
}

/// Multiplies a group of rows with all tokens of `x`: y [x.rows, group.rows] with `y_stride`. 16 KiB of codes
/// at a time (256 columns for one token), so that they stay in the first-level cache while all tokens pass
/// by.
inline void multiply_panels(const RowGroup& group, const ActivationRows& x, const Panel& panel, float* y,
                            std::size_t y_stride) noexcept {
  const WeightMatrix& w = group.matrix;
  const MultiplyTokens multiply = multiply_tokens_of(code_class(w.format));
  constexpr std::size_t nearest_cache_half = 16384;
  const std::size_t step =
      x.rows == 1 ? 256 : std::min<std::size_t>(matmul_column_step, nearest_cache_half / panel_rows);
  const std::size_t row_blocks = w.columns / code_block_elements;
  for (std::size_t t = 0; t < x.rows; ++t) std::memset(y + t * y_stride, 0, group.rows * sizeof(float));
  for (std::size_t column = 0; column < w.columns; column += step) {
    const std::size_t columns = std::min<std::size_t>(step, w.columns - column);
    const std::size_t blocks = columns / code_block_elements;
    prefetch_next_group(group, column, columns, w.columns);
    unpack_group(group, column, columns, panel);
    for (std::uint32_t token = 0; token < x.rows; token += tile_tokens) {
      const std::uint32_t tokens = std::min<std::uint32_t>(tile_tokens, x.rows - token);
      const std::size_t first_block = token * row_blocks + column / code_block_elements;
      const CodeTile tile{x.codes + token * std::size_t{w.columns} + column, x.blocks + first_block,
                          w.columns, row_blocks};
      float* tile_y = y + token * y_stride;
      if (group.rows == panel_rows) {
        multiply(tokens, panel, blocks, tile, tile_y, y_stride);
      } else {
        multiply_partial(multiply, tokens, panel, blocks, tile, group.rows, tile_y, y_stride);
      }
    }
  }
}

/// Products of an integer format with quantised activations; see `LinearKernels::matmul`.
inline void matmul_codes(const WeightMatrix& w, const ActivationRows& x, float* out, std::size_t out_stride,
                         std::uint32_t first_row, std::uint32_t row_count,
                         std::span<std::byte> scratch) noexcept {
  LAMINA_DCHECK(x.codes != nullptr && scratch.size() >= matmul_scratch_bytes(w.columns));
  const auto misalignment = reinterpret_cast<std::uintptr_t>(scratch.data()) % arena_alignment;
  std::byte* memory = scratch.data() + (arena_alignment - misalignment) % arena_alignment;
  const Panel panel{reinterpret_cast<std::uint32_t*>(memory),
                    reinterpret_cast<float*>(memory + std::size_t{panel_rows} * matmul_column_step)};
  for (std::uint32_t done = 0; done < row_count; done += panel_rows) {
    const RowGroup group{w, first_row + done, std::min<std::uint32_t>(panel_rows, row_count - done)};
    float* y = out + first_row + done;
#if !LAMINA_ONE_LANE
    if (x.rows == 1 && multiply_single(group, x, panel, y)) continue;
#endif
    multiply_panels(group, x, panel, y, out_stride);
  }
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_MATMUL_CODES_INL_HPP_
