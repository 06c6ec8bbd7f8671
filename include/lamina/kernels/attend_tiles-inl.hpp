// SPDX-License-Identifier: Apache-2.0
// The register tiles of attention: query vectors × key rows (dot products), query vectors × value rows
// (sums). Source: text-decoder.md §2.4, §4.3.

#if defined(LAMINA_KERNELS_ATTEND_TILES_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_ATTEND_TILES_INL_HPP
#undef LAMINA_KERNELS_ATTEND_TILES_INL_HPP
#else
#define LAMINA_KERNELS_ATTEND_TILES_INL_HPP
#endif

#include <cstddef>
#include <cstdint>

#include <lamina/simd/prelude.hpp>
#include <lamina/kernels/kv_rows.hpp>

#include <hwy/cache_control.h>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace detail {
namespace hn = hwy::HWY_NAMESPACE;

/// Largest power of two that divides both (0 is divisible by everything).
constexpr std::size_t common_power_of_two(std::size_t a, std::size_t b) noexcept {
  return (a | b) & (~(a | b) + 1);
}

/// Vectors of which two divide a row, so that no row has a tail.
template <class Layout>
using ValueTag = hn::CappedTag<float, common_power_of_two(Layout::head_dim, 0) / 2>;

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

/// Asks for the cache lines of `bytes` bytes. Addresses behind the cache's end are harmless: this is only a
/// hint.
HWY_INLINE void fetch_ahead(const std::byte* from, std::size_t bytes) noexcept {
  constexpr std::size_t line = 64;
  for (std::size_t i = 0; i < bytes; i += line) hwy::Prefetch(from + i);
}

/// The rows of one block of one kv head.
struct KvBlock {
  const std::byte* keys;
  const std::byte* values;
  const float* key_scales;    ///< [kv_block]; scaled formats only
  const float* value_scales;  ///< [kv_block]; scaled formats only
};

/// Finds the block that starts at position `start`: contiguous, since blocks and slots are both multiples of
/// it.
template <class Layout>
HWY_INLINE KvBlock block_of(const KvRows& cache, std::uint32_t kv_head, std::uint32_t start) noexcept {
  const std::size_t index = cache.row_index(kv_head, start);
  KvBlock block{cache.keys + index * Layout::key_row_bytes, cache.values + index * Layout::value_row_bytes,
                nullptr, nullptr};
  if constexpr (Layout::scaled) {
    block.key_scales = cache.key_scales + index;
    block.value_scales = cache.value_scales + index;
  }
  return block;
}

/// The rows wanted a chunk after key `key` is scored: later keys, then the block's values. On K=V layers the
/// values are in the second-level cache by the time they are summed up, so scoring fetches the next block's
/// key rows.
template <class Layout>
HWY_INLINE const std::byte* rows_after_keys(const KvBlock& block, std::size_t key) noexcept {
  if constexpr (Layout::key_is_value) return block.keys + (key + kv_block) * Layout::key_row_bytes;
  const std::size_t later = key + attend_chunk;
  return later < kv_block ? block.keys + later * Layout::key_row_bytes
                          : block.values + (later - kv_block) * Layout::value_row_bytes;
}

/// The rows wanted a chunk after the values from `key` on are summed up: later values, then the next block's
/// keys; on K=V layers the next block's values.
template <class Layout>
HWY_INLINE const std::byte* rows_after_values(const KvBlock& block, std::size_t key) noexcept {
  if constexpr (Layout::key_is_value) return block.values + (key + kv_block) * Layout::value_row_bytes;
  const std::size_t later = key + attend_chunk;
  return later < kv_block ? block.values + later * Layout::value_row_bytes
                          : block.keys + later * Layout::key_row_bytes;
}

/// Elements of a row are handled in pairs of vectors. A pair of bf16 vectors holds the even and the odd
/// elements of its 2 · Lanes(d) columns: one load, one shift and one mask widen it, half the work of widening
/// in order. Queries are brought into the same order once, and results back at the end.
template <CacheFormat Format>
inline constexpr bool even_odd_pairs = Format == CacheFormat::bf16;

/// Loads 2 · Lanes(d) elements of a row from `column` on and widens them to float32 (int8 without its
/// factor).
template <CacheFormat Format, class D, class V = hn::Vec<D>>
HWY_INLINE void widen(D d, const std::byte* row, std::size_t column, V& first, V& second) noexcept {
  const std::size_t lanes = hn::Lanes(d);
  if constexpr (Format == CacheFormat::f32) {
    first = hn::LoadU(d, reinterpret_cast<const float*>(row) + column);
    second = hn::LoadU(d, reinterpret_cast<const float*>(row) + column + lanes);
  } else if constexpr (Format == CacheFormat::bf16) {
    const hn::Rebind<std::uint32_t, D> words;
    const auto both = hn::LoadU(words, reinterpret_cast<const std::uint32_t*>(row) + column / 2);
    first = hn::BitCast(d, hn::ShiftLeft<16>(both));
    second = hn::BitCast(d, hn::And(both, hn::Set(words, 0xFFFF0000U)));
  } else {
    const hn::Rebind<std::int8_t, D> narrow;
    const hn::Rebind<std::int32_t, D> wide;
    const auto* codes = reinterpret_cast<const std::int8_t*>(row) + column;
    first = hn::ConvertTo(d, hn::PromoteTo(wide, hn::LoadU(narrow, codes)));
    second = hn::ConvertTo(d, hn::PromoteTo(wide, hn::LoadU(narrow, codes + lanes)));
  }
}

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

// --- Scores ---

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
      V q = hn::LoadU(d, packed);
      a0 = hn::MulAdd(q, k0, a0);
      a1 = hn::MulAdd(q, k1, a1);
      q = hn::LoadU(d, packed + lanes);
      a2 = hn::MulAdd(q, k0, a2);
      a3 = hn::MulAdd(q, k1, a3);
      q = hn::LoadU(d, packed + 2 * lanes);
      a4 = hn::MulAdd(q, k0, a4);
      a5 = hn::MulAdd(q, k1, a5);
      q = hn::LoadU(d, packed + 3 * lanes);
      a6 = hn::MulAdd(q, k0, a6);
      a7 = hn::MulAdd(q, k1, a7);
      q = hn::LoadU(d, packed + 4 * lanes);
      a0 = hn::MulAdd(q, l0, a0);
      a1 = hn::MulAdd(q, l1, a1);
      q = hn::LoadU(d, packed + 5 * lanes);
      a2 = hn::MulAdd(q, l0, a2);
      a3 = hn::MulAdd(q, l1, a3);
      q = hn::LoadU(d, packed + 6 * lanes);
      a4 = hn::MulAdd(q, l0, a4);
      a5 = hn::MulAdd(q, l1, a5);
      q = hn::LoadU(d, packed + 7 * lanes);
      a6 = hn::MulAdd(q, l0, a6);
      a7 = hn::MulAdd(q, l1, a7);
    } else {
      V k2, l2, k3, l3;
      widen<Format>(d, rows + 2 * stride, column + i, k2, l2);
      widen<Format>(d, rows + 3 * stride, column + i, k3, l3);
      V q = hn::LoadU(d, packed);
      a0 = hn::MulAdd(q, k0, a0);
      a1 = hn::MulAdd(q, k1, a1);
      a2 = hn::MulAdd(q, k2, a2);
      a3 = hn::MulAdd(q, k3, a3);
      q = hn::LoadU(d, packed + Q * lanes);
      a0 = hn::MulAdd(q, l0, a0);
      a1 = hn::MulAdd(q, l1, a1);
      a2 = hn::MulAdd(q, l2, a2);
      a3 = hn::MulAdd(q, l3, a3);
      if constexpr (Q == 2) {
        q = hn::LoadU(d, packed + lanes);
        a4 = hn::MulAdd(q, k0, a4);
        a5 = hn::MulAdd(q, k1, a5);
        a6 = hn::MulAdd(q, k2, a6);
        a7 = hn::MulAdd(q, k3, a7);
        q = hn::LoadU(d, packed + 3 * lanes);
        a4 = hn::MulAdd(q, l0, a4);
        a5 = hn::MulAdd(q, l1, a5);
        a6 = hn::MulAdd(q, l2, a6);
        a7 = hn::MulAdd(q, l3, a7);
      }
    }
  }
}

/// Adds the blocks of four lanes of v and writes the four sums.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void add_blocks(D d, V v, float* out) noexcept {
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
  if constexpr (hn::MaxLanes(D()) > 4) {
    const hn::Half<D> half;
    add_blocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)), out);
    return;
  }
#endif
  hn::StoreU(v, d, out);
}

/// Writes the sums over lanes of four accumulators to out[0 .. 4).
template <class D, class V = hn::Vec<D>>
HWY_INLINE void sum_lanes_of_four(D d, V a, V b, V c, V e, float* out) noexcept {
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
  if constexpr (hn::MaxLanes(D()) >= 4) {
    // Transposes while adding: 9 operations for four sums in each block of 4 lanes, instead of 5 or more for
    // each one.
    const hn::Repartition<double, D> wide;
    const auto ab = hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
    const auto ce = hn::Add(hn::InterleaveLower(d, c, e), hn::InterleaveUpper(d, c, e));
    const auto low = hn::InterleaveLower(wide, hn::BitCast(wide, ab), hn::BitCast(wide, ce));
    const auto high = hn::InterleaveUpper(wide, hn::BitCast(wide, ab), hn::BitCast(wide, ce));
    add_blocks(d, hn::Add(hn::BitCast(d, low), hn::BitCast(d, high)), out);
    return;
  }
#endif
  out[0] = hn::GetLane(hn::SumOfLanes(d, a));
  out[1] = hn::GetLane(hn::SumOfLanes(d, b));
  out[2] = hn::GetLane(hn::SumOfLanes(d, c));
  out[3] = hn::GetLane(hn::SumOfLanes(d, e));
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
  sum_lanes_of_four(d, a0, a1, a2, a3, sums);
  if constexpr (Q > 1) sum_lanes_of_four(d, a4, a5, a6, a7, sums + 4);
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

// --- Weighted sums of values ---

/// Adds Σ_k weights[q, k] · value[k] to out[q] for Q vectors and one pair of column vectors from `column` on.
template <class Layout, int Q>
HWY_INLINE void add_value_columns(const KvBlock& block, std::uint32_t lo, std::uint32_t hi,
                                  const float* weights, const float* rescale, float* out,
                                  std::size_t column) noexcept {
  constexpr std::size_t dim = Layout::head_dim;
  const ValueTag<Layout> d;
  using V = hn::Vec<ValueTag<Layout>>;
  const std::size_t lanes = hn::Lanes(d);
  const auto start = [d, out, column, rescale](std::size_t q, std::size_t offset) HWY_ATTR {
    const V older = hn::LoadU(d, out + q * dim + column + offset);
    return rescale != nullptr ? hn::Mul(older, hn::Set(d, rescale[q])) : older;
  };
  // Accumulators of absent vectors (Q < 4) repeat present ones and are dropped by the compiler.
  constexpr std::size_t second = Q > 1 ? 1 : 0;
  constexpr std::size_t third = Q > 2 ? 2 : 0;
  constexpr std::size_t fourth = Q > 2 ? 3 : 0;
  V s00 = start(0, 0), s01 = start(0, lanes);
  V s10 = start(second, 0), s11 = start(second, lanes);
  V s20 = start(third, 0), s21 = start(third, lanes);
  V s30 = start(fourth, 0), s31 = start(fourth, lanes);
  for (std::uint32_t key = lo; key < hi; ++key) {
    V v0, v1;
    widen<Layout::format>(d, block.values + std::size_t{key} * Layout::value_row_bytes, column, v0, v1);
    const V w0 = hn::Set(d, weights[key]);
    s00 = hn::MulAdd(w0, v0, s00);
    s01 = hn::MulAdd(w0, v1, s01);
    if constexpr (Q > 1) {
      const V w1 = hn::Set(d, weights[kv_block + key]);
      s10 = hn::MulAdd(w1, v0, s10);
      s11 = hn::MulAdd(w1, v1, s11);
    }
    if constexpr (Q > 2) {
      const V w2 = hn::Set(d, weights[2 * kv_block + key]);
      const V w3 = hn::Set(d, weights[3 * kv_block + key]);
      s20 = hn::MulAdd(w2, v0, s20);
      s21 = hn::MulAdd(w2, v1, s21);
      s30 = hn::MulAdd(w3, v0, s30);
      s31 = hn::MulAdd(w3, v1, s31);
    }
  }
  const auto put = [d, out, column, lanes](V s0, V s1, std::size_t q) HWY_ATTR {
    hn::StoreU(s0, d, out + q * dim + column);
    hn::StoreU(s1, d, out + q * dim + column + lanes);
  };
  put(s00, s01, 0);
  if constexpr (Q > 1) put(s10, s11, 1);
  if constexpr (Q > 2) {
    put(s20, s21, 2);
    put(s30, s31, 3);
  }
}

/// Adds the weighted value rows lo, ..., hi - 1 to Q vectors, which are first multiplied by `rescale` if
/// given.
///
/// Shapes    weights [Q, kv_block] · rescale [Q] or null · out [Q, head_dim] in pairs of vectors
/// Effects   with `fetch`, asks for the rows that are read a chunk later, a few lines with each pair of
/// columns
template <class Layout, int Q>
HWY_INLINE void add_value_rows(const KvBlock& block, std::uint32_t lo, std::uint32_t hi, const float* weights,
                               const float* rescale, float* out, bool fetch) noexcept {
  const std::size_t step = 2 * hn::Lanes(ValueTag<Layout>());
  const std::size_t bytes = attend_chunk * step * sizeof(typename Layout::Element);
  const std::byte* later = rows_after_values<Layout>(block, lo);
  for (std::size_t column = 0; column < Layout::head_dim; column += step) {
    if (fetch) fetch_ahead(later + column / step * bytes, bytes);
    add_value_columns<Layout, Q>(block, lo, hi, weights, rescale, out, column);
  }
}

/// Multiplies a result in pairs of vectors by `factor` and brings its elements into order, in place.
///
/// Shapes    out [head_dim]
template <class Layout>
HWY_INLINE void finish_vector(float* out, float factor) noexcept {
  const ValueTag<Layout> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto f = hn::Set(d, factor);
  for (std::size_t i = 0; i < Layout::head_dim; i += 2 * lanes) {
    const auto first = hn::Mul(hn::LoadU(d, out + i), f);
    const auto second = hn::Mul(hn::LoadU(d, out + i + lanes), f);
    if constexpr (even_odd_pairs<Layout::format>) {
      hn::StoreInterleaved2(first, second, d, out + i);
    } else {
      hn::StoreU(first, d, out + i);
      hn::StoreU(second, d, out + i + lanes);
    }
  }
}

}  // namespace detail
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
