// SPDX-License-Identifier: Apache-2.0
// Products of integer weights with one token: codes go from their rows to the sums through registers.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_LINEAR_MATVEC_CODES_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LINEAR_MATVEC_CODES_INL_HPP_
#undef LAMINA_LINEAR_MATVEC_CODES_INL_HPP_
#else
#define LAMINA_LINEAR_MATVEC_CODES_INL_HPP_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <lamina/blocks/interleave.hpp>
#include <lamina/linear/code_products-inl.hpp>
#include <lamina/linear/row_group-inl.hpp>
#include <lamina/linear/unpack_k-inl.hpp>
#include <lamina/simd/cpu_level.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if !LAMINA_ONE_LANE

/// How far ahead of a stream of interleaved rows is asked for with one or two tokens. The processor's own
/// prefetcher keeps pace with rows of simple blocks; whether it does with those of K types, whose scales come
/// between, depends on the core, and what is asked for much too early is out of the nearest cache again when
/// its turn comes. AVX-512, GB/s of Q4_0 Q8_0 Q4_K Q6_K:
///
///                                   32 rows ahead     4 KiB           one line       not at all
///   Zen 5, one core, reads 36-45    41 41 26 25       42 42 30 27                    40 42 14 14
///   Zen 5, two cores, read 54       32 33 33 30       38 40 38 32                    34 34 17 23
///   Zen 4, one core, reads 18-22                      17 17 16 11     19 17 16 18    17 17 17 17
///
/// AVX2, a Zen 4 core that reads 30-33, GB/s of Q4_0 Q8_0 Q6_K Q4_K with one token:
///
///   8 KiB 27 28 24 25   4 KiB 28 29 26 27   1 KiB 25 27 24 24   one line, and not at all 31 31 29 28
///
/// Zen 5 and Intel's cores since Sapphire Rapids have AVX-VNNI, by which they are told from those before.
/// AVX2 code on Zen 5: 8 KiB as fast as 32 rows, 4 KiB up to a tenth slower. Not measured on Zen 3. Not a
/// constant, so that one build suits all; zero, until it has been set, would ask for what is read anyway.
inline const std::size_t stream_lead = !core_has_avx_vnni() ? 64 : compat::lanes32 < 16 ? 8192 : 4096;

/// Tokens up to which rows are asked for so, into the nearest cache. Three and more multiply about as long as
/// the next rows take to come; that both happens at the same time, rows must be asked for so early that they
/// wait in the second-level cache meanwhile. GB/s of a Zen 4 core that reads 20 to 25, Q4_0 with 2 / 3 / 4 /
/// 8 tokens at 12 288 columns:
///
///   AVX-512, into the nearest cache       64 bytes 17 15 14 8   4 KiB 17 16 14 10   8 KiB 15 14 13 9
///   AVX-512, into the second-level one    1 KiB 18 11 8 8       8 KiB 23 23 20 11   16 KiB 23 23 21 11
///   AVX2, into the nearest cache                                8 KiB 16 14 12 7    16 KiB 13 13 12 7
///   AVX2, into the second-level one                             8 KiB 20 17 13 7    16 KiB 20 16 13 7
///
/// While memory gives 29 to 30 at 1536 columns, AVX-512, 2 and 3 tokens: 64 bytes 29 26, 16 KiB 24 27; both
/// threads 34 33 and 31 31. AVX2 with 2 tokens: 23 either way. For the other formats it is alike; 32 and 64
/// KiB are little better than 16, and ask for more than is read where the rows end. Not measured on Zen 5.
inline constexpr int most_near_tokens = compat::lanes32 >= 16 ? 2 : 1;
inline constexpr std::size_t few_tokens_lead = 16384;

/// Multiplies `blocks` blocks of 32 of the rows of one vector with a tile of tokens, adding to y [tokens,
/// panel_rows]. `panel` is memory for the scales of blocks that share them. Asks on the way for as many bytes
/// at `next` as it reads, so that what is multiplied next comes in at an even pace; returns the end of those.
template <class Rows>
using MultiplyRows = const std::byte* (*)(const Rows& rows, std::size_t blocks, const Panel& panel,
                                          const std::byte* tile, const std::byte* next, float* y);

/// The exact integer sums of a group of blocks, fed by an unpacker.
template <CodeClass shape, std::size_t blocks, int tokens>
struct GroupSums {
  static constexpr int halves = shape.halves ? 2 : 1;
  static constexpr int quads = block_quads / halves;
  const ActivationBlock<tokens>* x;  ///< of the group's first block
  compat::VecI32 sums[blocks][halves][tokens];
  compat::ByteSums partial[blocks][tokens];

  HWY_INLINE void operator()(int block, int quad, VecWords words) noexcept {
    const int half = quad / quads;
    auto weights = hn::BitCast(compat::TagI32(), words);
    if constexpr (tokens > 1) compat::pin(weights);
    HWY_UNROLL(4)
    for (int t = 0; t < tokens; ++t) {
      compat::add_byte_products<shape.range>(sums[block][half][t], partial[block][t], weights,
                                             hn::Set(compat::TagI32(), x[block].quads[quad][t]),
                                             initial_sum<shape>(x[block], t, shape.halves ? half : -1),
                                             quad % quads, quads);
    }
  }
};

template <Format F, class Rows, int tokens>
HWY_NOINLINE const std::byte* multiply_rows(const Rows& stored, std::size_t blocks, const Panel& panel,
                                            const std::byte* tile, const std::byte* next, float* y) noexcept {
  const compat::TagF32 df;
  constexpr CodeClass shape = code_class(F);
  constexpr std::size_t parts = group_blocks<F>;
  constexpr std::size_t line = 64;
  constexpr std::size_t block_bytes = info_of(F).block_bytes;
  constexpr std::size_t group_bytes =
      compat::lanes32 * block_bytes * parts * code_block_elements / info_of(F).block_elements;
  static_assert(step_blocks == 1 || step_blocks % parts == 0);
  // A block's own scale is read with its codes, those of a K type's block just before them: a pass of their
  // own would read ahead of the stream.
  constexpr bool scale_in_block = info_of(F).block_elements == code_block_elements;
  const Rows rows = stored;  // a copy that can live in registers
  const auto* x = tile_at<tokens>(tile);
  for (std::size_t b = 0; b < blocks;) {
    compat::VecF32 result[tokens];
    HWY_UNROLL(4)
    for (int t = 0; t < tokens; ++t) result[t] = begin_sum(y + t * panel_rows);
    for (const std::size_t end = sum_end(b, blocks); b < end; b += parts) {
      HWY_UNROLL(14)
      for (std::size_t i = 0; i < (group_bytes + line - 1) / line; ++i)
        __builtin_prefetch(next + i * line, 0, tokens > most_near_tokens ? 2 : 3);
      next += group_bytes;
      if constexpr (!scale_in_block) {
        if (b % super_block_parts == 0)
          unpack_scales_at<F>(rows, b / super_block_parts * block_bytes, panel, 0, 0);
      }
      GroupSums<shape, parts, tokens> group{x + b, {}, {}};
      unpack_group_codes<F>(rows, b, group);
      HWY_ALIGN float own_scale[compat::lanes32];
      if constexpr (scale_in_block) hn::Store(rows.halves(b * block_bytes), df, own_scale);
      HWY_UNROLL(4)
      for (std::size_t i = 0; i < parts; ++i) {
        const float* scale =
            scale_in_block ? own_scale : panel_slot(panel, shape, 0, (b + i) % super_block_parts).scales;
        HWY_UNROLL(4)
        for (int t = 0; t < tokens; ++t) {
          result[t] = add_block<shape>(result[t], group.sums[i][0][t], group.sums[i][shape.halves ? 1 : 0][t],
                                       scale, x[b + i], t);
        }
      }
    }
    HWY_UNROLL(4)
    for (int t = 0; t < tokens; ++t) end_sum(result[t], x[b - 1], t, y + t * panel_rows);
  }
  return next;
}

/// The kernel of a format for tiles of `tokens` tokens; null where codes go through a panel.
template <class Rows, int tokens>
[[nodiscard]] inline MultiplyRows<Rows> multiply_rows_of(Format format) noexcept {
  return visit_format(format, []<Format F>(FormatTag<F>) -> MultiplyRows<Rows> {
    if constexpr (can_interleave(F)) {
      return &multiply_rows<F, Rows, tokens>;
    } else {
      return nullptr;
    }
  });
}

/// Multiplies a group of stored rows with one token if the format has a kernel for that: y [group.rows]. A
/// panel's columns of both vectors at a time.
inline bool multiply_single(const RowGroup& group, const ActivationRows& x, const Panel& panel,
                            float* y) noexcept {
  const MultiplyRows<StoredRows> multiply = multiply_rows_of<StoredRows, 1>(group.matrix.format);
  if (multiply == nullptr) return false;
  constexpr std::size_t step = panel_columns;
  const std::size_t columns = group.matrix.columns;
  const std::byte* next = group.end();
  float sums[panel_rows] = {};
  for (std::size_t column = 0; column < columns; column += step) {
    const std::size_t blocks = std::min(step, columns - column) / code_block_elements;
    for (int v = 0; v < panel_vectors; ++v) {
      StoredRows rows;
      point_at_rows(group, column, v, rows.first);
      next = multiply(rows, blocks, panel, x.quantized + quantized_row_bytes(column), next,
                      sums + v * compat::lanes32);
    }
  }
  store_results(sums, group.rows, y);
  return true;
}

/// Tokens up to which interleaved rows are multiplied straight from where they lie. More pay for unpacking a
/// panel, which is then loaded for two vectors at a time. GB/s of a Zen 5 core with 2 / 4 / 8 / 16 / 32
/// tokens: Q4_0 by AVX-512 VNNI 27 / 22 / 15 / 7.6 / 3.9, by panels 11 / 9 / 7 / 6.0 / 4.3; by AVX2 22 / 15
/// / 6.7 / 3.9 / 2.0, by panels 7 / 4 / 5.3 / 3.2 / 1.9. Q5_K keeps the most numbers in flight: AVX2 4.4 with
/// 8 tokens, by panels 5.3; the other K types are level at 16 there. Two vectors of rows in step, which share
/// loads of activations, gave no more.
[[nodiscard]] constexpr std::uint32_t most_few_tokens(Format format) noexcept {
  if (compat::lanes32 >= 16) return 16;
  return format == Format::q5_k ? 4 : 8;
}

/// Multiplies a group of interleaved rows with few tokens: y [x.rows, group.rows] with `y_stride`. `sums`
/// [group.rows, x.rows] is memory. One vector of rows after the other, run by run, in the order of their
/// bytes; with more tokens than a tile a panel's columns at a time, which stay in the nearest cache.
///
/// Requires  the group lies in one slab
inline void multiply_few(const RowGroup& group, const ActivationRows& x, const Panel& panel, float* sums,
                         float* y, std::size_t y_stride) noexcept {
  static_assert(activation_tile == 4);
  const Format format = group.matrix.format;
  const auto multiply_of = [format](std::uint32_t tokens) {
    return tokens == 1   ? multiply_rows_of<InterleavedRows, 1>(format)
           : tokens == 2 ? multiply_rows_of<InterleavedRows, 2>(format)
           : tokens == 3 ? multiply_rows_of<InterleavedRows, 3>(format)
                         : multiply_rows_of<InterleavedRows, 4>(format);
  };
  const std::size_t lead = x.rows > std::uint32_t{most_near_tokens} ? few_tokens_lead : stream_lead;
  const MultiplyRows<InterleavedRows> multiply_tile = multiply_of(activation_tile);
  const MultiplyRows<InterleavedRows> multiply_rest = multiply_of(x.rows % activation_tile);
  const std::size_t columns = group.matrix.columns;
  const InterleavedOrder order = order_of(group.matrix, interleave_height);
  const std::size_t run_columns = order.run_columns();
  const std::size_t step = x.rows <= activation_tile ? run_columns : panel_columns;
  const std::size_t step_bytes = row_bytes(format, step) * interleave_height;
  const auto vectors = static_cast<int>(group.rows / interleave_height);
  const auto sums_at = [&](std::uint32_t token,
                           std::uint32_t row) {  // [pairs of vectors, tokens, panel_rows]
    return sums + (row / panel_rows * x.rows + token) * panel_rows + row % panel_rows;
  };
  std::fill_n(sums, x.rows * ((group.rows + panel_rows - 1) / panel_rows * std::size_t{panel_rows}), 0.0F);
  for (std::size_t run = 0; run < columns; run += run_columns) {
    const std::size_t run_end = std::min(columns, run + run_columns);
    const std::size_t vector_bytes = row_bytes(format, run_end - run) * interleave_height;
    const std::byte* vector = group.matrix.data + order.place(group.first, run);
    for (int v = 0; v < vectors; ++v, vector += vector_bytes) {
      InterleavedRows rows{vector};
      for (std::size_t column = run; column < run_end; column += step, rows.first += step_bytes) {
        const std::size_t blocks = std::min(step, run_end - column) / code_block_elements;
        for (std::uint32_t token = 0; token < x.rows; token += activation_tile) {
          const std::uint32_t count = std::min(activation_tile, x.rows - token);
          const std::byte* tile =
              x.quantized + token * quantized_row_bytes(columns) + count * quantized_row_bytes(column);
          const auto multiply = count == activation_tile ? multiply_tile : multiply_rest;
          // What follows has been asked for when the first tile passed by.
          multiply(rows, blocks, panel, tile, rows.first + (token == 0 ? lead : 0),
                   sums_at(token, static_cast<std::uint32_t>(v * compat::lanes32)));
        }
      }
    }
  }
  for (std::uint32_t row = 0; row < group.rows; row += panel_rows) {
    for (std::uint32_t token = 0; token < x.rows; ++token) {
      store_results(sums_at(token, row), std::min<std::uint32_t>(panel_rows, group.rows - row),
                    y + token * y_stride + row);
    }
  }
}

#endif  // !LAMINA_ONE_LANE

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_LINEAR_MATVEC_CODES_INL_HPP_
