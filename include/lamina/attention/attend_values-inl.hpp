// SPDX-License-Identifier: Apache-2.0
// The register tile of results: sums of value rows, weighted for a few query vectors.
// Source: text-decoder.md §2.4.

#if defined(LAMINA_KERNELS_ATTEND_VALUES_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_ATTEND_VALUES_INL_HPP
#undef LAMINA_KERNELS_ATTEND_VALUES_INL_HPP
#else
#define LAMINA_KERNELS_ATTEND_VALUES_INL_HPP
#endif

#include <cstddef>
#include <cstdint>

#include <lamina/simd/prelude.hpp>
#include <lamina/attention/attend_load-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace detail {
namespace hn = hwy::HWY_NAMESPACE;

/// Vectors of a row that share a register tile with Q query vectors: one pair, or two pairs of the few that
/// leave room.
template <int Q>
inline constexpr std::size_t tile_vectors = Q >= 4 ? 2 : 4;

/// Adds Σ_k weights[q, k] · value[k] to out[q] for Q vectors and the tile's columns from `column` on.
template <class Layout, int Q>
HWY_INLINE void add_value_columns(const KvBlock& block, std::uint32_t lo, std::uint32_t hi,
                                  const float* weights, const float* rescale, float* out,
                                  std::size_t column) noexcept {
  constexpr CacheFormat format = Layout::format;
  constexpr std::size_t C = tile_vectors<Q>;
  const ValueTag<Layout> d;
  using V = hn::Vec<ValueTag<Layout>>;
  const std::size_t lanes = hn::Lanes(d);
  const auto place = [out, column, lanes](std::size_t i) {
    return out + i / C * Layout::head_dim + column + i % C * lanes;
  };
  // Accumulators that the tile does not have repeat the first one and are dropped by the compiler.
  const auto start = [d, place, rescale](std::size_t i) HWY_ATTR {
    const std::size_t present = i < Q * C ? i : 0;
    const V older = hn::LoadU(d, place(present));
    return rescale != nullptr ? hn::Mul(older, hn::Set(d, rescale[present / C])) : older;
  };
  V a0 = start(0), a1 = start(1), a2 = start(2), a3 = start(3), a4 = start(4), a5 = start(5), a6 = start(6),
    a7 = start(7), a8 = start(8), a9 = start(9), a10 = start(10), a11 = start(11);
  const std::byte* row = block.values + std::size_t{lo} * Layout::value_row_bytes;
  const float* const end = weights + hi;
  for (const float* weight = weights + lo; weight < end; ++weight, row += Layout::value_row_bytes) {
    const V v0 = widen<format, 0>(d, row, column);
    const V v1 = widen<format, 1>(d, row, column);
    if constexpr (C == 2) {
      add_products(hn::Set(d, weight[0]), v0, v1, a0, a1);
      add_products(hn::Set(d, weight[kv_block]), v0, v1, a2, a3);
      add_products(hn::Set(d, weight[2 * kv_block]), v0, v1, a4, a5);
      add_products(hn::Set(d, weight[3 * kv_block]), v0, v1, a6, a7);
      if constexpr (Q == 6) {
        add_products(hn::Set(d, weight[4 * kv_block]), v0, v1, a8, a9);
        add_products(hn::Set(d, weight[5 * kv_block]), v0, v1, a10, a11);
      }
    } else {
      const V v2 = widen<format, 0>(d, row, column + 2 * lanes);
      const V v3 = widen<format, 1>(d, row, column + 2 * lanes);
      add_products(hn::Set(d, weight[0]), v0, v1, v2, v3, a0, a1, a2, a3);
      if constexpr (Q == 2) add_products(hn::Set(d, weight[kv_block]), v0, v1, v2, v3, a4, a5, a6, a7);
    }
  }
  const auto put = [d, place](V s0, V s1, V s2, V s3, std::size_t i) HWY_ATTR {
    hn::StoreU(s0, d, place(i));
    hn::StoreU(s1, d, place(i + 1));
    hn::StoreU(s2, d, place(i + 2));
    hn::StoreU(s3, d, place(i + 3));
  };
  put(a0, a1, a2, a3, 0);
  if constexpr (Q * C > 4) put(a4, a5, a6, a7, 4);
  if constexpr (Q * C > 8) put(a8, a9, a10, a11, 8);
}

/// Adds the weighted value rows lo, ..., hi - 1 to Q vectors, which are first multiplied by `rescale` if
/// given.
///
/// Shapes    weights [Q, kv_block] · rescale [Q] or null · out [Q, head_dim] in pairs of vectors
/// Effects   with `fetch`, asks for the rows that are read a chunk later, a few lines with each tile
template <class Layout, int Q>
HWY_INLINE void add_value_rows(const KvBlock& block, std::uint32_t lo, std::uint32_t hi, const float* weights,
                               const float* rescale, float* out, bool fetch) noexcept {
  const std::size_t step = tile_vectors<Q> * hn::Lanes(ValueTag<Layout>());
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
