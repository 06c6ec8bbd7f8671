// SPDX-License-Identifier: Apache-2.0
// What all engines of a model share: its weights, typed by its schedule, and its rotation frequencies.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/forward/model_weights.hpp>
#include <lamina/forward/rotary_tables.hpp>
#include <lamina/forward/workspace.hpp>
#include <lamina/pass/expert_cache.hpp>
#include <lamina/schedule/variant.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Weights of model `V` bound to a file; immutable once bound. Owns nothing outside its arena.
template <Variant V>
struct BoundModel {
  static constexpr bool has_experts = pass_widths<V>().experts > 0;

  float norm_epsilon = 1e-6F;  ///< as the file says
  float final_softcap = 0.0F;  ///< as the file says; 0: none
  ModelWeights<V> weights{};
  RotaryTables<V> rotary{};                ///< frequencies; angles belong to engines
  const ByteOwner* table_owner = nullptr;  ///< who reads the table of per-layer embeddings; null: nobody
  /// Experts by layer, and who reads them; none where no layer has any.
  std::array<ExpertStacks, has_experts ? static_cast<std::size_t>(layer_count<V>) : 0> experts{};

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
      table_owner = owner_of(file, table);
      if (table_owner != nullptr) table_owner->read_by_pieces({table.data, table.bytes()});
    }
    if constexpr (has_experts) find_experts(file);
    return rotary.take_frequencies(file.description, weights.global.rope_factors, arena);
  }

  /// Whether all experts lie in files, from where they can be read one by one.
  [[nodiscard]] bool can_read_experts() const noexcept {
    return has_experts && std::all_of(experts.begin(), experts.end(), [](const ExpertStacks& layer) {
             return !layer.parts[0] || layer.can_read();
           });
  }

 private:
  template <class File>
  void find_experts(const File& file) noexcept {
    for (std::uint32_t i = 0; i < experts.size(); ++i) {
      with_kind_of<V>(i, [&]<std::size_t K>() {
        const auto& block = weights.template layer<K>(i).ffn;
        if constexpr (requires { block.expert_down; }) {
          std::size_t count = 0;
          for (const WeightMatrix* stack :
               {&block.expert_gate_up, &block.expert_gate, &block.expert_up, &block.expert_down}) {
            if (!*stack) continue;
            experts[i].parts[count] = *stack;
            experts[i].owners[count++] = owner_of(file, *stack);
          }
        }
      });
    }
  }
  template <class File>
  [[nodiscard]] static const ByteOwner* owner_of(const File& file, const WeightMatrix& stack) noexcept {
    for (const auto& owner : file.owners) {
      if (owner->can_read({stack.data, stack.bytes()})) return std::to_address(owner);
    }
    return nullptr;
  }
};

}  // namespace lamina
