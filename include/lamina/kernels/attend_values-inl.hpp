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
#include <lamina/kernels/attend_load-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace detail {
namespace hn = hwy::HWY_NAMESPACE;

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
  const std::byte* row = block.values + std::size_t{lo} * Layout::value_row_bytes;
  const float* const end = weights + hi;
  for (const float* weight = weights + lo; weight < end; ++weight, row += Layout::value_row_bytes) {
    V v0, v1;
    widen<Layout::format>(d, row, column, v0, v1);
    const V w0 = hn::Set(d, *weight);
    s00 = hn::MulAdd(w0, v0, s00);
    s01 = hn::MulAdd(w0, v1, s01);
    if constexpr (Q > 1) {
      const V w1 = hn::Set(d, weight[kv_block]);
      s10 = hn::MulAdd(w1, v0, s10);
      s11 = hn::MulAdd(w1, v1, s11);
    }
    if constexpr (Q > 2) {
      const V w2 = hn::Set(d, weight[2 * kv_block]);
      const V w3 = hn::Set(d, weight[3 * kv_block]);
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
