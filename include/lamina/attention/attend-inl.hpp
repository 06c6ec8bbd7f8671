// SPDX-License-Identifier: Apache-2.0
// Attention of query rows over a cache: softmax(q·k)·v, streamed block by block, for all query heads of a kv
// head. Source: text-decoder.md §2.4 (scale 1, softmax in float32), §4.3 (keys rebuilt from values).
//
// The arithmetic of one (query row, head) depends on positions only, never on chunking, ring slot, tile or
// thread: blocks of `kv_block` and spans of `kv_span` positions are aligned to absolute positions, every dot
// product has one accumulator and one order, a span starts from an empty state, and spans are merged in order
// by one function.

#if defined(LAMINA_KERNELS_ATTEND_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_ATTEND_INL_HPP
#undef LAMINA_KERNELS_ATTEND_INL_HPP
#else
#define LAMINA_KERNELS_ATTEND_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <lamina/simd/prelude.hpp>
#include <lamina/attention/attend.hpp>
#include <lamina/attention/attend_bf16-inl.hpp>
#include <lamina/attention/attend_block-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// Attends with rows first_row, ..., end_row - 1 and all query heads of one kv head, one thread.
///
/// Shapes    see `AttendRows` · scratch [attend_scratch_floats<Layout>(heads / kv_heads)]
/// Requires  every visible position is stored; rows of K=V layouts went through `prepare_queries`
/// Effects   writes out[row, head, :] of these rows and heads; a row that sees nothing gets zeros
/// Cost      reads the visible keys and values once per `attend_tile_rows` rows; 4 · heads · keys · head_dim
/// FLOP
/// Threads   safe for distinct (kv_head, rows) with distinct scratch. For prefill, split into (kv head,
/// tile of
///           `attend_tile_rows` rows); any split gives the same bits
template <class Layout>
HWY_NOINLINE void attend(const KvRows& cache, const AttendRows& rows, std::uint32_t kv_head,
                         std::uint32_t first_row, std::uint32_t end_row, float* scratch) noexcept;

/// Computes the partial results of rows first_row, ..., end_row - 1 over some spans, for splitting a context
/// over threads: the first half of `attend`.
///
/// Shapes    partials [spans.count(), attend_partial_floats<Layout>(group, end_row - first_row)], entry 0 is
/// span
///           `spans.first` · scratch as for `attend`
/// Requires  end_row - first_row <= attend_tile_rows(group); `spans` lies inside `spans_of(rows, first_row,
/// end_row)`
/// Threads   safe for distinct (kv_head, rows, spans) with distinct scratch
template <class Layout>
HWY_NOINLINE void attend_spans(const KvRows& cache, const AttendRows& rows, std::uint32_t kv_head,
                               std::uint32_t first_row, std::uint32_t end_row, SpanRange spans,
                               float* partials, float* scratch) noexcept;

/// Merges partial results in order of position and writes the rows: the second half of `attend`, with the
/// same bits.
///
/// Shapes    partials [count, attend_partial_floats<Layout>(group, end_row - first_row)]: all spans of
///           `spans_of(rows, first_row, end_row)` of this kv head, first to last · scratch as for `attend`
/// Threads   safe for distinct (kv_head, rows); start it when all `attend_spans` of them are done
template <class Layout>
HWY_NOINLINE void merge_spans(const AttendRows& rows, std::uint32_t kv_heads, std::uint32_t kv_head,
                              std::uint32_t first_row, std::uint32_t end_row, std::uint32_t count,
                              const float* partials, float* scratch) noexcept;

// --- Definitions ---

namespace detail {

/// Calls `use(products)` with those that `rows` may be computed with: one of the structures `FloatProducts`
/// and `Bf16Products`.
template <class Layout, class Use>
HWY_INLINE void with_products(const AttendRows& rows, Use use) noexcept {
#if defined(LAMINA_BF16_DOT)
  if constexpr (has_bf16_products<Layout>) {
    if (rows.may_round) return use(Bf16Products<Layout>());
  }
#endif
  static_cast<void>(rows);
  use(FloatProducts<Layout>());
}

}  // namespace detail

template <class Layout>
void attend(const KvRows& cache, const AttendRows& rows, std::uint32_t kv_head, std::uint32_t first_row,
            std::uint32_t end_row, float* scratch) noexcept {
  const std::uint32_t group = rows.heads / cache.kv_heads;
  const std::uint32_t tile_rows = attend_tile_rows(group);
  detail::with_products<Layout>(rows, [&](auto products) HWY_ATTR {
    using Products = decltype(products);
    for (std::uint32_t row = first_row; row < end_row; row += tile_rows) {
      const std::uint32_t tile_end = std::min(end_row, row + tile_rows);
      const detail::QueryTile tile(rows, group, kv_head, row, tile_end - row, Layout::head_dim);
      const detail::AttendScratch parts(scratch, tile.vectors, Layout::head_dim);
      const SpanRange spans = spans_of(rows, row, tile_end);
      Products::pack(tile, parts);
      detail::start_rows<Layout>(tile, parts);
      for (std::uint32_t span = spans.first; span < spans.end; ++span) {
        detail::attend_span<Products>(cache, tile, kv_head, span, parts.state, parts);
        detail::merge_span<Layout>(tile, parts.state, parts);
      }
      detail::finish_rows<Products>(tile, parts);
    }
  });
}

template <class Layout>
void attend_spans(const KvRows& cache, const AttendRows& rows, std::uint32_t kv_head, std::uint32_t first_row,
                  std::uint32_t end_row, SpanRange spans, float* partials, float* scratch) noexcept {
  const std::uint32_t group = rows.heads / cache.kv_heads;
  const std::uint32_t count = end_row - first_row;
  const detail::QueryTile tile(rows, group, kv_head, first_row, count, Layout::head_dim);
  const detail::AttendScratch parts(scratch, tile.vectors, Layout::head_dim);
  const std::size_t stride = attend_partial_floats<Layout>(group, count);
  detail::with_products<Layout>(rows, [&](auto products) HWY_ATTR {
    using Products = decltype(products);
    Products::pack(tile, parts);
    for (std::uint32_t span = spans.first; span < spans.end; ++span) {
      const detail::SoftmaxState state(partials + (span - spans.first) * stride, tile.vectors,
                                       Layout::head_dim);
      detail::attend_span<Products>(cache, tile, kv_head, span, state, parts);
    }
  });
}

template <class Layout>
void merge_spans(const AttendRows& rows, std::uint32_t kv_heads, std::uint32_t kv_head,
                 std::uint32_t first_row, std::uint32_t end_row, std::uint32_t count, const float* partials,
                 float* scratch) noexcept {
  const std::uint32_t group = rows.heads / kv_heads;
  const std::uint32_t tile_rows = end_row - first_row;
  const detail::QueryTile tile(rows, group, kv_head, first_row, tile_rows, Layout::head_dim);
  const detail::AttendScratch parts(scratch, tile.vectors, Layout::head_dim);
  const std::size_t stride = attend_partial_floats<Layout>(group, tile_rows);
  detail::start_rows<Layout>(tile, parts);
  for (std::uint32_t i = 0; i < count; ++i) {
    // A state only views its floats; merging does not write to them.
    const detail::SoftmaxState state(const_cast<float*>(partials) + i * stride, tile.vectors,
                                     Layout::head_dim);
    detail::merge_span<Layout>(tile, state, parts);
  }
  detail::with_products<Layout>(
      rows, [&](auto products) HWY_ATTR { detail::finish_rows<decltype(products)>(tile, parts); });
}

#if defined(LAMINA_EXTERN_ATTENTION_KERNELS)

// --- Compiled by the unit of attention/define_attention.hpp ---

// The layouts of published models cost a model's unit 5 of its 13 seconds. Others are compiled where they are
// used.
#define LAMINA_EXTERN_ATTEND(...)                                                                          \
  extern template void attend<__VA_ARGS__>(const KvRows&, const AttendRows&, std::uint32_t, std::uint32_t, \
                                           std::uint32_t, float*) noexcept;                                \
  extern template void attend_spans<__VA_ARGS__>(const KvRows&, const AttendRows&, std::uint32_t,          \
                                                 std::uint32_t, std::uint32_t, SpanRange, float*,          \
                                                 float*) noexcept;                                         \
  extern template void merge_spans<__VA_ARGS__>(const AttendRows&, std::uint32_t, std::uint32_t,           \
                                                std::uint32_t, std::uint32_t, std::uint32_t, const float*, \
                                                float*) noexcept;
LAMINA_FOR_SHARED_LAYOUTS(LAMINA_EXTERN_ATTEND, CacheFormat::f32)
LAMINA_FOR_SHARED_LAYOUTS(LAMINA_EXTERN_ATTEND, CacheFormat::bf16)
LAMINA_FOR_SHARED_LAYOUTS(LAMINA_EXTERN_ATTEND, CacheFormat::int8)
#undef LAMINA_EXTERN_ATTEND

#endif

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
