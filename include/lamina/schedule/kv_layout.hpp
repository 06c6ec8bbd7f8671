// SPDX-License-Identifier: Apache-2.0
// Bytes of cached keys and values: element formats, and the layouts that layers without value projection
// allow. Source: text-decoder.md §4.1 (formulas), §4.3 (K from V).
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <lamina/core/types.hpp>
#include <lamina/schedule/shapes.hpp>

namespace lamina {

// --- Element formats ---

/// Cache formats as types, for facts that are template arguments: `kv_bytes<V, Bf16>(tokens)`.
struct Bf16 {
  static constexpr CacheFormat format = CacheFormat::bf16;
};
struct Int8 {
  static constexpr CacheFormat format = CacheFormat::int8;
};
struct F32 {
  static constexpr CacheFormat format = CacheFormat::f32;
};

/// A cache format as type.
template <class T>
concept KvFormat = std::same_as<std::remove_cvref_t<decltype(T::format)>, CacheFormat>;

/// Bytes of one element.
[[nodiscard]] constexpr int element_bytes(CacheFormat format) noexcept {
  return format == CacheFormat::f32 ? 4 : format == CacheFormat::bf16 ? 2 : 1;
}

/// Bytes of the scale that belongs to one stored vector of one head: a float32 for int8, else none.
[[nodiscard]] constexpr int scale_bytes(CacheFormat format) noexcept {
  return format == CacheFormat::int8 ? 4 : 0;
}

// --- Layouts ---

/// What is stored where V is the raw key (`key_is_value`, §4.3). Layers with an own V always store both.
enum class KvLayout : std::uint8_t {
  key_and_value,          ///< K and V
  value_and_rotated_key,  ///< V and the rotated elements of K; the rest of K is V times the norm weight
  value_only,             ///< V; K is rotated again at each use
};

/// Elements of K one head stores per token.
[[nodiscard]] constexpr int key_columns(const AttnShape& shape, int rotary_pairs, KvLayout layout) noexcept {
  if (!shape.key_is_value || layout == KvLayout::key_and_value) return shape.head_dim;
  return layout == KvLayout::value_and_rotated_key ? 2 * rotary_pairs : 0;
}

/// Bytes one layer stores per token it keeps. K and V of a head each have their own scale.
[[nodiscard]] constexpr std::int64_t kv_row_bytes(const AttnShape& shape, int rotary_pairs,
                                                  CacheFormat format, KvLayout layout) noexcept {
  const int key = key_columns(shape, rotary_pairs, layout);
  const int vectors = key > 0 ? 2 : 1;
  return std::int64_t{shape.kv_heads} *
         ((key + shape.head_dim) * element_bytes(format) + vectors * scale_bytes(format));
}

/// Tokens one layer keeps of `tokens`: a local layer its window, a global one all.
[[nodiscard]] constexpr std::int64_t kv_rows(const AttnShape& shape, std::int64_t tokens) noexcept {
  return shape.window > 0 && shape.window < tokens ? shape.window : tokens;
}

}  // namespace lamina
