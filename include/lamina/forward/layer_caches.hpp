// SPDX-License-Identifier: Apache-2.0
// Keys and values of one sequence: rings for layers with a window, pages for the others, nothing for readers.
// Source: text-decoder.md §4.1 (slots of a ring), §2.4.3 (readers).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <lamina/core/arena.hpp>
#include <lamina/layers/attention_kind.hpp>
#include <lamina/forward/model_weights.hpp>
#include <lamina/engine/options.hpp>
#include <lamina/engine/runner.hpp>
#include <lamina/schedule/variant.hpp>

namespace lamina {

/// Blocks of the ring of a kind with a window: the window, and the rows that one pass writes before they
/// attend.
template <AttentionKind Kind>
[[nodiscard]] constexpr std::uint32_t ring_blocks(std::uint32_t context, std::uint32_t pass_rows) noexcept {
  constexpr auto window = static_cast<std::uint32_t>(Kind::shape.window);
  return kv_blocks(std::min(context, window - 1 + pass_rows));
}

/// The cache of one sequence for model `V`.
template <Variant V>
class CacheOf final : public SequenceCache {
 public:
  constexpr CacheOf() noexcept {}  // an aggregate would need the protected destructor of its base

  /// Views by layer; a reader has its owner's.
  std::array<KvRows, static_cast<std::size_t>(layer_count<V>)> layers{};

  /// Takes the rings and the table of pages from `arena`; views carry the key norms of their owners in
  /// `weights`, if given. Over a measuring arena only counts.
  constexpr void take(const EngineOptions& engine, const SequenceOptions& sequence,
                      const ModelWeights<V>* weights, Arena& arena) noexcept {
    pages = arena.take<std::byte*>(page_bytes(engine.cache) > 0 ? kv_blocks(sequence.context) : 0);
    owners = arena.take<OwnedRows>(owner_count());
    std::size_t offset = 0;
    std::size_t owned = 0;
    for (std::uint32_t i = 0; i < layers.size(); ++i) {
      const auto owner = static_cast<std::uint32_t>(kv_owner<V>(static_cast<int>(i)));
      layers[i] = owner < i ? layers[owner] : with_kind_of<V>(i, [&]<std::size_t K>() {
        using Attention = typename KindAt<kinds_of<V>, K>::attention;
        constexpr auto kv_heads = static_cast<std::uint32_t>(Attention::shape.kv_heads);
        KvRows rows;
        with_cache_format(cache_format_of<Attention>(engine.cache), [&](auto format) {
          using Layout = LayoutOf<Attention, format()>;
          if constexpr (Attention::shape.window > 0) {
            rows =
                take_kv_ring<Layout>(arena, kv_heads, ring_blocks<Attention>(sequence.context, engine.rows));
          } else {
            rows = kv_view<Layout>(kv_heads);
            rows.blocks = pages.data();
            rows.offset = offset;
            rows.block_count = static_cast<std::uint32_t>(pages.size());
            offset += kv_block_bytes<Layout>(kv_heads);
          }
        });
        if (weights != nullptr) {
          rows.key_norm = key_norm_for_readers<Attention>(weights->template layer<K>(i).attention);
        }
        if (!owners.empty() && owner == i) {
          owners[owned++] = {rows, static_cast<std::uint32_t>(Attention::shape.window)};
        }
        return rows;
      });
    }
  }

  /// Layers that own keys and values.
  [[nodiscard]] static constexpr std::size_t owner_count() noexcept {
    std::size_t count = 0;
    for (int i = 0; i < layer_count<V>; ++i) count += kv_owner<V>(i) == i ? 1 : 0;
    return count;
  }

  /// Checks that every layer reads what lies in its cache. Errors: as `check_cache_view`
  [[nodiscard]] Status check(CacheFormats formats) const noexcept {
    for (std::uint32_t i = 0; i < layers.size(); ++i) {
      Error error;
      const bool fits = with_kind_of<V>(i, [&]<std::size_t K>() {
        const Status status =
            check_cache_view<typename KindAt<kinds_of<V>, K>::attention>(layers[i], formats);
        if (!status) error = status.error();
        return static_cast<bool>(status);
      });
      if (!fits) return error;
    }
    return Done{};
  }

  /// Bytes of the rings, and of what they are there for.
  [[nodiscard]] static constexpr RingBytes ring_bytes(const EngineOptions& engine,
                                                      const SequenceOptions& sequence) noexcept {
    RingBytes bytes;
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(layer_count<V>); ++i) {
      if (static_cast<std::uint32_t>(kv_owner<V>(static_cast<int>(i))) != i) continue;
      with_kind_of<V>(i, [&]<std::size_t K>() {
        using Attention = typename KindAt<kinds_of<V>, K>::attention;
        if constexpr (Attention::shape.window > 0) {
          with_cache_format(cache_format_of<Attention>(engine.cache), [&](auto format) {
            constexpr std::size_t block = kv_block_bytes<LayoutOf<Attention, format()>>(
                static_cast<std::uint32_t>(Attention::shape.kv_heads));
            bytes.rings += block * ring_blocks<Attention>(sequence.context, engine.rows);
            bytes.windows +=
                block / kv_block * static_cast<std::size_t>(kv_rows(Attention::shape, sequence.context));
          });
        }
      });
    }
    return bytes;
  }

  /// Bytes of a page: `kv_block` positions of all owners without a window.
  [[nodiscard]] static constexpr std::size_t page_bytes(CacheFormats cache) noexcept {
    std::size_t bytes = 0;
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(layer_count<V>); ++i) {
      if (static_cast<std::uint32_t>(kv_owner<V>(static_cast<int>(i))) != i) continue;
      with_kind_of<V>(i, [&]<std::size_t K>() {
        using Attention = typename KindAt<kinds_of<V>, K>::attention;
        if constexpr (Attention::shape.window == 0) {
          with_cache_format(cache_format_of<Attention>(cache), [&](auto format) {
            bytes += kv_block_bytes<LayoutOf<Attention, format()>>(
                static_cast<std::uint32_t>(Attention::shape.kv_heads));
          });
        }
      });
    }
    return bytes;
  }
};

}  // namespace lamina
