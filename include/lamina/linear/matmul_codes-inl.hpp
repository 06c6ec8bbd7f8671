// SPDX-License-Identifier: Apache-2.0
// Products of integer weights with int8 activations: panels of unpacked rows that all tokens pass by.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_LINEAR_MATMUL_CODES_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LINEAR_MATMUL_CODES_INL_HPP_
#undef LAMINA_LINEAR_MATMUL_CODES_INL_HPP_
#else
#define LAMINA_LINEAR_MATMUL_CODES_INL_HPP_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <lamina/core/config.hpp>
#include <lamina/linear/code_products-inl.hpp>
#include <lamina/linear/linear.hpp>
#include <lamina/linear/matvec_codes-inl.hpp>
#include <lamina/linear/row_group-inl.hpp>
#include <lamina/linear/unpack_k-inl.hpp>
#include <lamina/simd/cpu_level.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The exact integer sums of one block, or of half `half` of it. With two vectors of rows and four tokens
/// that makes 8 sums in registers, enough to hide the latency of a product, at 6 loads for 8 products.
template <CodeClass shape, int tokens, int half>
HWY_INLINE void sum_products(compat::VecI32 (&sums)[tokens][panel_vectors], const std::uint32_t* w,
                             const ActivationBlock<tokens>& x) noexcept {
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
      const auto activations = hn::Set(d, x.quads[first + quad][t]);
      const std::int32_t start = initial_sum<shape>(x, t, half);
      HWY_UNROLL(2)
      for (int v = 0; v < panel_vectors; ++v) {
        compat::add_byte_products<shape.range>(sums[t][v], partial[t][v], weights[v], activations, start,
                                               quad, quads);
      }
    }
  }
}

/// True if a tile asks for the next one's activations, which may come from the third-level cache. 512 tokens
/// on a Zen 4 core, AVX-512: up to 1.05 times as fast beside busy neighbours, level without; Q6_K 1.05 times.
/// On AVX2 a tile computes long enough; there it was slower.
inline constexpr bool asks_for_activations = compat::lanes32 >= 16;

/// Multiplies `blocks` blocks of a panel with a tile of tokens, adding to y [tokens, panel_rows]. Asks on the
/// way for as many bytes of activations at `next` as it reads.
template <CodeClass shape, int tokens>
HWY_NOINLINE void multiply_tile(Panel panel, std::size_t blocks, const ActivationBlock<tokens>* x,
                                const std::byte* next, float* y) noexcept {
  constexpr int lanes = compat::lanes32;
  constexpr int scales_per_block = shape.scales_per_block();
  for (std::size_t b = 0; b < blocks;) {
    compat::VecF32 result[tokens][panel_vectors];
    HWY_UNROLL(4)
    for (int t = 0; t < tokens; ++t) {
      HWY_UNROLL(2)
      for (int v = 0; v < panel_vectors; ++v) result[t][v] = begin_sum(y + t * panel_rows + v * lanes);
    }
    for (const std::size_t end = sum_end(b, blocks); b < end; ++b, ++x) {
      if constexpr (asks_for_activations) {
        constexpr std::size_t line = 64;
        for (std::size_t i = 0; i < sizeof(*x); i += line) __builtin_prefetch(next + i, 0, 2);
        next += sizeof(*x);
      }
      const std::uint32_t* w = panel.codes + b * panel_block_words;
      const float* scales = panel.scales + b * static_cast<std::size_t>(scales_per_block * panel_rows);
      compat::VecI32 sums[tokens][panel_vectors];
      compat::VecI32 second_sums[tokens][panel_vectors];
      if constexpr (shape.halves) {
        sum_products<shape, tokens, 0>(sums, w, *x);
        sum_products<shape, tokens, 1>(second_sums, w, *x);
      } else {
        sum_products<shape, tokens, -1>(sums, w, *x);
      }
      HWY_UNROLL(4)
      for (int t = 0; t < tokens; ++t) {
        HWY_UNROLL(2)
        for (int v = 0; v < panel_vectors; ++v) {
          result[t][v] = add_block<shape>(result[t][v], sums[t][v], second_sums[t][v],
                                          scales + v * scales_per_block * lanes, *x, t);
        }
      }
    }
    HWY_UNROLL(4)
    for (int t = 0; t < tokens; ++t) {
      HWY_UNROLL(2)
      for (int v = 0; v < panel_vectors; ++v) end_sum(result[t][v], x[-1], t, y + t * panel_rows + v * lanes);
    }
  }
}

/// Multiplies a panel with a tile of `tokens` tokens, at most `activation_tile`, at `x`; the next is at
/// `next`.
template <CodeClass shape>
void multiply_tokens(std::uint32_t tokens, const Panel& panel, std::size_t blocks, const std::byte* x,
                     const std::byte* next, float* y) noexcept {
  static_assert(activation_tile == 4);
  switch (tokens) {
    case 1:
      return multiply_tile<shape, 1>(panel, blocks, tile_at<1>(x), next, y);
    case 2:
      return multiply_tile<shape, 2>(panel, blocks, tile_at<2>(x), next, y);
    case 3:
      return multiply_tile<shape, 3>(panel, blocks, tile_at<3>(x), next, y);
    default:
      return multiply_tile<shape, 4>(panel, blocks, tile_at<4>(x), next, y);
  }
}

using MultiplyTokens = void (*)(std::uint32_t, const Panel&, std::size_t, const std::byte*, const std::byte*,
                                float*) noexcept;

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

/// Asks for the group that follows, part by part while tokens pass by the panel of this one.
///
/// The processor's own prefetcher loses track of 16 rows at a time, and asking for all at once fills its
/// queues. Q4_0 from memory, one thread of an AVX2 machine: 32 tokens take 0.90 of the time without this, 8
/// tokens 0.88.
class NextGroup {
 public:
  /// Will ask for what lies where columns `column` .. `column + columns` of the group before lay, in `parts`.
  HWY_INLINE NextGroup(const RowGroup& before, std::size_t column, std::size_t columns,
                       std::size_t parts) noexcept {
    const WeightMatrix& w = before.matrix;
    at_ = before.end() + row_bytes(w.format, column) * panel_rows;
#if !LAMINA_ONE_LANE
    const std::size_t next = before.first + panel_rows;
    if (w.packing == Packing::interleaved && next < w.rows) {
      const InterleavedOrder order = order_of(w, interleave_height);
      const std::size_t run = column / order.run_columns() * order.run_columns();
      at_ = w.data + order.place(next, run) + row_bytes(w.format, column - run) * panel_rows;
    }
#endif
    left_ = row_bytes(w.format, columns) * panel_rows;
    part_ = left_ / parts / line * line + line;
  }

  HWY_INLINE void ask_for_part() noexcept {
    const std::size_t end = std::min(left_, part_);
    for (std::size_t i = 0; i < end; i += line) __builtin_prefetch(at_ + i, 0, 2);
    at_ += end;
    left_ -= end;
  }

 private:
  static constexpr std::size_t line = 64;
  const std::byte* at_;
  std::size_t left_;
  std::size_t part_;
};

/// Asks for the lines where the results of the next tile, of tokens `from` .. `end`, will be stored. A store
/// that waits for its line holds up all behind it, and the rows of a result are far apart. Q4_0 with 512
/// tokens, one thread of an AVX2 machine: 0.90 of the time at 1536 columns, 0.72 at 256.
HWY_INLINE void ask_for_results(const float* y, std::size_t y_stride, std::uint32_t from,
                                std::uint32_t end) noexcept {
  end = std::min(end, from + activation_tile);
  for (std::uint32_t token = from; token < end; ++token) __builtin_prefetch(y + token * y_stride, 1, 3);
}

/// Memory of one call: a panel, and sums of it with `matmul_token_step` tokens.
struct PanelScratch {
  Panel panel;
  float* sums;  ///< [tokens, panel_rows]
};

/// True where 16 KiB of codes are as much as the nearest cache holds beside the tokens' codes, scales and
/// results: cores with 32 KiB of it and vectors of 512 bits, which lack AVX-VNNI (see `stream_lead`). Zen 4
/// is faster with them than with 24 KiB, by 2 % with 512 tokens and 5 % with 32; Zen 5, which has 48, slower
/// by 3.
inline const bool has_small_panels = compat::lanes32 >= 16 && !core_has_avx_vnni();

/// Multiplies a group of rows with tokens first .. first + tokens of `x`: y [x.rows, group.rows] with
/// `y_stride`. Of each row as much at a time (of one token's rows 256 columns) as stays in the nearest cache
/// while the tokens pass by.
inline void multiply_panels(const RowGroup& group, const ActivationRows& x, std::uint32_t first,
                            std::uint32_t tokens, const PanelScratch& scratch, float* y,
                            std::size_t y_stride) noexcept {
  const WeightMatrix& w = group.matrix;
  const MultiplyTokens multiply = multiply_tokens_of(code_class(w.format));
  constexpr std::size_t small_step = std::size_t{16384} / panel_rows / 256 * 256;
  static_assert(small_step > 0 && small_step <= panel_columns);
  // No step of interleaved rows reaches from run to run.
  constexpr std::size_t run = InterleavedOrder::wide_run;
  static_assert(run % 256 == 0 && (panel_columns > run || run % panel_columns == 0));
  static_assert(compat::lanes32 < 16 || run % small_step == 0);
  std::size_t step = tokens == 1 ? 256 : has_small_panels ? small_step : panel_columns;
#if !LAMINA_ONE_LANE
  if (w.packing == Packing::interleaved) step = std::min(step, order_of(w, interleave_height).run_columns());
#endif
  for (std::size_t column = 0; column < w.columns; column += step) {
    const std::size_t columns = std::min<std::size_t>(step, w.columns - column);
    const bool is_last = column + columns == w.columns;
    NextGroup next(group, column, columns, (tokens + activation_tile - 1) / activation_tile);
    unpack_group(group, column, columns, scratch.panel);
    for (std::uint32_t token = 0; token < tokens; token += activation_tile) {
      const std::uint32_t count = std::min(activation_tile, tokens - token);
      const std::byte* tile = x.quantized + std::size_t{first + token} * quantized_row_bytes(w.columns) +
                              count * quantized_row_bytes(column);
      float* sums = scratch.sums + token * panel_rows;
      next.ask_for_part();
      if (is_last) ask_for_results(y, y_stride, first + token + count, first + tokens);
      if (column == 0) std::memset(sums, 0, count * panel_rows * sizeof(float));
      multiply(count, scratch.panel, columns / code_block_elements, tile,
               tile + activation_tile * quantized_row_bytes(w.columns), sums);
      if (!is_last) continue;
      for (std::size_t t = 0; t < count; ++t) {
        store_results(sums + t * panel_rows, group.rows, y + (first + token + t) * y_stride);
      }
    }
  }
}

/// Products of an integer format with quantised activations; see `LinearKernels::matmul`.
inline void matmul_codes(const WeightMatrix& w, const ActivationRows& x, float* out, std::size_t out_stride,
                         std::uint32_t first_row, std::uint32_t row_count,
                         std::span<std::byte> scratch) noexcept {
  LAMINA_DCHECK(x.quantized != nullptr && scratch.size() >= matmul_scratch_bytes(x.rows));
  std::byte* memory = aligned_scratch(scratch);
  std::byte* scales = memory + matmul_panel_bytes;
  std::byte* sums = scales + matmul_scale_bytes;
  const PanelScratch parts{{reinterpret_cast<std::uint32_t*>(memory), reinterpret_cast<float*>(scales)},
                           reinterpret_cast<float*>(sums)};
#if !LAMINA_ONE_LANE
  if (x.rows <= most_few_tokens(w.format) && w.packing == Packing::interleaved) {
    // No codes go through a panel: their memory holds the sums.
    constexpr std::uint32_t slab = InterleavedOrder::wide_slab;
    static_assert(std::size_t{slab} * most_few_tokens(Format::q8_0) * sizeof(float) <= matmul_panel_bytes);
    for (std::uint32_t row = first_row; row < first_row + row_count;) {
      const std::uint32_t end = std::min(first_row + row_count, (row / slab + 1) * slab);
      multiply_few({w, row, end - row}, x, parts.panel, reinterpret_cast<float*>(memory), out + row,
                   out_stride);
      row = end;
    }
    return;
  }
#endif
  for (std::uint32_t token = 0; token < x.rows; token += matmul_token_step) {
    const std::uint32_t tokens = std::min(matmul_token_step, x.rows - token);
    for (std::uint32_t done = 0; done < row_count; done += panel_rows) {
      const RowGroup group{w, first_row + done, std::min<std::uint32_t>(panel_rows, row_count - done)};
      float* y = out + first_row + done;
#if !LAMINA_ONE_LANE
      if (x.rows == 1 && multiply_single(group, x, parts.panel, y)) continue;
#endif
      multiply_panels(group, x, token, tokens, parts, y, out_stride);
    }
  }
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_LINEAR_MATMUL_CODES_INL_HPP_
