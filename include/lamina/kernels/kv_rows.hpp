// SPDX-License-Identifier: Apache-2.0
// How keys and values of one layer lie in memory: element formats, row sizes, rings, and views of them.
// Source: text-decoder.md §4.1 (ring), §4.3 (K from V, layout (a)).
#pragma once

#include <cstddef>
#include <cstdint>

#include <lamina/core/arena.hpp>
#include <lamina/core/config.hpp>
#include <lamina/core/types.hpp>

namespace lamina {

/// Positions whose scores are computed together. Blocks start at multiples of it, so that the arithmetic of a
/// query depends on positions only; 64 keys keep a block of 512-wide bf16 rows (64 KiB) in the second-level
/// cache.
inline constexpr std::uint32_t kv_block = 64;

/// Positions whose online softmax is independent of all others: the grain at which a context is split over
/// threads. Partial results are merged in order of position whether they come from one thread or from many.
/// 256 positions make the partial results about 3 % of the bytes of a bf16 cache, and let a window of 512 be
/// shared by two threads.
inline constexpr std::uint32_t kv_span = 256;
static_assert(kv_span % kv_block == 0);

/// Slots to allocate for at least `positions`: rings and linear arrays hold whole blocks, so that a block is
/// always contiguous. A linear array is a ring that never wraps.
[[nodiscard]] constexpr std::uint32_t kv_slots(std::uint32_t positions) noexcept {
  return (positions + kv_block - 1) / kv_block * kv_block;
}

/// Element type of a cache format; `scaled` formats keep one float32 factor per row and head.
template <CacheFormat Format>
struct KvFormatTraits;
template <>
struct KvFormatTraits<CacheFormat::f32> {
  using Element = float;
  static constexpr bool scaled = false;
};
template <>
struct KvFormatTraits<CacheFormat::bf16> {
  using Element = std::uint16_t;  ///< upper half of a float32, rounded to nearest even
  static constexpr bool scaled = false;
};
template <>
struct KvFormatTraits<CacheFormat::int8> {
  using Element = std::int8_t;  ///< value = code · factor, factor = max|x| / 127
  static constexpr bool scaled = true;
};

/// Layout of the rows of one layer's cache.
///
/// `SharedPairs` is 0 where keys and values differ. On K=V layers it is the number of rotated pairs: the
/// value row then serves as key for the elements that are not rotated, and the key row holds only the rotated
/// ones, elements [0, SharedPairs) and [HeadDim/2, HeadDim/2 + SharedPairs) of the key, side by side.
template <int HeadDim, CacheFormat Format, int SharedPairs = 0>
struct KvRowLayout {
  static_assert(HeadDim > 0 && HeadDim % 4 == 0, "lamina: KvRowLayout: head_dim must be a multiple of 4");
  static_assert(SharedPairs >= 0 && SharedPairs <= HeadDim / 2,
                "lamina: KvRowLayout: rotated pairs must be at most head_dim / 2");
  static_assert(
      SharedPairs % 2 == 0,
      "lamina: KvRowLayout: K=V layers need an even number of rotated pairs; choose head_dim a multiple "
      "of 16");

  using Traits = KvFormatTraits<Format>;
  using Element = typename Traits::Element;
  static constexpr CacheFormat format = Format;
  static constexpr bool scaled = Traits::scaled;
  static constexpr int head_dim = HeadDim;
  static constexpr int shared_pairs = SharedPairs;
  static constexpr bool key_is_value = SharedPairs > 0;
  static constexpr int key_columns = key_is_value ? 2 * SharedPairs : HeadDim;
  static constexpr int value_columns = HeadDim;

  /// Bytes of one head's row, padded so that every row starts at a multiple of 16 bytes.
  static constexpr std::size_t key_row_bytes = (std::size_t{key_columns} * sizeof(Element) + 15) / 16 * 16;
  static constexpr std::size_t value_row_bytes =
      (std::size_t{value_columns} * sizeof(Element) + 15) / 16 * 16;

  /// Bytes of one position of one head, factors included: what decoding reads per position and kv head.
  static constexpr std::size_t bytes_per_position =
      key_row_bytes + value_row_bytes + (scaled ? 2 * sizeof(float) : 0);
};

/// A view of one layer's keys and values; owns nothing. Position p lives in slot p % slots.
///
/// Each head's rows are contiguous, [kv_heads, slots, row], because a head is the unit that a thread streams:
/// one linear walk per head and no stride, at any number of heads.
struct KvRows {
  std::byte* keys = nullptr;      ///< [kv_heads, slots, Layout::key_row_bytes]
  std::byte* values = nullptr;    ///< [kv_heads, slots, Layout::value_row_bytes]
  float* key_scales = nullptr;    ///< [kv_heads, slots]; scaled formats only
  float* value_scales = nullptr;  ///< [kv_heads, slots]; scaled formats only
  std::uint32_t kv_heads = 0;
  std::uint32_t slots = 0;  ///< multiple of kv_block

  [[nodiscard]] std::uint32_t slot_of(std::uint32_t position) const noexcept { return position % slots; }
  /// Index of the row of `position` and `kv_head` in any of the four arrays.
  [[nodiscard]] std::size_t row_index(std::uint32_t kv_head, std::uint32_t position) const noexcept {
    return std::size_t{kv_head} * slots + slot_of(position);
  }
};

/// Takes the arrays of one layer from `arena`. Works on a measuring arena too (the view is then empty).
///
/// Requires  slots is a multiple of kv_block and > 0
template <class Layout>
[[nodiscard]] KvRows take_kv_rows(Arena& arena, std::uint32_t kv_heads, std::uint32_t slots) noexcept {
  LAMINA_DCHECK(slots > 0 && slots % kv_block == 0);
  const std::size_t rows = std::size_t{kv_heads} * slots;
  KvRows view;
  view.kv_heads = kv_heads;
  view.slots = slots;
  view.keys = arena.take<std::byte>(rows * Layout::key_row_bytes).data();
  view.values = arena.take<std::byte>(rows * Layout::value_row_bytes).data();
  if constexpr (Layout::scaled) {
    view.key_scales = arena.take<float>(rows).data();
    view.value_scales = arena.take<float>(rows).data();
  }
  return view;
}

}  // namespace lamina
