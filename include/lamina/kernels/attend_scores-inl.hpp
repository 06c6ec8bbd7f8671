// SPDX-License-Identifier: Apache-2.0
// The register tile of scores: dot products of a few query vectors with a few key rows.
// Source: text-decoder.md §2.4 (scale 1), §4.3 (keys rebuilt from values).

#if defined(LAMINA_KERNELS_ATTEND_SCORES_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_ATTEND_SCORES_INL_HPP
#undef LAMINA_KERNELS_ATTEND_SCORES_INL_HPP
#else
#define LAMINA_KERNELS_ATTEND_SCORES_INL_HPP
#endif

#include <cstddef>
#include <cstdint>

#include <lamina/simd/compat-inl.hpp>
#include <lamina/kernels/attend_load-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace detail {
namespace hn = hwy::HWY_NAMESPACE;

/// Query vectors that share a register tile, when `rest` are left.
constexpr std::uint32_t tile_height(std::uint32_t rest) noexcept { return rest >= 4 ? 4 : rest >= 2 ? 2 : 1; }

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

/// Adds the products of Q query vectors and K rows over `count` columns to Q·K ≤ 8 accumulators, a[q·K + k].
///
/// Eight accumulators cover FMA latency 4 at two a cycle and leave half of 16 registers for operands. They
/// are named one by one because vectors of scalable targets cannot be array elements.
template <CacheFormat Format, int Q, int K, class D, class V = hn::Vec<D>>
HWY_INLINE void add_products(D d, const float* packed, const std::byte* rows, std::size_t stride,
                             std::size_t column, std::size_t count, V& a0, V& a1, V& a2, V& a3, V& a4, V& a5,
                             V& a6, V& a7) noexcept {
  static_assert((Q == 4 && K == 2) || (Q <= 2 && K == 4), "lamina: add_products: at most 8 accumulators");
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t i = 0; i < count; i += 2 * lanes, packed += 2 * Q * lanes) {
    V k0, l0, k1, l1;
    widen<Format>(d, rows, column + i, k0, l0);
    widen<Format>(d, rows + stride, column + i, k1, l1);
    if constexpr (K == 2) {
      V q = load_query(d, packed);
      a0 = hn::MulAdd(q, k0, a0);
      a1 = hn::MulAdd(q, k1, a1);
      q = load_query(d, packed + lanes);
      a2 = hn::MulAdd(q, k0, a2);
      a3 = hn::MulAdd(q, k1, a3);
      q = load_query(d, packed + 2 * lanes);
      a4 = hn::MulAdd(q, k0, a4);
      a5 = hn::MulAdd(q, k1, a5);
      q = load_query(d, packed + 3 * lanes);
      a6 = hn::MulAdd(q, k0, a6);
      a7 = hn::MulAdd(q, k1, a7);
      q = load_query(d, packed + 4 * lanes);
      a0 = hn::MulAdd(q, l0, a0);
      a1 = hn::MulAdd(q, l1, a1);
      q = load_query(d, packed + 5 * lanes);
      a2 = hn::MulAdd(q, l0, a2);
      a3 = hn::MulAdd(q, l1, a3);
      q = load_query(d, packed + 6 * lanes);
      a4 = hn::MulAdd(q, l0, a4);
      a5 = hn::MulAdd(q, l1, a5);
      q = load_query(d, packed + 7 * lanes);
      a6 = hn::MulAdd(q, l0, a6);
      a7 = hn::MulAdd(q, l1, a7);
    } else {
      V k2, l2, k3, l3;
      widen<Format>(d, rows + 2 * stride, column + i, k2, l2);
      widen<Format>(d, rows + 3 * stride, column + i, k3, l3);
      V q = load_query(d, packed);
      a0 = hn::MulAdd(q, k0, a0);
      a1 = hn::MulAdd(q, k1, a1);
      a2 = hn::MulAdd(q, k2, a2);
      a3 = hn::MulAdd(q, k3, a3);
      q = load_query(d, packed + Q * lanes);
      a0 = hn::MulAdd(q, l0, a0);
      a1 = hn::MulAdd(q, l1, a1);
      a2 = hn::MulAdd(q, l2, a2);
      a3 = hn::MulAdd(q, l3, a3);
      if constexpr (Q == 2) {
        q = load_query(d, packed + lanes);
        a4 = hn::MulAdd(q, k0, a4);
        a5 = hn::MulAdd(q, k1, a5);
        a6 = hn::MulAdd(q, k2, a6);
        a7 = hn::MulAdd(q, k3, a7);
        q = load_query(d, packed + 3 * lanes);
        a4 = hn::MulAdd(q, l0, a4);
        a5 = hn::MulAdd(q, l1, a5);
        a6 = hn::MulAdd(q, l2, a6);
        a7 = hn::MulAdd(q, l3, a7);
      }
    }
  }
}

/// Writes the dot products of Q packed query vectors with K keys from `key` on to scores[q, key].
template <class Layout, int Q, int K>
HWY_INLINE void score_tile(const KvBlock& block, const float* packed, std::uint32_t key,
                           float* scores) noexcept {
  constexpr CacheFormat format = Layout::format;
  const KeyTag<Layout> d;
  using V = hn::Vec<KeyTag<Layout>>;
  const std::byte* keys = block.keys + std::size_t{key} * Layout::key_row_bytes;
  V a0 = hn::Zero(d), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
  if constexpr (!Layout::key_is_value) {
    add_products<format, Q, K>(d, packed, keys, Layout::key_row_bytes, 0, Layout::head_dim, a0, a1, a2, a3,
                               a4, a5, a6, a7);
  } else {
    constexpr std::size_t pairs = Layout::shared_pairs;
    constexpr std::size_t half = Layout::head_dim / 2;
    constexpr std::size_t still = half - pairs;
    const std::byte* values = block.values + std::size_t{key} * Layout::value_row_bytes;
    const float* rotated = packed + 2 * still * Q;
    add_products<format, Q, K>(d, packed, values, Layout::value_row_bytes, pairs, still, a0, a1, a2, a3, a4,
                               a5, a6, a7);
    add_products<format, Q, K>(d, packed + still * Q, values, Layout::value_row_bytes, half + pairs, still,
                               a0, a1, a2, a3, a4, a5, a6, a7);
    if constexpr (!Layout::scaled) {
      add_products<format, Q, K>(d, rotated, keys, Layout::key_row_bytes, 0, 2 * pairs, a0, a1, a2, a3, a4,
                                 a5, a6, a7);
    } else {
      // Two rows, two factors: each part is multiplied by its own before the one sum over lanes.
      V b0 = hn::Zero(d), b1 = b0, b2 = b0, b3 = b0, b4 = b0, b5 = b0, b6 = b0, b7 = b0;
      add_products<format, Q, K>(d, rotated, keys, Layout::key_row_bytes, 0, 2 * pairs, b0, b1, b2, b3, b4,
                                 b5, b6, b7);
      const float* ks = block.key_scales + key;
      const float* vs = block.value_scales + key;
      constexpr std::size_t last = K - 1;
      const auto join = [d, ks, vs](V& a, V b, std::size_t k)
                            HWY_ATTR { a = hn::MulAdd(b, hn::Set(d, ks[k]), hn::Mul(a, hn::Set(d, vs[k]))); };
      join(a0, b0, 0);
      join(a1, b1, 1);
      join(a2, b2, 2 & last);
      join(a3, b3, 3 & last);
      if constexpr (Q > 1) {
        join(a4, b4, 4 & last);
        join(a5, b5, 5 & last);
        join(a6, b6, 6 & last);
        join(a7, b7, 7 & last);
      }
    }
  }
  float sums[8];
  compat::StoreSums(d, a0, a1, a2, a3, sums);
  if constexpr (Q > 1) compat::StoreSums(d, a4, a5, a6, a7, sums + 4);
  for (std::size_t q = 0; q < Q; ++q) {
    for (std::size_t k = 0; k < K; ++k) scores[q * kv_block + key + k] = sums[q * K + k];
  }
}

/// Writes scores[q, key] of Q query vectors for keys lo, ..., hi - 1, and for the keys that complete a tile
/// of K: these lie inside the block, and their scores are never used.
///
/// Shapes    packed [Q · head_dim] from `pack_queries` · scores [Q, kv_block]
/// Effects   with `fetch`, asks for the rows that are read a chunk later
template <class Layout, int Q>
HWY_INLINE void score_keys(const KvBlock& block, const float* packed, std::uint32_t lo, std::uint32_t hi,
                           float* scores, bool fetch) noexcept {
  constexpr std::uint32_t K = Q == 4 ? 2 : 4;
  for (std::uint32_t key = lo / K * K; key < hi; key += K) {
    if (fetch) fetch_ahead(rows_after_keys<Layout>(block, key), K * Layout::key_row_bytes);
    score_tile<Layout, Q, K>(block, packed, key, scores);
  }
}

}  // namespace detail
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
