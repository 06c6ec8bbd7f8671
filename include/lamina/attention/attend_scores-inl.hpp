// SPDX-License-Identifier: Apache-2.0
// The register tile of scores: dot products of a few query vectors with a few key rows.
// Source: text-decoder.md §2.4 (scale 1), §4.3 (keys rebuilt from values).

#if defined(LAMINA_KERNELS_ATTEND_SCORES_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_ATTEND_SCORES_INL_HPP
#undef LAMINA_KERNELS_ATTEND_SCORES_INL_HPP
#else
#define LAMINA_KERNELS_ATTEND_SCORES_INL_HPP
#endif

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <lamina/simd/compat-inl.hpp>
#include <lamina/attention/attend_load-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace detail {
namespace hn = hwy::HWY_NAMESPACE;

/// Copies Q query vectors into the order in which `score_tile` reads them: [pair, half, Q, lanes], one
/// stream.
///
/// Shapes    q [Q] pointers to [head_dim] · packed [Q · head_dim]
template <class Layout, int Q>
HWY_INLINE void pack_queries(const float* const* q, float* packed) noexcept {
  const KeyTag<Layout> d;
  using V = hn::Vec<KeyTag<Layout>>;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t v = 0; v < Q; ++v) {
    for (std::size_t i = 0; i < Layout::head_dim; i += 2 * lanes) {
      V first = hn::LoadU(d, q[v] + i);
      V second = hn::LoadU(d, q[v] + i + lanes);
      if constexpr (even_odd_pairs<Layout::format>) hn::LoadInterleaved2(d, q[v] + i, first, second);
      hn::StoreU(first, d, packed + i * Q + v * lanes);
      hn::StoreU(second, d, packed + i * Q + (Q + v) * lanes);
    }
  }
}

/// Loads a vector of queries for all its products: as an operand in memory it would be loaded for each.
template <class D>
HWY_INLINE hn::Vec<D> load_query(D d, const float* packed) noexcept {
  auto q = hn::LoadU(d, packed);
  compat::pin(q);
  return q;
}

/// Keys that share a register tile with Q query vectors.
template <int Q>
inline constexpr std::uint32_t tile_keys = Q >= 4 ? 2 : 4;

/// Adds the products of Q query vectors and their keys in one vector of a pair of columns.
///
/// Shapes    packed [Q, lanes] · accumulators a[q · tile_keys<Q> + key]; those beyond are not touched
template <CacheFormat Format, int Q, int Half, class D, class V = hn::Vec<D>>
HWY_INLINE void add_columns(D d, const float* packed, const std::byte* rows, std::size_t stride,
                            std::size_t column, V& a0, V& a1, V& a2, V& a3, V& a4, V& a5, V& a6, V& a7, V& a8,
                            V& a9, V& a10, V& a11) noexcept {
  const std::size_t lanes = hn::Lanes(d);
  const V k0 = widen<Format, Half>(d, rows, column);
  const V k1 = widen<Format, Half>(d, rows + stride, column);
  if constexpr (tile_keys<Q> == 2) {
    add_products(load_query(d, packed), k0, k1, a0, a1);
    add_products(load_query(d, packed + lanes), k0, k1, a2, a3);
    add_products(load_query(d, packed + 2 * lanes), k0, k1, a4, a5);
    add_products(load_query(d, packed + 3 * lanes), k0, k1, a6, a7);
    if constexpr (Q == 6) {
      add_products(load_query(d, packed + 4 * lanes), k0, k1, a8, a9);
      add_products(load_query(d, packed + 5 * lanes), k0, k1, a10, a11);
    }
  } else {
    const V k2 = widen<Format, Half>(d, rows + 2 * stride, column);
    const V k3 = widen<Format, Half>(d, rows + 3 * stride, column);
    add_products(load_query(d, packed), k0, k1, k2, k3, a0, a1, a2, a3);
    if constexpr (Q == 2) add_products(load_query(d, packed + lanes), k0, k1, k2, k3, a4, a5, a6, a7);
  }
}

/// Adds the products of Q query vectors and their keys over `count` columns from `column` on.
template <CacheFormat Format, int Q, class D, class V = hn::Vec<D>>
HWY_INLINE void add_segment(D d, const float* packed, const std::byte* rows, std::size_t stride,
                            std::size_t column, std::size_t count, V& a0, V& a1, V& a2, V& a3, V& a4, V& a5,
                            V& a6, V& a7, V& a8, V& a9, V& a10, V& a11) noexcept {
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t i = 0; i < count; i += 2 * lanes, packed += 2 * Q * lanes) {
    add_columns<Format, Q, 0>(d, packed, rows, stride, column + i, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9,
                              a10, a11);
    // Without the fence GCC keeps what it loaded for the second half, and spills accumulators for it.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    add_columns<Format, Q, 1>(d, packed + Q * lanes, rows, stride, column + i, a0, a1, a2, a3, a4, a5, a6, a7,
                              a8, a9, a10, a11);
  }
}

/// Writes the dot products of Q packed query vectors with the tile's keys from `key` on to scores[q, key].
///
/// A function of its own, where GCC keeps all accumulators in registers: inlined, it spills some (measured on
/// AVX2: 0.84 of the FMA peak, inlined 0.57).
template <class Layout, int Q>
HWY_NOINLINE void score_tile(const KvBlock& block, const float* packed, std::uint32_t key,
                             float* scores) noexcept {
  constexpr CacheFormat format = Layout::format;
  constexpr std::size_t K = tile_keys<Q>;
  const KeyTag<Layout> d;
  using V = hn::Vec<KeyTag<Layout>>;
  const std::byte* keys = block.keys + std::size_t{key} * Layout::key_row_bytes;
  V a0 = hn::Zero(d), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0, a8 = a0, a9 = a0,
    a10 = a0, a11 = a0;
  if constexpr (!Layout::key_is_value) {
    add_segment<format, Q>(d, packed, keys, Layout::key_row_bytes, 0, Layout::head_dim, a0, a1, a2, a3, a4,
                           a5, a6, a7, a8, a9, a10, a11);
  } else {
    constexpr std::size_t pairs = Layout::shared_pairs;
    constexpr std::size_t half = Layout::head_dim / 2;
    constexpr std::size_t still = half - pairs;
    const std::byte* values = block.values + std::size_t{key} * Layout::value_row_bytes;
    const float* rotated = packed + 2 * still * Q;
    add_segment<format, Q>(d, packed, values, Layout::value_row_bytes, pairs, still, a0, a1, a2, a3, a4, a5,
                           a6, a7, a8, a9, a10, a11);
    add_segment<format, Q>(d, packed + still * Q, values, Layout::value_row_bytes, half + pairs, still, a0,
                           a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11);
    if constexpr (!Layout::scaled) {
      add_segment<format, Q>(d, rotated, keys, Layout::key_row_bytes, 0, 2 * pairs, a0, a1, a2, a3, a4, a5,
                             a6, a7, a8, a9, a10, a11);
    } else {
      // Two rows, two factors: each part is multiplied by its own before the one sum over lanes.
      V b0 = hn::Zero(d), b1 = b0, b2 = b0, b3 = b0, b4 = b0, b5 = b0, b6 = b0, b7 = b0, b8 = b0, b9 = b0,
        b10 = b0, b11 = b0;
      add_segment<format, Q>(d, rotated, keys, Layout::key_row_bytes, 0, 2 * pairs, b0, b1, b2, b3, b4, b5,
                             b6, b7, b8, b9, b10, b11);
      const float* ks = block.key_scales + key;
      const float* vs = block.value_scales + key;
      const auto join = [d, ks, vs](V& a, V b, std::size_t k)
                            HWY_ATTR { a = hn::MulAdd(b, hn::Set(d, ks[k]), hn::Mul(a, hn::Set(d, vs[k]))); };
      // Two or four keys: every four accumulators belong to the same ones.
      const auto join_four = [&join](V& x0, V& x1, V& x2, V& x3, V y0, V y1, V y2, V y3) HWY_ATTR {
        join(x0, y0, 0);
        join(x1, y1, 1);
        join(x2, y2, 2 % K);
        join(x3, y3, 3 % K);
      };
      join_four(a0, a1, a2, a3, b0, b1, b2, b3);
      join_four(a4, a5, a6, a7, b4, b5, b6, b7);
      join_four(a8, a9, a10, a11, b8, b9, b10, b11);
    }
  }
  float sums[12];
  compat::StoreSums(d, a0, a1, a2, a3, sums);
  if constexpr (Q * K > 4) compat::StoreSums(d, a4, a5, a6, a7, sums + 4);
  if constexpr (Q * K > 8) compat::StoreSums(d, a8, a9, a10, a11, sums + 8);
  for (std::size_t q = 0; q < Q; ++q)
    std::memcpy(scores + q * kv_block + key, sums + q * K, K * sizeof(float));
}

/// Writes scores[q, key] of Q query vectors for keys lo, ..., hi - 1, and for the keys that complete a tile
/// of K: these lie inside the block, and their scores are never used.
///
/// Shapes    packed [Q · head_dim] from `pack_queries` · scores [Q, kv_block]
/// Effects   with `fetch`, asks for the rows that are read a chunk later
template <class Layout, int Q>
HWY_INLINE void score_keys(const KvBlock& block, const float* packed, std::uint32_t lo, std::uint32_t hi,
                           float* scores, bool fetch) noexcept {
  constexpr std::uint32_t K = tile_keys<Q>;
  for (std::uint32_t key = lo / K * K; key < hi; key += K) {
    if (fetch) fetch_ahead(rows_after_keys<Layout>(block, key), K * Layout::key_row_bytes);
    score_tile<Layout, Q>(block, packed, key, scores);
  }
}

}  // namespace detail
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
