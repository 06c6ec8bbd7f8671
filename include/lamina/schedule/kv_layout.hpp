// SPDX-License-Identifier: Apache-2.0
// Bytes of cached keys and values: element formats, and what layers without value projection store. Source:
// text-decoder.md §4.1 (formulas), §4.3 (K from V).
#pragma once

#include <concepts>
#include <cstdint>

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

/// As types, cache formats by class of attention: `kv_bytes<V, ByClass<Bf16, Int8>>(tokens)`.
template <class Local, class Global>
struct ByClass {
  static constexpr CacheFormats format = CacheFormats(Local::format).with_global(Global::format);
};

/// Cache formats as a type: one for both classes of attention, or `ByClass`.
template <class T>
concept KvFormat = std::convertible_to<decltype(T::format), CacheFormats>;

/// Bytes of one element.
[[nodiscard]] constexpr int element_bytes(CacheFormat format) noexcept {
  return format == CacheFormat::f32 ? 4 : format == CacheFormat::bf16 ? 2 : 1;
}

/// Bytes of the scale that belongs to one stored vector of one head: a float32 for int8, else none.
[[nodiscard]] constexpr int scale_bytes(CacheFormat format) noexcept {
  return format == CacheFormat::int8 ? 4 : 0;
}

// --- Rows ---

/// Bytes of one stored vector of `columns` elements: rows start at multiples of 16 bytes.
[[nodiscard]] constexpr std::int64_t kv_vector_bytes(int columns, CacheFormat format) noexcept {
  return (std::int64_t{columns} * element_bytes(format) + 15) / 16 * 16;
}

/// Elements of K one head stores per token. Where V is the raw key (`key_is_value`), only the rotated ones:
/// the rest of K is V times the norm's weight (§4.3 a).
[[nodiscard]] constexpr int key_columns(const AttnShape& shape, int rotary_pairs) noexcept {
  return shape.key_is_value ? 2 * rotary_pairs : shape.head_dim;
}

/// Bytes one layer that owns keys and values stores per token it keeps, as the cache lies in memory. K and V
/// of a head each have their own scale.
[[nodiscard]] constexpr std::int64_t kv_row_bytes(const AttnShape& shape, int rotary_pairs,
                                                  CacheFormats formats) noexcept {
  const CacheFormat format = formats.of_window(shape.window);
  return std::int64_t{shape.kv_heads} * (kv_vector_bytes(key_columns(shape, rotary_pairs), format) +
                                         kv_vector_bytes(shape.head_dim, format) + 2 * scale_bytes(format));
}

/// Tokens one layer keeps of `tokens`: a local layer its window, a global one all.
[[nodiscard]] constexpr std::int64_t kv_rows(const AttnShape& shape, std::int64_t tokens) noexcept {
  return shape.window > 0 && shape.window < tokens ? shape.window : tokens;
}

}  // namespace lamina
