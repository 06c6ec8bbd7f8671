// SPDX-License-Identifier: Apache-2.0
// Sizes of attention, and the slots in which heads lie: with zeros behind them where vectors do not divide
// them.
#if defined(LAMINA_LAYERS_ATTENTION_SIZES_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LAYERS_ATTENTION_SIZES_INL_HPP
#undef LAMINA_LAYERS_ATTENTION_SIZES_INL_HPP
#else
#define LAMINA_LAYERS_ATTENTION_SIZES_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <lamina/pass/pass.hpp>
#include <lamina/schedule/kinds.hpp>
#include <lamina/simd/prelude.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// The numbers of a kind's shape, as sizes.
template <class Kind>
struct AttentionSizes {
  static constexpr AttnShape shape = Kind::shape;
  static constexpr std::uint32_t heads = shape.heads;          ///< H
  static constexpr std::uint32_t kv_heads = shape.kv_heads;    ///< G
  static constexpr std::uint32_t head_dim = shape.head_dim;    ///< d
  static constexpr std::uint32_t slot = head_slot_of<Kind>();  ///< a head with the zeros behind it
  static constexpr std::uint32_t query_width = heads * head_dim;
  static constexpr std::uint32_t kv_width = kv_heads * head_dim;
  static constexpr std::uint32_t query_stride = heads * slot;  ///< floats from row to row
  static constexpr std::uint32_t kv_stride = kv_heads * slot;
  static constexpr std::uint32_t axes = rope_axes_of<Kind>();
  static constexpr std::uint32_t pairs = rotary_pairs_of<Kind>();  ///< on each axis
  static constexpr HeadNorms norms = head_norms_of<Kind>();
};

// --- Slots: heads with zeros behind them ---

namespace detail {

/// Moves the heads of one row [heads, d] apart, to [heads, slot] with zeros; in place.
template <class Kind>
HWY_INLINE void open_slots(float* row, std::uint32_t heads) noexcept {
  using Sizes = AttentionSizes<Kind>;
  if constexpr (Sizes::slot != Sizes::head_dim) {
    for (std::uint32_t head = heads; head-- > 0;) {
      float* slot = row + std::size_t{head} * Sizes::slot;
      std::memmove(slot, row + std::size_t{head} * Sizes::head_dim, Sizes::head_dim * sizeof(float));
      std::fill_n(slot + Sizes::head_dim, Sizes::slot - Sizes::head_dim, 0.0F);
    }
  }
}

/// The reverse for the query heads of all rows [T, H, slot].
template <class Kind>
void close_slots(const Pass& pass, float* rows) noexcept {
  using Sizes = AttentionSizes<Kind>;
  if constexpr (Sizes::slot != Sizes::head_dim) {
    pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) noexcept {
      for (std::size_t i = range.first; i < range.first + range.count; ++i) {
        float* row = rows + i * Sizes::query_stride;
        for (std::uint32_t head = 1; head < Sizes::heads; ++head) {
          std::memmove(row + std::size_t{head} * Sizes::head_dim, row + std::size_t{head} * Sizes::slot,
                       Sizes::head_dim * sizeof(float));
        }
      }
    });
  }
}

}  // namespace detail

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
