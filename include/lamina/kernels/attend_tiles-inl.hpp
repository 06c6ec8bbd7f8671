// SPDX-License-Identifier: Apache-2.0
// The register tiles of attention: query vectors × key rows (dot products), query vectors × value rows (sums).
// Source: text-decoder.md §2.4, §4.3.

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

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace detail {
namespace hn = hwy::HWY_NAMESPACE;

/// Largest power of two that divides both (0 is divisible by everything).
constexpr std::size_t common_power_of_two(std::size_t a, std::size_t b) noexcept { return (a | b) & (~(a | b) + 1); }

/// Vectors that divide a row, so that no row has a tail.
template <class Layout>
using ValueTag = hn::CappedTag<float, common_power_of_two(Layout::head_dim, 0)>;

/// Vectors that divide every segment of a key: the whole of it, or the parts that are rotated and not rotated.
template <class Layout>
using KeyTag = hn::CappedTag<float, Layout::key_is_value
                                        ? common_power_of_two(Layout::shared_pairs,
                                                              Layout::head_dim / 2 - Layout::shared_pairs)
                                        : common_power_of_two(Layout::head_dim, 0)>;

/// The rows of one block of one kv head.
struct KvBlock {
  const std::byte* keys;
  const std::byte* values;
  const float* key_scales;    ///< [kv_block]; scaled formats only
  const float* value_scales;  ///< [kv_block]; scaled formats only
};

/// Finds the block that starts at position `start`: contiguous, since blocks and slots are both multiples of it.
template <class Layout>
HWY_INLINE KvBlock block_of(const KvRows& cache, std::uint32_t kv_head, std::uint32_t start) noexcept {
  const std::size_t index = cache.row_index(kv_head, start);
  KvBlock block{cache.keys + index * Layout::key_row_bytes, cache.values + index * Layout::value_row_bytes, nullptr,
                nullptr};
  if constexpr (Layout::scaled) {
    block.key_scales = cache.key_scales + index;
    block.value_scales = cache.value_scales + index;
  }
  return block;
}

/// Loads Lanes(d) elements of a row from `column` on and widens them to float32 (int8 without its factor).
template <CacheFormat Format, class D>
HWY_INLINE hn::Vec<D> widen(D d, const std::byte* row, std::size_t column) noexcept {
  if constexpr (Format == CacheFormat::f32) {
    return hn::LoadU(d, reinterpret_cast<const float*>(row) + column);
  } else if constexpr (Format == CacheFormat::bf16) {
    const hn::Rebind<hwy::bfloat16_t, D> narrow;
    return hn::PromoteTo(d, hn::LoadU(narrow, reinterpret_cast<const hwy::bfloat16_t*>(row) + column));
  } else {
    const hn::Rebind<std::int8_t, D> narrow;
    const hn::Rebind<std::int32_t, D> wide;
    return hn::ConvertTo(d, hn::PromoteTo(wide, hn::LoadU(narrow, reinterpret_cast<const std::int8_t*>(row) + column)));
  }
}

// --- Scores ---

/// Adds the products of Q query vectors and K rows over `count` columns to Q·K ≤ 8 accumulators, a[q·K + k].
///
/// Eight accumulators cover FMA latency 4 at two a cycle and leave half of 16 registers for operands. They are named
/// one by one because vectors of scalable targets cannot be array elements.
template <CacheFormat Format, int Q, int K, class D, class V = hn::Vec<D>>
HWY_INLINE void add_products(D d, const float* const* q, std::size_t q_offset, const std::byte* rows,
                             std::size_t stride, std::size_t column, std::size_t count, V& a0, V& a1, V& a2, V& a3,
                             V& a4, V& a5, V& a6, V& a7) noexcept {
  static_assert(Q * K <= 8 && (K == 2 || K == 4), "lamina: add_products: 8 accumulators");
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t i = 0; i < count; i += lanes) {
    const V k0 = widen<Format>(d, rows, column + i);
    const V k1 = widen<Format>(d, rows + stride, column + i);
    const V q0 = hn::LoadU(d, q[0] + q_offset + i);
    a0 = hn::MulAdd(q0, k0, a0);
    a1 = hn::MulAdd(q0, k1, a1);
    if constexpr (K == 4) {
      const V k2 = widen<Format>(d, rows + 2 * stride, column + i);
      const V k3 = widen<Format>(d, rows + 3 * stride, column + i);
      a2 = hn::MulAdd(q0, k2, a2);
      a3 = hn::MulAdd(q0, k3, a3);
      if constexpr (Q == 2) {
        const V q1 = hn::LoadU(d, q[1] + q_offset + i);
        a4 = hn::MulAdd(q1, k0, a4);
        a5 = hn::MulAdd(q1, k1, a5);
        a6 = hn::MulAdd(q1, k2, a6);
        a7 = hn::MulAdd(q1, k3, a7);
      }
    } else {
      const V q1 = hn::LoadU(d, q[1] + q_offset + i);
      const V q2 = hn::LoadU(d, q[2] + q_offset + i);
      const V q3 = hn::LoadU(d, q[3] + q_offset + i);
      a2 = hn::MulAdd(q1, k0, a2);
      a3 = hn::MulAdd(q1, k1, a3);
      a4 = hn::MulAdd(q2, k0, a4);
      a5 = hn::MulAdd(q2, k1, a5);
      a6 = hn::MulAdd(q3, k0, a6);
      a7 = hn::MulAdd(q3, k1, a7);
    }
  }
}

/// Writes the dot products of Q query vectors with K keys from `key` on to scores[q, key].
template <class Layout, int Q, int K>
HWY_INLINE void score_tile(const KvBlock& block, const float* const* q, std::uint32_t key, float* scores) noexcept {
  constexpr CacheFormat format = Layout::format;
  const KeyTag<Layout> d;
  using V = hn::Vec<KeyTag<Layout>>;
  const std::byte* keys = block.keys + std::size_t{key} * Layout::key_row_bytes;
  V a0 = hn::Zero(d), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
  if constexpr (!Layout::key_is_value) {
    add_products<format, Q, K>(d, q, 0, keys, Layout::key_row_bytes, 0, Layout::head_dim, a0, a1, a2, a3, a4, a5, a6,
                               a7);
  } else {
    constexpr std::size_t pairs = Layout::shared_pairs;
    constexpr std::size_t half = Layout::head_dim / 2;
    constexpr std::size_t still = half - pairs;
    const std::byte* values = block.values + std::size_t{key} * Layout::value_row_bytes;
    add_products<format, Q, K>(d, q, 0, values, Layout::value_row_bytes, pairs, still, a0, a1, a2, a3, a4, a5, a6, a7);
    add_products<format, Q, K>(d, q, still, values, Layout::value_row_bytes, half + pairs, still, a0, a1, a2, a3, a4,
                               a5, a6, a7);
    if constexpr (!Layout::scaled) {
      add_products<format, Q, K>(d, q, 2 * still, keys, Layout::key_row_bytes, 0, 2 * pairs, a0, a1, a2, a3, a4, a5,
                                 a6, a7);
    } else {
      // Two rows, two factors: each part is multiplied by its own before the one sum over lanes.
      V b0 = hn::Zero(d), b1 = b0, b2 = b0, b3 = b0, b4 = b0, b5 = b0, b6 = b0, b7 = b0;
      add_products<format, Q, K>(d, q, 2 * still, keys, Layout::key_row_bytes, 0, 2 * pairs, b0, b1, b2, b3, b4, b5,
                                 b6, b7);
      const float* ks = block.key_scales + key;
      const float* vs = block.value_scales + key;
      constexpr std::size_t last = K - 1;
      const auto join = [d, ks, vs](V& a, V b, std::size_t k) HWY_ATTR {
        a = hn::MulAdd(b, hn::Set(d, ks[k]), hn::Mul(a, hn::Set(d, vs[k])));
      };
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
  const auto put = [d, scores, key](V a, std::size_t index) HWY_ATTR {
    scores[index / K * kv_block + key + index % K] = hn::GetLane(hn::SumOfLanes(d, a));
  };
  put(a0, 0);
  put(a1, 1);
  put(a2, 2);
  put(a3, 3);
  if constexpr (Q > 1) {
    put(a4, 4);
    put(a5, 5);
    put(a6, 6);
    put(a7, 7);
  }
}

/// Writes scores[q, key] of Q query vectors for keys lo, ..., hi - 1, and for the keys that complete a tile of K:
/// these lie inside the block, and their scores are never used.
///
/// Shapes    q [4] pointers, Q of them used · scores [Q, kv_block]
template <class Layout, int Q, int K>
HWY_INLINE void score_keys(const KvBlock& block, const float* const* q, std::uint32_t lo, std::uint32_t hi,
                           float* scores) noexcept {
  for (std::uint32_t key = lo / K * K; key < hi; key += K) score_tile<Layout, Q, K>(block, q, key, scores);
}

// --- Weighted sums of values ---

/// Adds Σ_k weights[q, k] · value[k] to out[q] for Q vectors and `C` vectors of columns from `column` on.
template <class Layout, int Q, int C>
HWY_INLINE void add_value_columns(const KvBlock& block, std::uint32_t lo, std::uint32_t hi, const float* weights,
                                  const float* rescale, float* out, std::size_t column) noexcept {
  constexpr std::size_t dim = Layout::head_dim;
  const ValueTag<Layout> d;
  using V = hn::Vec<ValueTag<Layout>>;
  const std::size_t lanes = hn::Lanes(d);
  const auto start = [d, out, column, lanes, rescale](std::size_t q, std::size_t c) HWY_ATTR {
    const V older = hn::LoadU(d, out + q * dim + column + c * lanes);
    return rescale != nullptr ? hn::Mul(older, hn::Set(d, rescale[q])) : older;
  };
  // Unused accumulators (Q < 4, C < 2) repeat used ones and are dropped by the compiler.
  V s00 = start(0, 0), s01 = start(0, C - 1);
  V s10 = start(Q > 1 ? 1 : 0, 0), s11 = start(Q > 1 ? 1 : 0, C - 1);
  V s20 = start(Q > 2 ? 2 : 0, 0), s21 = start(Q > 2 ? 2 : 0, C - 1);
  V s30 = start(Q > 2 ? 3 : 0, 0), s31 = start(Q > 2 ? 3 : 0, C - 1);
  for (std::uint32_t key = lo; key < hi; ++key) {
    const std::byte* row = block.values + std::size_t{key} * Layout::value_row_bytes;
    const V v0 = widen<Layout::format>(d, row, column);
    const V v1 = C > 1 ? widen<Layout::format>(d, row, column + lanes * (C - 1)) : v0;
    const V w0 = hn::Set(d, weights[key]);
    s00 = hn::MulAdd(w0, v0, s00);
    if constexpr (C > 1) s01 = hn::MulAdd(w0, v1, s01);
    if constexpr (Q > 1) {
      const V w1 = hn::Set(d, weights[kv_block + key]);
      s10 = hn::MulAdd(w1, v0, s10);
      if constexpr (C > 1) s11 = hn::MulAdd(w1, v1, s11);
    }
    if constexpr (Q > 2) {
      const V w2 = hn::Set(d, weights[2 * kv_block + key]);
      const V w3 = hn::Set(d, weights[3 * kv_block + key]);
      s20 = hn::MulAdd(w2, v0, s20);
      s30 = hn::MulAdd(w3, v0, s30);
      if constexpr (C > 1) {
        s21 = hn::MulAdd(w2, v1, s21);
        s31 = hn::MulAdd(w3, v1, s31);
      }
    }
  }
  const auto put = [d, out, column, lanes](V s, std::size_t q, std::size_t c) HWY_ATTR {
    hn::StoreU(s, d, out + q * dim + column + c * lanes);
  };
  put(s00, 0, 0);
  if constexpr (C > 1) put(s01, 0, 1);
  if constexpr (Q > 1) {
    put(s10, 1, 0);
    if constexpr (C > 1) put(s11, 1, 1);
  }
  if constexpr (Q > 2) {
    put(s20, 2, 0);
    put(s30, 3, 0);
    if constexpr (C > 1) {
      put(s21, 2, 1);
      put(s31, 3, 1);
    }
  }
}

/// Adds the weighted value rows lo, ..., hi - 1 to Q vectors, which are first multiplied by `rescale` if given.
///
/// Shapes    weights [Q, kv_block] · rescale [Q] or null · out [Q, head_dim]
template <class Layout, int Q>
HWY_INLINE void add_value_rows(const KvBlock& block, std::uint32_t lo, std::uint32_t hi, const float* weights,
                               const float* rescale, float* out) noexcept {
  const std::size_t lanes = hn::Lanes(ValueTag<Layout>());
  std::size_t column = 0;
  for (; column + 2 * lanes <= Layout::head_dim; column += 2 * lanes) {
    add_value_columns<Layout, Q, 2>(block, lo, hi, weights, rescale, out, column);
  }
  if (column < Layout::head_dim) {
    add_value_columns<Layout, Q, 1>(block, lo, hi, weights, rescale, out, column);
  }
}

}  // namespace detail
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
