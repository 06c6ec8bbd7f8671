// SPDX-License-Identifier: Apache-2.0
// What all engines of a model share: its weights, typed by its schedule, and its rotation frequencies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/forward/model_weights.hpp>
#include <lamina/forward/rotary_tables.hpp>
#include <lamina/schedule/variant.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Weights of model `V` bound to a file; immutable once bound. Owns nothing outside its arena.
template <Variant V>
struct BoundModel {
  float norm_epsilon = 1e-6F;  ///< as the file says
  float final_softcap = 0.0F;  ///< as the file says; 0: none
  ModelWeights<V> weights{};
  RotaryTables<V> rotary{};                ///< frequencies; angles belong to engines
  const ByteOwner* table_owner = nullptr;  ///< who reads the table of per-layer embeddings; null: nobody

  /// Takes from a measuring arena what `bind` takes from a real one.
  static constexpr void measure(Arena& arena) noexcept {
    ModelWeights<V>::measure(arena);
    RotaryTables<V>::measure_frequencies(arena);
  }

  /// Binds every weight of `file`, a `WeightFile` or a `StoredModel`, whose bytes must outlive it.
  ///
  /// Errors   as `bind_slots` and `RotaryTables::take_frequencies`
  template <class File>
  [[nodiscard]] Status bind(const File& file, Arena& arena) noexcept {
    norm_epsilon = file.description.norm_epsilon;
    final_softcap = file.description.final_softcap;
    LAMINA_TRY(weights.bind(file, arena));
    if (const WeightMatrix& table = weights.global.per_layer_embedding) {
      const std::span<const std::byte> bytes(table.data, table.bytes());
      for (const auto& owner : file.owners) {
        if (!owner->can_read(bytes)) continue;
        table_owner = std::to_address(owner);
        table_owner->read_by_pieces(bytes);
      }
    }
    return rotary.take_frequencies(file.description, weights.global.rope_factors, arena);
  }
};

}  // namespace lamina
