// SPDX-License-Identifier: Apache-2.0
// Writing keys and values into a layer's cache, reading them back, and shaping queries for K=V layers.
// Source: text-decoder.md §4.1, §4.3.

#if defined(LAMINA_KERNELS_KV_ROWS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_KERNELS_KV_ROWS_INL_HPP
#undef LAMINA_KERNELS_KV_ROWS_INL_HPP
#else
#define LAMINA_KERNELS_KV_ROWS_INL_HPP
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <lamina/simd/prelude.hpp>
#include <lamina/rows/elementwise-inl.hpp>
#include <lamina/attention/kv_rows.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// Encodes x [n] as one cache row and returns its factor (1 where the format has none).
template <CacheFormat Format>
HWY_INLINE float encode_kv_row(const float* x, std::byte* row, std::size_t n) noexcept {
  if constexpr (Format == CacheFormat::f32) {
    std::memcpy(row, x, n * sizeof(float));
    return 1.0F;
  } else if constexpr (Format == CacheFormat::bf16) {
    to_bf16(x, reinterpret_cast<std::uint16_t*>(row), n);
    return 1.0F;
  } else {
    return to_int8(x, reinterpret_cast<std::int8_t*>(row), n);
  }
}

/// Stores the keys and values of one position, for all kv heads.
///
/// Shapes    keys [kv_heads, head_dim], normed and rotated · values [kv_heads, head_dim], normed; both
/// float32
/// Effects   overwrites the slot of `position`; on K=V layers keeps only the rotated elements of the
/// keys
/// Cost      writes kv_heads · Layout::bytes_per_position bytes
/// Threads   safe for distinct positions
template <class Layout>
HWY_INLINE void store_kv(const KvRows& rows, std::uint32_t position, const float* keys,
                         const float* values) noexcept {
  constexpr std::size_t dim = Layout::head_dim;
  for (std::uint32_t head = 0; head < rows.kv_heads; ++head) {
    const KvHeadRows to = head_rows<Layout>(rows, head, position);
    const float* key = keys + head * dim;
    // Aligned, because GCC 12 moves small arrays as vectors and forgets to align the stack for it.
    HWY_ALIGN float rotated[Layout::key_columns];
    if constexpr (Layout::key_is_value) {
      std::memcpy(rotated, key, Layout::shared_pairs * sizeof(float));
      std::memcpy(rotated + Layout::shared_pairs, key + dim / 2, Layout::shared_pairs * sizeof(float));
      key = rotated;
    }
    const float key_scale = encode_kv_row<Layout::format>(key, to.keys, Layout::key_columns);
    const float value_scale = encode_kv_row<Layout::format>(values + head * dim, to.values, dim);
    if constexpr (Layout::scaled) {
      *to.key_scales = key_scale;
      *to.value_scales = value_scale;
    }
  }
}

/// Shapes queries for `attend`, in place: nothing to do but on K=V layers.
///
/// There the weight of k_norm moves from the key to the query for the elements that are not rotated, because
/// their key is weight ⊙ value; and the elements are put into the order [not rotated | rotated], the order in
/// which `attend` reads the two rows. Call it after q_norm and rotation, with the owner layer's k_norm
/// weight.
///
/// Shapes    queries [vectors, head_dim], vectors = rows · heads · key_norm [head_dim] (unused if K and V
/// differ)
template <class Layout>
HWY_INLINE void prepare_queries(float* queries, std::size_t vectors, const float* key_norm) noexcept {
  if constexpr (Layout::key_is_value) {
    constexpr std::size_t dim = Layout::head_dim;
    constexpr std::size_t pairs = Layout::shared_pairs;
    constexpr std::size_t still = dim / 2 - pairs;
    for (std::size_t v = 0; v < vectors; ++v) {
      float* q = queries + v * dim;
      HWY_ALIGN float shaped[dim];
      for (std::size_t i = 0; i < still; ++i) {
        shaped[i] = q[pairs + i] * key_norm[pairs + i];
        shaped[still + i] = q[dim / 2 + pairs + i] * key_norm[dim / 2 + pairs + i];
      }
      std::memcpy(shaped + 2 * still, q, pairs * sizeof(float));
      std::memcpy(shaped + 2 * still + pairs, q + dim / 2, pairs * sizeof(float));
      std::memcpy(q, shaped, sizeof shaped);
    }
  } else {
    static_cast<void>(queries);
    static_cast<void>(vectors);
    static_cast<void>(key_norm);
  }
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
