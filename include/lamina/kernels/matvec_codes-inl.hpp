// SPDX-License-Identifier: Apache-2.0
// Products of integer weights with one token: codes go from their packed rows to the sums through registers.

// The guard toggles: Highway's foreach_target includes this file once per target.
#if defined(LAMINA_KERNELS_MATVEC_CODES_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_MATVEC_CODES_INL_HPP_
#undef LAMINA_KERNELS_MATVEC_CODES_INL_HPP_
#else
#define LAMINA_KERNELS_MATVEC_CODES_INL_HPP_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <lamina/kernels/code_products-inl.hpp>
#include <lamina/kernels/unpack_k-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Rows of one vector to multiply with a token. Owns nothing.
struct PackedRows {
  const RowPointers& rows;
  std::size_t blocks;  ///< of 32
  const Panel& panel;  ///< memory for scales, of vector `v`; its codes stay unused
  int v;
};

/// Multiplies packed rows with one token, adding to y [lanes32]. Asks on the way for as many bytes at `next`
/// as it reads, so that what is multiplied next comes in at an even pace; returns the end of those.
using MultiplyPacked = const std::byte* (*)(const PackedRows&, const CodeTile&, const std::byte* next,
                                            float* y);

#if !LAMINA_ONE_LANE

/// The exact integer sums of a group of blocks, fed by an unpacker.
template <CodeClass shape, int blocks>
struct GroupSums {
  static constexpr int halves = shape.halves ? 2 : 1;
  static constexpr int quads = block_quads / halves;
  const CodeTile& x;
  std::size_t first_block;
  compat::VecI32 sums[blocks][halves];
  compat::ByteSums partial[blocks];

  HWY_INLINE void operator()(int block, int quad, VecWords words) noexcept {
    const std::size_t at = first_block + static_cast<std::size_t>(block);
    const int half = quad / quads;
    compat::add_byte_products<shape.range>(
        sums[block][half], partial[block], hn::BitCast(compat::TagI32(), words),
        hn::Set(compat::TagI32(), four_codes(x.codes + at * code_block_elements, quad)),
        initial_sum<shape>(x.blocks[at], shape.halves ? half : -1), quad % quads, quads);
  }
};

template <Format F>
HWY_NOINLINE const std::byte* multiply_packed(const PackedRows& w, const CodeTile& x, const std::byte* next,
                                              float* y) noexcept {
  const compat::TagF32 df;
  constexpr CodeClass shape = code_class(F);
  constexpr int parts = group_blocks<F>;
  constexpr std::size_t line = 64;
  constexpr std::size_t group_bytes = compat::lanes32 * row_bytes(F, info_of(F).block_elements) * parts *
                                      code_block_elements / info_of(F).block_elements;
  // A block with a scale of its own gets it on the way; those of larger blocks are unpacked together first.
  constexpr bool scale_in_block = info_of(F).block_elements == code_block_elements;
  if constexpr (!scale_in_block) unpack_scales<F>(w.rows, w.blocks, w.panel, w.v);
  RowPointers rows;  // a copy that can live in registers
  HWY_UNROLL(16)
  for (int lane = 0; lane < compat::lanes32; ++lane) rows[lane] = w.rows[lane];
  auto result = hn::LoadU(df, y);
  for (std::size_t b = 0; b < w.blocks; b += parts) {
    HWY_UNROLL(14)
    for (std::size_t i = 0; i < (group_bytes + line - 1) / line; ++i)
      __builtin_prefetch(next + i * line, 0, 3);
    next += group_bytes;
    GroupSums<shape, parts> group{x, b, {}, {}};
    unpack_group_codes<F>(rows, b, group);
    HWY_ALIGN float own_scale[compat::lanes32];
    if constexpr (scale_in_block) {
      hn::Store(compat::GatherHalves(rows, b * info_of(F).block_bytes), df, own_scale);
    }
    HWY_UNROLL(4)
    for (int i = 0; i < parts; ++i) {
      const std::size_t block = b + static_cast<std::size_t>(i);
      const float* scale = scale_in_block ? own_scale : panel_slot(w.panel, shape, w.v, block).scales;
      result = add_block<shape>(result, group.sums[i][0], group.sums[i][shape.halves ? 1 : 0], scale,
                                x.blocks[block]);
    }
  }
  hn::StoreU(result, df, y);
  return next;
}

#endif  // !LAMINA_ONE_LANE

/// The kernel of a format; null where codes go through a panel for one token, too.
[[nodiscard]] inline MultiplyPacked multiply_packed_of([[maybe_unused]] Format format) noexcept {
#if !LAMINA_ONE_LANE
  switch (format) {
    case Format::q4_0:
      return &multiply_packed<Format::q4_0>;
    case Format::iq4_nl:
      return &multiply_packed<Format::iq4_nl>;
    case Format::q8_0:
      return &multiply_packed<Format::q8_0>;
    case Format::q4_k:
      return &multiply_packed<Format::q4_k>;
    case Format::q5_k:
      return &multiply_packed<Format::q5_k>;
    case Format::q6_k:
      return &multiply_packed<Format::q6_k>;
    default:
      break;
  }
#endif
  return nullptr;
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // LAMINA_KERNELS_MATVEC_CODES_INL_HPP_
