// SPDX-License-Identifier: Apache-2.0
// Where the keys and values of one sequence lie, for everybody who copies them: branches, snapshots, files.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <lamina/attention/kv_rows.hpp>
#include <lamina/schedule/kv_layout.hpp>

namespace lamina {

/// The cache of one layer that owns keys and values.
struct OwnedRows {
  KvRows rows;               ///< a ring, or this layer's part of the pages
  std::uint32_t window = 0;  ///< positions that a row sees at most, its own among them; 0: all, in pages
};

/// Keys and values of one sequence. Made by the core whose model it belongs to; opaque outside it, but for
/// the pages that somebody must provide, and for the bytes of the rows.
class SequenceCache {
 public:
  /// Pages of `kv_block` positions, first to last, null where there is none yet; room for the whole context.
  std::span<std::byte*> pages;
  /// By layer; those that read another's rows are not among them.
  std::span<OwnedRows> owners;

 protected:
  ~SequenceCache() = default;
};

/// Rows of one head, or their factors, that lie side by side in one block.
struct RowPiece {
  std::byte* data = nullptr;  ///< [count, stride] bytes
  std::size_t stride = 0;     ///< of a row; what lies behind `used` was never written
  std::size_t used = 0;
  std::uint32_t count = 0;

  [[nodiscard]] std::size_t bytes() const noexcept { return stride * count; }
};

/// Calls `visit(piece)` with all rows of positions [begin, end) of one layer: keys, values, then the factors
/// of both, each by head and position. Stops and returns false when `visit` does. So the pieces of a whole
/// block are its bytes front to back.
///
/// Requires  blocks for all these positions
template <class Visit>
bool visit_rows(const KvRows& rows, std::uint32_t begin, std::uint32_t end, Visit&& visit) noexcept {
  struct Part {
    std::size_t stride;
    std::size_t used;
  };
  const auto columns = [&](std::uint32_t count) {
    return Part{static_cast<std::size_t>(kv_vector_bytes(static_cast<int>(count), rows.format)),
                count * static_cast<std::size_t>(element_bytes(rows.format))};
  };
  const auto scale = static_cast<std::size_t>(scale_bytes(rows.format));
  // As a block lies in memory: see `head_rows`.
  const Part parts[] = {columns(rows.shared_pairs > 0 ? 2 * rows.shared_pairs : rows.head_dim),
                        columns(rows.head_dim),
                        {scale, scale},
                        {scale, scale}};
  std::size_t offset = rows.offset;
  for (const Part& part : parts) {
    for (std::uint32_t head = 0; head < rows.kv_heads && part.stride > 0; ++head) {
      for (std::uint32_t position = begin; position < end;) {
        const std::uint32_t count = std::min(end - position, kv_block - position % kv_block);
        const std::size_t row = std::size_t{head} * kv_block + position % kv_block;
        std::byte* data = rows.blocks[rows.block_of(position)] + offset + row * part.stride;
        if (!visit(RowPiece{data, part.stride, part.used, count})) return false;
        position += count;
      }
    }
    offset += rows.kv_heads * kv_block * part.stride;
  }
  return true;
}

/// Bytes of one position in one layer, as `visit_rows` shows them.
[[nodiscard]] inline std::size_t position_bytes(const KvRows& rows) noexcept {
  const std::uint32_t keys = rows.shared_pairs > 0 ? 2 * rows.shared_pairs : rows.head_dim;
  return rows.kv_heads *
         static_cast<std::size_t>(kv_vector_bytes(static_cast<int>(keys), rows.format) +
                                  kv_vector_bytes(static_cast<int>(rows.head_dim), rows.format) +
                                  2 * scale_bytes(rows.format));
}

/// Calls `visit` with the rows that a sequence of `end` tokens needs to go on: of layers with a window the
/// last `window` positions, of the others those from `first_in_pages` on.
///
/// The window of the last token is one more than the next one sees: with it the last token can be taken back.
template <class Visit>
bool visit_kept(const SequenceCache& cache, std::uint32_t first_in_pages, std::uint32_t end,
                Visit&& visit) noexcept {
  for (const OwnedRows& owner : cache.owners) {
    const std::uint32_t begin = owner.window > 0 ? end - std::min(end, owner.window) : first_in_pages;
    if (!visit_rows(owner.rows, begin, end, visit)) return false;
  }
  return true;
}

/// Bytes that `visit_kept` shows.
[[nodiscard]] inline std::uint64_t kept_bytes(const SequenceCache& cache, std::uint32_t first_in_pages,
                                              std::uint32_t end) noexcept {
  std::uint64_t bytes = 0;
  for (const OwnedRows& owner : cache.owners) {
    const std::uint64_t positions = owner.window > 0 ? std::min(end, owner.window) : end - first_in_pages;
    bytes += positions * position_bytes(owner.rows);
  }
  return bytes;
}

/// Copies the blocks of the rings that hold some of the first `position` tokens between caches of one plan.
inline void copy_rings(const SequenceCache& from, std::uint32_t position, const SequenceCache& to) noexcept {
  for (std::size_t i = 0; i < from.owners.size(); ++i) {
    if (from.owners[i].window == 0) continue;
    const KvRows& rows = from.owners[i].rows;
    const std::uint32_t used = std::min(rows.block_count, kv_blocks(position));
    for (std::uint32_t block = 0; block < used; ++block)
      std::memcpy(to.owners[i].rows.blocks[block], rows.blocks[block], kv_block * position_bytes(rows));
  }
}

}  // namespace lamina
