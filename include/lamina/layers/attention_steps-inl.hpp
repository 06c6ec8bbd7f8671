// SPDX-License-Identifier: Apache-2.0
// The steps of attention, for kernels of any kind: project, norm, rotate, store, attend.
// Source: text-decoder.md §2.4, §4.3.
//
// Every step works on all rows of a pass, in the scratch memory of its `Workspace`: T rows, D hidden width,
// H query heads, G key/value heads, d head width. What a kind states (norms, scale, rotated pairs, K=V, what
// rows see) is known to the compiler; what it does not do costs nothing.
#if defined(LAMINA_LAYERS_ATTENTION_STEPS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LAYERS_ATTENTION_STEPS_INL_HPP
#undef LAMINA_LAYERS_ATTENTION_STEPS_INL_HPP
#else
#define LAMINA_LAYERS_ATTENTION_STEPS_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include <lamina/attention/attend-inl.hpp>
#include <lamina/attention/kv_rows-inl.hpp>
#include <lamina/rows/elementwise-inl.hpp>
#include <lamina/rows/norm-inl.hpp>
#include <lamina/rows/rope-inl.hpp>
#include <lamina/layers/attention_kind.hpp>
#include <lamina/layers/attention_sizes-inl.hpp>
#include <lamina/pass/pass.hpp>
#include <lamina/pass/products.hpp>
#include <lamina/pass/rows.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

// --- Project ---

/// Multiplies the normalised stream `work.normed` [T, D] with matrices [width, D] into rows [T, width];
/// absent ones multiply nothing.
inline void project(const Pass& pass, std::initializer_list<Product> products) noexcept {
  ProductInput input(pass, pass.work.codes, pass.work.normed, pass.rows, pass.hidden, pass.hidden);
  multiply(pass, input, products);
}

/// branch [T, D] = W_o attended, with W_o [D, H d].
template <class Kind>
void project_attended(const Pass& pass, const Linear& output) noexcept {
  using Sizes = AttentionSizes<Kind>;
  detail::close_slots<Kind>(pass, pass.work.attended);
  ProductInput attended(pass, pass.work.codes, pass.work.attended, pass.rows, Sizes::query_width,
                        Sizes::query_stride);
  multiply(pass, attended, {{output, pass.work.branch, pass.hidden}});
}

// --- Norm, rotate, scale: one row ---

/// Value of one row, v = RMS0(raw) head by head, or raw itself if the kind has no value norm. Returns whether
/// it was finite.
///
/// Shapes    raw, value [G, d] (may be the same)
template <class Kind>
HWY_INLINE bool finish_value(const Pass& pass, const float* raw, float* value) noexcept {
  using Sizes = AttentionSizes<Kind>;
  if constexpr (Sizes::norms.value) {
    return rms_norm_heads(raw, nullptr, value, Sizes::kv_heads, Sizes::head_dim, pass.epsilon);
  } else {
    return all_finite(value, Sizes::kv_width);  // K=V kinds have the norm: raw is the value
  }
}

namespace detail {

/// x = RoPE(x) of one row's heads in place; with several axes each turns its own part of every head.
template <class Kind>
HWY_INLINE void rotate_row(const RotaryRows& rotary, std::size_t row, float* x,
                           std::uint32_t heads) noexcept {
  using Sizes = AttentionSizes<Kind>;
  const float* cosines = rotary.cosines + row * rotary.pairs;
  const float* sines = rotary.sines + row * rotary.pairs;
  if constexpr (Sizes::axes == 1) {
    rotate_heads(x, heads, Sizes::head_dim, Sizes::pairs, cosines, sines);
  } else {
    constexpr std::uint32_t width = Sizes::head_dim / Sizes::axes;
    for (std::uint32_t part = 0; part < heads * Sizes::axes; ++part) {
      const std::uint32_t angle = part % Sizes::axes * Sizes::pairs;
      rotate_heads(x + part * width, 1, width, Sizes::pairs, cosines + angle, sines + angle);
    }
  }
}

/// Heads of one row in place, x = RoPE(RMS(x; weight)), without the norm if the kind has none. Returns
/// whether they were finite.
template <class Kind, bool has_norm>
HWY_INLINE bool norm_and_rotate(const Pass& pass, const RotaryRows& rotary, std::size_t row, float* x,
                                std::uint32_t heads, const float* weight) noexcept {
  using Sizes = AttentionSizes<Kind>;
  bool finite = true;
  if constexpr (has_norm) {
    finite = rms_norm_heads(x, weight, x, heads, Sizes::head_dim, pass.epsilon);
  } else {
    finite = all_finite(x, heads * Sizes::head_dim);
  }
  rotate_row<Kind>(rotary, row, x, heads);
  return finite;
}

}  // namespace detail

/// Key of one row in place, k = RoPE(RMS(k; weight)), without what the kind has not. Returns whether it was
/// finite.
///
/// Shapes    key [G, d] · weight [d], unused without key norm
template <class Kind>
HWY_INLINE bool finish_key(const Pass& pass, const RotaryRows& rotary, std::size_t row, float* key,
                           const float* weight) noexcept {
  using Sizes = AttentionSizes<Kind>;
  return detail::norm_and_rotate<Kind, Sizes::norms.key>(pass, rotary, row, key, Sizes::kv_heads, weight);
}

/// Query of one row in place, q = scale · RoPE(RMS(q; weight)), without what the kind has not. Returns
/// whether it was finite.
///
/// Shapes    query [H, d] · weight [d], unused without query norm
template <class Kind>
HWY_INLINE bool finish_query(const Pass& pass, const RotaryRows& rotary, std::size_t row, float* query,
                             const float* weight) noexcept {
  using Sizes = AttentionSizes<Kind>;
  const bool finite =
      detail::norm_and_rotate<Kind, Sizes::norms.query>(pass, rotary, row, query, Sizes::heads, weight);
  if constexpr (query_scale_of<Kind>() != 1.0F) scale(query, Sizes::query_width, query_scale_of<Kind>());
  return finite;
}

/// Writes key and value of one row [G, slot] to its place in the cache.
template <class Kind>
HWY_INLINE void store_row(const Pass& pass, std::size_t row, const float* key, const float* value) noexcept {
  const PassRow& place = pass.row(row);
  with_cache_format(cache_format_of<Kind>(pass.cache), [&](auto format) HWY_ATTR {
    store_kv<LayoutOf<Kind, format()>>(pass.cache_of(place), place.position, key, value);
  });
}

// --- Norm, rotate, store: all rows ---

/// From raw keys and values to the cache: v = RMS0(v), k = RoPE(RMS(k; k_norm)).
///
/// Shapes    work.key, work.value [T, G d] in and out, the value only out on K=V layers (it is the raw key) ·
///           k_norm [d], unused without key norm
/// Effects   reports numbers that are not finite
template <class Kind>
void store_keys_and_values(const Pass& pass, const float* k_norm, const RotaryRows& rotary) noexcept {
  using Sizes = AttentionSizes<Kind>;
  constexpr std::uint32_t width = Sizes::kv_stride;
  pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
    bool finite = true;
    for (std::size_t row = range.first; row < range.first + range.count; ++row) {
      float* key = pass.work.key + row * width;
      float* value = pass.work.value + row * width;
      finite &= finish_value<Kind>(pass, Kind::shape.key_is_value ? key : value, value);
      finite &= finish_key<Kind>(pass, rotary, row, key, k_norm);
      detail::open_slots<Kind>(key, Sizes::kv_heads);
      detail::open_slots<Kind>(value, Sizes::kv_heads);
      store_row<Kind>(pass, row, key, value);
    }
    if (!finite) pass.report_not_finite(PassFault::inside);
  });
  pass.show(PassValue::key, pass.work.key, width);
  pass.show(PassValue::value, pass.work.value, width);
}

/// From raw queries to those that `attend_all` takes: q = scale · RoPE(RMS(q; q_norm)).
///
/// Shapes    work.query [T, H d] in and out · q_norm [d], unused without query norm
/// Effects   reports numbers that are not finite
template <class Kind>
void finish_queries(const Pass& pass, const float* q_norm, const RotaryRows& rotary) noexcept {
  using Sizes = AttentionSizes<Kind>;
  constexpr std::uint32_t width = Sizes::query_stride;
  pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
    bool finite = true;
    for (std::size_t row = range.first; row < range.first + range.count; ++row) {
      finite &= finish_query<Kind>(pass, rotary, row, pass.work.query + row * width, q_norm);
      detail::open_slots<Kind>(pass.work.query + row * width, Sizes::heads);
    }
    if (!finite) pass.report_not_finite(PassFault::inside);
  });
  pass.show(PassValue::query, pass.work.query, width);
}

// --- Attend ---

namespace detail {

/// Takes the key's norm weight into the queries of K=V layers, whose cache does not have it.
template <class Kind>
void fold_key_norms(const Pass& pass) noexcept {
  using Sizes = AttentionSizes<Kind>;
  pass.team.split(pass.rows, rows_per_share, [&](IndexRange range, std::uint32_t) HWY_ATTR {
    for (std::size_t row = range.first; row < range.first + range.count; ++row) {
      prepare_queries<LayoutOf<Kind, CacheFormat::f32>>(pass.work.query + row * Sizes::query_width,
                                                        Sizes::heads, pass.cache_of(pass.row(row)).key_norm);
    }
  });
}

/// Attends with the tiles numbered `tiles`, one unit for each kv head of each.
template <class CacheLayout>
void attend_tiles(const Pass& pass, const AttendRows& rows, std::uint32_t kv_heads, RowTile tiles) noexcept {
  pass.team.deal((tiles.end - tiles.first) * kv_heads, [&](std::uint32_t unit, std::uint32_t part) HWY_ATTR {
    const RowTile tile = pass.work.tiles[tiles.first + unit / kv_heads];
    attend<CacheLayout>(pass.cache_of(pass.row(tile.first)), rows, unit % kv_heads, tile.first, tile.end,
                        pass.work.attention + part * pass.work.attention_floats);
  });
}

/// Returns false if the partial results do not fit the scratch memory, or there is only one span.
template <class CacheLayout>
bool attend_along_context(const Pass& pass, const AttendRows& rows, std::uint32_t kv_heads,
                          RowTile tile) noexcept {
  const KvRows& cache = pass.cache_of(pass.row(tile.first));
  const SpanRange spans = spans_of(rows, tile.first, tile.end);
  const std::size_t stride = attend_partial_floats<CacheLayout>(rows.heads / kv_heads, tile.end - tile.first);
  const std::uint32_t units = kv_heads * spans.count();
  if (spans.count() < 2 || units * stride > pass.work.partial_floats) return false;
  pass.team.deal(units, [&](std::uint32_t unit, std::uint32_t part) HWY_ATTR {
    const std::uint32_t span = spans.first + unit % spans.count();
    attend_spans<CacheLayout>(cache, rows, unit / spans.count(), tile.first, tile.end, {span, span + 1},
                              pass.work.partials + unit * stride,
                              pass.work.attention + part * pass.work.attention_floats);
  });
  pass.team.run(kv_heads, [&](std::uint32_t part, std::uint32_t parts) HWY_ATTR {
    for (std::uint32_t kv_head = part; kv_head < kv_heads; kv_head += parts) {
      merge_spans<CacheLayout>(rows, kv_heads, kv_head, tile.first, tile.end, spans.count(),
                               pass.work.partials + std::size_t{kv_head} * spans.count() * stride,
                               pass.work.attention + part * pass.work.attention_floats);
    }
  });
  return true;
}

/// Splits over (kv head, tile of rows) of all sequences; where that gives fewer units than threads, along
/// the context instead. Both have the same bits.
template <class CacheLayout>
void attend_rows(const Pass& pass, const AttendRows& rows, std::uint32_t kv_heads) noexcept {
  const std::uint32_t tiles = cut_tiles(pass, attend_tile_rows(rows.heads / kv_heads));
  if (kv_heads * tiles >= pass.team.width())
    return attend_tiles<CacheLayout>(pass, rows, kv_heads, {0, tiles});
  for (std::uint32_t tile = 0; tile < tiles; ++tile) {
    if (!attend_along_context<CacheLayout>(pass, rows, kv_heads, pass.work.tiles[tile])) {
      attend_tiles<CacheLayout>(pass, rows, kv_heads, {tile, tile + 1});
    }
  }
}

}  // namespace detail

/// The keys that a row of a pass sees: those of its position, and those of its block where its kind or the
/// rule of the model says so (vision.md §5.5).
template <class Kind>
[[nodiscard]] constexpr KeyRange visible_to(const PassRow& row, BlockMask mask) noexcept {
  if constexpr (sees_block_of<Kind>()) {
    return {row.block_begin, row.block_end};
  } else {
    KeyRange keys = visible_keys<Kind>(row.position);
    if (row.block_begin == row.block_end) return keys;
    if (Kind::shape.window > 0 || mask == BlockMask::all_layers) keys.end = std::max(keys.end, row.block_end);
    if (mask == BlockMask::all_layers) keys.first = std::min(keys.first, row.block_begin);
    return keys;
  }
}

/// attended = softmax(q Kᵀ) V over the keys that each row sees, in the cache of its sequence in this layer.
///
/// Rows of a block see all of it in layers with a window, or wherever `Pass::blocks` says so.
///
/// Shapes    work.query [T, H d], overwritten on K=V layers · work.attended [T, H d]
/// Requires  all keys that rows see are stored (`store_keys_and_values`, here or in the layer's owner)
template <class Kind>
void attend_all(const Pass& pass) noexcept {
  using Sizes = AttentionSizes<Kind>;
  if constexpr (Kind::shape.key_is_value) detail::fold_key_norms<Kind>(pass);
  for (std::uint32_t row = 0; row < pass.rows; ++row) {
    pass.work.visible[row] = visible_to<Kind>(pass.row(row), pass.blocks);
  }
  const AttendRows rows{pass.work.query, pass.work.visible, pass.work.attended,
                        pass.rows,       Sizes::heads,      pass.precision == Precision::fast};
  with_cache_format(cache_format_of<Kind>(pass.cache), [&](auto format) noexcept {
    // Rows that see their block are an encoder's, which keeps no int8.
    if constexpr (!sees_block_of<Kind>() || format() != CacheFormat::int8)
      detail::attend_rows<LayoutOf<Kind, format()>>(pass, rows, Sizes::kv_heads);
  });
  pass.show(PassValue::attended, pass.work.attended, Sizes::query_stride);
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
