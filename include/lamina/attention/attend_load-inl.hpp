// SPDX-License-Identifier: Apache-2.0
// What scores and values share: vectors that fit a row, blocks, widening loads, fetching ahead, register
// tiles. Source: text-decoder.md §4.1, §4.3.

#if defined(LAMINA_KERNELS_ATTEND_LOAD_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_ATTEND_LOAD_INL_HPP
#undef LAMINA_KERNELS_ATTEND_LOAD_INL_HPP
#else
#define LAMINA_KERNELS_ATTEND_LOAD_INL_HPP
#endif

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <lamina/simd/prelude.hpp>
#include <lamina/attention/kv_rows.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace detail {
namespace hn = hwy::HWY_NAMESPACE;

/// Largest power of two that divides both (0 is divisible by everything).
constexpr std::size_t common_power_of_two(std::size_t a, std::size_t b) noexcept {
  return (a | b) & (~(a | b) + 1);
}

/// Vectors of which four divide a row, so that no row has a tail.
template <class Layout>
using ValueTag = hn::CappedTag<float, common_power_of_two(Layout::head_dim, 0) / 4>;

/// Vectors of which two divide every segment of a key: all of it, or the parts that are rotated and not
/// rotated.
template <class Layout>
using KeyTag = hn::CappedTag<float, Layout::key_is_value
                                        ? common_power_of_two(2 * Layout::shared_pairs,
                                                              Layout::head_dim / 2 - Layout::shared_pairs) /
                                              2
                                        : common_power_of_two(Layout::head_dim, 0) / 2>;

/// Keys whose rows stay in the first-level cache while all query vectors use them: 16 rows of 512 bf16 are 16
/// KiB. Also the distance at which rows are fetched ahead: a chunk takes microseconds to compute, memory
/// answers in 0.1.
inline constexpr std::uint32_t attend_chunk = 16;
static_assert(kv_block % attend_chunk == 0);

/// Asks for the cache lines of `bytes` bytes, into the second-level cache: the nearest one is full of what is
/// multiplied. Addresses behind the cache's end are harmless: this is only a hint.
///
/// One core of a Zen 4 that reads 19 GB/s, AVX2 code, 8 query heads at depth 16 384, in large pages: rows of
/// 256 bf16 11.2 GB/s (into the nearest cache 8.2), of 512 bf16 11.4 (7.4), of 512 with K=V 7.5 (6.2); from a
/// cache 11.6, 12.0 and 7.6.
HWY_INLINE void fetch_ahead(const std::byte* from, std::size_t bytes) noexcept {
  constexpr std::size_t line = 64;
  for (std::size_t i = 0; i < bytes; i += line) __builtin_prefetch(from + i, 0, 2);
}

/// The rows of one block of one kv head, and where those of the next one begin: only to be asked for ahead.
struct KvBlock {
  const std::byte* keys;
  const std::byte* values;
  const float* key_scales;    ///< [kv_block]; scaled formats only
  const float* value_scales;  ///< [kv_block]; scaled formats only
  const std::byte* next_keys;
  const std::byte* next_values;

  /// Nothing is read behind this block: memory that nobody has touched is slow to ask for.
  HWY_INLINE void reads_on_here() noexcept {
    next_keys = keys;
    next_values = values;
  }
};

/// Finds the block that starts at position `start`, a multiple of `kv_block`.
template <class Layout>
HWY_INLINE KvBlock block_of(const KvRows& cache, std::uint32_t kv_head, std::uint32_t start) noexcept {
  const KvHeadRows rows = head_rows<Layout>(cache, kv_head, start);
  KvBlock block{rows.keys, rows.values, rows.key_scales, rows.value_scales, rows.keys, rows.values};
  if (cache.blocks[cache.block_of(start + kv_block)] != nullptr) {
    const KvHeadRows next = head_rows<Layout>(cache, kv_head, start + kv_block);
    block.next_keys = next.keys;
    block.next_values = next.values;
  }
  return block;
}

/// The rows wanted a chunk after key `key` is scored: later keys, then the block's values. On K=V layers the
/// values are in the second-level cache by the time they are summed up, so scoring fetches the next block's
/// key rows.
template <class Layout>
HWY_INLINE const std::byte* rows_after_keys(const KvBlock& block, std::size_t key) noexcept {
  if constexpr (Layout::key_is_value) return block.next_keys + key * Layout::key_row_bytes;
  const std::size_t later = key + attend_chunk;
  return later < kv_block ? block.keys + later * Layout::key_row_bytes
                          : block.values + (later - kv_block) * Layout::value_row_bytes;
}

/// The rows wanted a chunk after the values from `key` on are summed up: later values, then the next block's
/// keys; on K=V layers the next block's values.
template <class Layout>
HWY_INLINE const std::byte* rows_after_values(const KvBlock& block, std::size_t key) noexcept {
  if constexpr (Layout::key_is_value) return block.next_values + key * Layout::value_row_bytes;
  const std::size_t later = key + attend_chunk;
  return later < kv_block ? block.values + later * Layout::value_row_bytes
                          : block.next_keys + (later - kv_block) * Layout::key_row_bytes;
}

/// Elements of a row are handled in pairs of vectors. A pair of bf16 vectors holds the even and the odd
/// elements of its 2 · Lanes(d) columns: one load, one shift and one mask widen it, half the work of widening
/// in order. Queries are brought into the same order once, and results back at the end.
template <CacheFormat Format>
inline constexpr bool even_odd_pairs = Format == CacheFormat::bf16;

/// Loads one vector of a pair (Half 0: its first, 1: its second) from the columns `column`, ..., `column` +
/// 2 · Lanes(d) - 1 of a row, widened to float32 (int8 without its factor).
template <CacheFormat Format, int Half, class D>
HWY_INLINE hn::Vec<D> widen(D d, const std::byte* row, std::size_t column) noexcept {
  const std::size_t offset = column + Half * hn::Lanes(d);
  if constexpr (Format == CacheFormat::f32) {
    return hn::LoadU(d, reinterpret_cast<const float*>(row) + offset);
  } else if constexpr (Format == CacheFormat::bf16) {
    const hn::Rebind<std::uint32_t, D> words;
    const auto both = hn::LoadU(words, reinterpret_cast<const std::uint32_t*>(row + column * 2));
    if constexpr (Half == 0) return hn::BitCast(d, hn::ShiftLeft<16>(both));
    return hn::BitCast(d, hn::And(both, hn::Set(words, 0xFFFF0000U)));
  } else {
    const hn::Rebind<std::int8_t, D> narrow;
    const hn::Rebind<std::int32_t, D> wide;
    return hn::ConvertTo(
        d, hn::PromoteTo(wide, hn::LoadU(narrow, reinterpret_cast<const std::int8_t*>(row) + offset)));
  }
}

// --- Register tiles ---

/// Query vectors that share a register tile, when `rest` are left. Six times two vectors of a row make twelve
/// accumulators: eight just cover an FMA's latency of 4 at two a cycle, so a late load cannot be made up for,
/// and need more loads for a product. (AVX2, against four times two: scores 0.84 instead of 0.79 of the FMA
/// peak, with a busy neighbour on the core 0.69 instead of 0.61.)
constexpr std::uint32_t tile_height(std::uint32_t rest) noexcept {
  return rest >= 6 ? 6 : rest >= 4 ? 4 : rest >= 2 ? 2 : 1;
}

/// Calls `step(height, vector)` for each register tile of `vectors` query vectors; `height` is a constant.
template <class Step>
HWY_INLINE void for_each_tile(std::uint32_t vectors, Step step) noexcept {
  for (std::uint32_t v = 0; v < vectors;) {
    const std::uint32_t height = tile_height(vectors - v);
    if (height == 6) step(std::integral_constant<int, 6>(), v);
    if (height == 4) step(std::integral_constant<int, 4>(), v);
    if (height == 2) step(std::integral_constant<int, 2>(), v);
    if (height == 1) step(std::integral_constant<int, 1>(), v);
    v += height;
  }
}

/// One row of a register tile: a[i] += x · y[i]. Accumulators have names of their own because vectors of
/// scalable targets cannot be array elements.
template <class V>
HWY_INLINE void add_products(V x, V y0, V y1, V& a0, V& a1) noexcept {
  a0 = hn::MulAdd(x, y0, a0);
  a1 = hn::MulAdd(x, y1, a1);
}
template <class V>
HWY_INLINE void add_products(V x, V y0, V y1, V y2, V y3, V& a0, V& a1, V& a2, V& a3) noexcept {
  add_products(x, y0, y1, a0, a1);
  add_products(x, y2, y3, a2, a3);
}

}  // namespace detail
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
