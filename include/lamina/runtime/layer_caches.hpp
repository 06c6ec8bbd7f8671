// SPDX-License-Identifier: Apache-2.0
// Keys and values of one sequence: rings for layers with a window, arrays for the others, nothing for
// readers. Source: text-decoder.md §4.1 (slots of a ring), §2.4.3 (readers).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <lamina/core/arena.hpp>
#include <lamina/layers/attention_kind.hpp>
#include <lamina/runtime/model_weights.hpp>
#include <lamina/runtime/options.hpp>
#include <lamina/runtime/runner.hpp>
#include <lamina/schedule/variant.hpp>

namespace lamina {

/// Slots that an attention kind needs: the whole context, or its window and the rows that one pass writes
/// before they attend.
template <AttentionKind Kind>
[[nodiscard]] constexpr std::uint32_t slots_for(std::uint32_t context, std::uint32_t pass_rows) noexcept {
  constexpr auto window = static_cast<std::uint32_t>(Kind::shape.window);
  return kv_slots(window == 0 ? context : std::min(context, window - 1 + pass_rows));
}

/// The cache of one sequence for model `V`.
template <Variant V>
class CacheOf final : public SequenceCache {
 public:
  /// Views by layer; a reader has its owner's.
  std::array<KvRows, static_cast<std::size_t>(layer_count<V>)> layers{};

  /// Takes the memory of all owners from `arena`. Over a measuring arena only counts.
  void take(const EngineOptions& engine, const SequenceOptions& sequence, Arena& arena) noexcept {
    for (std::uint32_t i = 0; i < layers.size(); ++i) {
      const auto owner = static_cast<std::uint32_t>(kv_owner<V>(static_cast<int>(i)));
      layers[i] = owner < i ? layers[owner] : with_kind_of<V>(i, [&]<std::size_t K>() {
        using Attention = typename KindAt<kinds_of<V>, K>::attention;
        KvRows rows;
        with_cache_format(engine.cache, [&](auto format) {
          rows = take_kv_rows<LayoutOf<Attention, format()>>(
              arena, static_cast<std::uint32_t>(Attention::shape.kv_heads),
              slots_for<Attention>(sequence.context, engine.rows));
        });
        return rows;
      });
    }
  }
};

}  // namespace lamina
