// SPDX-License-Identifier: Apache-2.0
// The keys and values that a drafter's layers read: those of the target's last layers of each class.
// Source: mtp-assistant.md §2.2.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <lamina/core/error.hpp>
#include <lamina/attention/kv_rows.hpp>
#include <lamina/forward/model_weights.hpp>
#include <lamina/layers/attention_kind.hpp>
#include <lamina/schedule/variant.hpp>
#include <lamina/state/sequence_cache.hpp>

namespace lamina {

/// The last layer of a cache that owns keys and values and has a window, or has none; null if there is none.
[[nodiscard]] inline const OwnedRows* last_owner(const SequenceCache& cache, bool has_window) noexcept {
  const OwnedRows* last = nullptr;
  for (const OwnedRows& owner : cache.owners) {
    if ((owner.window > 0) == has_window) last = &owner;
  }
  return last;
}

/// What the layers of drafter `V` read of one sequence of its target.
template <Variant V>
struct TargetViews {
  std::array<KvRows, static_cast<std::size_t>(layer_count<V>)> layers;

  /// Requires `check` found no error for this cache.
  void take(const SequenceCache& cache) noexcept {
    for (std::uint32_t i = 0; i < layers.size(); ++i) {
      const bool has_window = with_kind_of<V>(
          i, []<std::size_t K>() { return KindAt<kinds_of<V>, K>::attention::shape.window > 0; });
      layers[i] = last_owner(cache, has_window)->rows;
    }
  }

  /// Checks that a target's cache has what this drafter reads. Errors: mismatch
  [[nodiscard]] static Status check(const SequenceCache& cache, CacheFormats formats) noexcept {
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(layer_count<V>); ++i) {
      Error error;
      const bool fits = with_kind_of<V>(i, [&]<std::size_t K>() {
        const Status status = check_layer<typename KindAt<kinds_of<V>, K>::attention>(cache, formats);
        if (!status) error = status.error();
        return static_cast<bool>(status);
      });
      if (!fits) return error;
    }
    return Done{};
  }

 private:
  template <class Attention>
  static Status check_layer(const SequenceCache& cache, CacheFormats formats) noexcept {
    constexpr auto window = static_cast<std::uint32_t>(Attention::shape.window);
    const OwnedRows* owner = last_owner(cache, window > 0);
    if (owner == nullptr || owner->window != window) {
      return Error{ErrorCode::mismatch,
                   "drafter",
                   "the model has no layer with the window that the drafter reads",
                   text("window %u", window),
                   text("%u", owner == nullptr ? 0U : owner->window),
                   "open the drafter that belongs to the model"};
    }
    return check_cache_view<Attention>(owner->rows, formats);
  }
};

}  // namespace lamina
