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

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if !LAMINA_ONE_LANE

/// Multiplies `blocks` blocks of 32 of the rows of one vector with a token, adding to y [lanes32]. `panel` is
/// memory for the scales of blocks that share them. Asks on the way for as many bytes at `next` as it reads,
/// so that what is multiplied next comes in at an even pace; returns the end of those.
template <class Rows>
using MultiplyRows = const std::byte* (*)(const Rows& rows, std::size_t blocks, const Panel& panel,
                                          const ActivationBlock<1>* x, const std::byte* next, float* y);

/// The exact integer sums of a group of blocks, fed by an unpacker.
template <CodeClass shape, int blocks>
struct GroupSums {
  static constexpr int halves = shape.halves ? 2 : 1;
  static constexpr int quads = block_quads / halves;
  const ActivationBlock<1>* x;  ///< of the group's first block
  compat::VecI32 sums[blocks][halves];
  compat::ByteSums partial[blocks];

  HWY_INLINE void operator()(int block, int quad, VecWords words) noexcept {
    const int half = quad / quads;
    compat::add_byte_products<shape.range>(
        sums[block][half], partial[block], hn::BitCast(compat::TagI32(), words),
        hn::Set(compat::TagI32(), x[block].quads[quad][0]),
        initial_sum<shape>(x[block], 0, shape.halves ? half : -1), quad % quads, quads);
  }
};

template <Format F, class Rows>
HWY_NOINLINE const std::byte* multiply_rows(const Rows& stored, std::size_t blocks, const Panel& panel,
                                            const ActivationBlock<1>* x, const std::byte* next,
                                            float* y) noexcept {
  const compat::TagF32 df;
  constexpr CodeClass shape = code_class(F);
  constexpr int parts = group_blocks<F>;
  constexpr std::size_t line = 64;
  constexpr std::size_t group_bytes = compat::lanes32 * row_bytes(F, info_of(F).block_elements) * parts *
                                      code_block_elements / info_of(F).block_elements;
  // A block with a scale of its own gets it on the way; those of larger blocks are unpacked together first.
  constexpr bool scale_in_block = info_of(F).block_elements == code_block_elements;
  if constexpr (!scale_in_block) unpack_scales<F>(stored, blocks, panel, 0);
  const Rows rows = stored;  // a copy that can live in registers
  auto result = hn::LoadU(df, y);
  for (std::size_t b = 0; b < blocks; b += parts) {
    HWY_UNROLL(14)
    for (std::size_t i = 0; i < (group_bytes + line - 1) / line; ++i)
      __builtin_prefetch(next + i * line, 0, 3);
    next += group_bytes;
    GroupSums<shape, parts> group{x + b, {}, {}};
    unpack_group_codes<F>(rows, b, group);
    HWY_ALIGN float own_scale[compat::lanes32];
    if constexpr (scale_in_block) {
      hn::Store(rows.halves(b * info_of(F).block_bytes), df, own_scale);
    }
    HWY_UNROLL(4)
    for (int i = 0; i < parts; ++i) {
      const std::size_t block = b + static_cast<std::size_t>(i);
      const float* scale = scale_in_block ? own_scale : panel_slot(panel, shape, 0, block).scales;
      result =
          add_block<shape>(result, group.sums[i][0], group.sums[i][shape.halves ? 1 : 0], scale, x[block], 0);
    }
  }
  hn::StoreU(result, df, y);
  return next;
}

/// The kernel of a format; null where codes go through a panel for one token, too.
template <class Rows>
[[nodiscard]] inline MultiplyRows<Rows> multiply_rows_of(Format format) noexcept {
  return visit_format(format, []<Format F>(FormatTag<F>) -> MultiplyRows<Rows> {
    if constexpr (can_interleave(F)) {
      return &multiply_rows<F, Rows>;
    } else {
      return nullptr;
    }
  });
}

/// Multiplies a group of rows with one token, by the format's kernel: y [group.rows]. A panel's columns at
/// a time, so that their scales stay in the nearest cache.
template <class Rows>
inline void multiply_one_token(MultiplyRows<Rows> multiply, const RowGroup& group, const ActivationRows& x,
                               const Panel& panel, float* y) noexcept {
  constexpr std::size_t step = panel_columns;
  constexpr bool is_interleaved = std::is_same_v<Rows, InterleavedRows>;
  const std::size_t columns = group.matrix.columns;
  const std::byte* next = group.end();
  const auto* token = tile_at<1>(x.quantized);
  float sums[panel_rows] = {};
  const auto add_columns = [&](std::size_t column, int v) {
    const std::size_t first_block = column / code_block_elements;
    const std::size_t blocks = std::min(step, columns - column) / code_block_elements;
    Rows rows;
    if constexpr (is_interleaved) {
      rows = interleaved_at(group, column, v);
    } else {
      point_at_rows(group, column, v, rows.first);
    }
    next = multiply(rows, blocks, panel, token + first_block, next, sums + v * compat::lanes32);
  };
  // Each in the order of its bytes.
  if constexpr (is_interleaved) {
    for (int v = 0; v < panel_vectors; ++v) {
      for (std::size_t column = 0; column < columns; column += step) add_columns(column, v);
    }
  } else {
    for (std::size_t column = 0; column < columns; column += step) {
      for (int v = 0; v < panel_vectors; ++v) add_columns(column, v);
    }
  }
  store_results(sums, group.rows, y);
}

/// Multiplies a group with one token if the format has a kernel for that.
inline bool multiply_single(const RowGroup& group, const ActivationRows& x, const Panel& panel,
                            float* y) noexcept {
  const Format format = group.matrix.format;
  if (group.matrix.packing == Packing::interleaved) {
    multiply_one_token(multiply_rows_of<InterleavedRows>(format), group, x, panel, y);
    return true;
  }
  const MultiplyRows<StoredRows> multiply = multiply_rows_of<StoredRows>(format);
  if (multiply != nullptr) multiply_one_token(multiply, group, x, panel, y);
  return multiply != nullptr;
}

#endif  // !LAMINA_ONE_LANE

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_LINEAR_MATVEC_CODES_INL_HPP_
