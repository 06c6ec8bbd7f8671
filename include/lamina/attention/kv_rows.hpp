// SPDX-License-Identifier: Apache-2.0
// How keys and values of one layer lie in memory: element formats, row sizes, rings, and views of them.
// Source: text-decoder.md §4.1 (ring), §4.3 (K from V, layout (a)).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/arena.hpp>
#include <lamina/core/config.hpp>
#include <lamina/core/types.hpp>
#include <lamina/schedule/kv_layout.hpp>

namespace lamina {

/// Positions whose scores are computed together, and the grain of memory: a block of them is contiguous.
/// Blocks start at multiples of it, so that the arithmetic of a query depends on positions only; 64 keys keep
/// a block of 512-wide bf16 rows (64 KiB) in the second-level cache.
inline constexpr std::uint32_t kv_block = 64;

/// Positions whose online softmax is independent of all others: the grain at which a context is split over
/// threads. Partial results are merged in order of position whether they come from one thread or from many.
/// 256 positions make the partial results about 3 % of the bytes of a bf16 cache, and let a window of 512 be
/// shared by two threads.
inline constexpr std::uint32_t kv_span = 256;
static_assert(kv_span % kv_block == 0);

/// Blocks that hold at least `positions` positions.
[[nodiscard]] constexpr std::uint32_t kv_blocks(std::uint32_t positions) noexcept {
  return (positions + kv_block - 1) / kv_block;
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
  static constexpr auto key_row_bytes = static_cast<std::size_t>(kv_vector_bytes(key_columns, Format));
  static constexpr auto value_row_bytes = static_cast<std::size_t>(kv_vector_bytes(value_columns, Format));

  /// Bytes of one position of one head, factors included: what decoding reads per position and kv head.
  static constexpr std::size_t bytes_per_position =
      key_row_bytes + value_row_bytes + (scaled ? 2 * sizeof(float) : 0);
};

/// Bytes of one layer's block: [kv_heads, kv_block] rows of keys, then of values, then the factors of both. A
/// head's rows are contiguous, because a head is the unit that a thread streams.
template <class Layout>
[[nodiscard]] constexpr std::size_t kv_block_bytes(std::uint32_t kv_heads) noexcept {
  return std::size_t{kv_heads} * kv_block * Layout::bytes_per_position;
}

/// A view of one layer's keys and values: blocks of `kv_block` positions, wherever they lie; owns nothing.
///
/// Layers with a window keep a ring of blocks; those that keep everything have as many blocks as the context,
/// which come into being as it fills. The view says how its owner wrote the rows, so that whoever reads them
/// (another layer, another model) needs nothing else of the owner: see `check_cache_view`.
struct KvRows {
  std::byte* const* blocks = nullptr;  ///< [block_count]; position p lies in block p / kv_block % block_count
  std::size_t offset = 0;              ///< of this layer in each block, in bytes
  std::uint32_t block_count = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t shared_pairs = 0;          ///< rotated pairs on K=V layers, else 0
  CacheFormat format = CacheFormat::bf16;  ///< of the elements
  const float* key_norm = nullptr;         ///< [head_dim] weight of the key's norm; only K=V layers have it

  [[nodiscard]] std::uint32_t block_of(std::uint32_t position) const noexcept {
    return position / kv_block % block_count;
  }
};

/// A view of rows in this layout that has no blocks yet.
template <class Layout>
[[nodiscard]] constexpr KvRows kv_view(std::uint32_t kv_heads) noexcept {
  KvRows rows;
  rows.kv_heads = kv_heads;
  rows.head_dim = Layout::head_dim;
  rows.shared_pairs = Layout::shared_pairs;
  rows.format = Layout::format;
  return rows;
}

/// Rows of one head in one block, from a position on; factors are null where the format has none.
struct KvHeadRows {
  std::byte* keys;      ///< [.., Layout::key_row_bytes]
  std::byte* values;    ///< [.., Layout::value_row_bytes]
  float* key_scales;    ///< [..]
  float* value_scales;  ///< [..]
};

/// Rows of `kv_head` from `position` to the end of its block.
template <class Layout>
[[nodiscard]] inline KvHeadRows head_rows(const KvRows& rows, std::uint32_t kv_head,
                                          std::uint32_t position) noexcept {
  std::byte* block = rows.blocks[rows.block_of(position)] + rows.offset;
  const std::size_t row = std::size_t{kv_head} * kv_block + position % kv_block;
  const std::size_t all_rows = std::size_t{rows.kv_heads} * kv_block;
  std::byte* values = block + all_rows * Layout::key_row_bytes;
  KvHeadRows found{block + row * Layout::key_row_bytes, values + row * Layout::value_row_bytes, nullptr,
                   nullptr};
  if constexpr (Layout::scaled) {
    auto* scales = reinterpret_cast<float*>(values + all_rows * Layout::value_row_bytes);
    found.key_scales = scales + row;
    found.value_scales = scales + all_rows + row;
  }
  return found;
}

/// Takes a ring of `block_count` blocks for one layer from `arena`, untouched: attention reads only rows that
/// were stored. Works on a measuring arena too (the view is then empty).
template <class Layout>
[[nodiscard]] constexpr KvRows take_kv_ring(Arena& arena, std::uint32_t kv_heads,
                                            std::uint32_t block_count) noexcept {
  LAMINA_DCHECK(block_count > 0);
  const std::size_t bytes = kv_block_bytes<Layout>(kv_heads);
  const std::span<std::byte*> blocks = arena.take<std::byte*>(block_count);
  std::byte* memory = arena.take_untouched<std::byte>(block_count * bytes).data();
  if (memory != nullptr) {
    for (std::byte*& block : blocks)
      block = memory + static_cast<std::size_t>(&block - blocks.data()) * bytes;
  }
  KvRows rows = kv_view<Layout>(kv_heads);
  rows.blocks = blocks.data();
  rows.block_count = block_count;
  return rows;
}

}  // namespace lamina
