// SPDX-License-Identifier: Apache-2.0
// A model's structure as values: what a variant's type says and what a file says, in one comparable form.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <lamina/core/types.hpp>
#include <lamina/schedule/shapes.hpp>

namespace lamina {

enum class AttentionClass : std::uint8_t { local, global };

/// Structure of one layer.
struct LayerDescription {
  AttentionClass attention = AttentionClass::local;
  bool owns_kv = true;
  bool key_is_value = false;
  std::int32_t heads = 0;
  std::int32_t kv_heads = 0;
  std::int32_t head_dim = 0;
  std::int32_t window = 0;     ///< 0 for global layers
  std::int32_t ffn_width = 0;  ///< dense block (the shared one of an MoE layer)
  std::int32_t experts = 0;    ///< 0: dense layer
  std::int32_t active_experts = 0;
  std::int32_t expert_width = 0;
  friend constexpr bool operator==(const LayerDescription&, const LayerDescription&) = default;
};

/// Layers a description can hold; files that claim more are refused (weight-files.md §1.9 rule 17).
inline constexpr int max_layers = 512;

/// Structure of a model, and the scalars that a file may set without changing the type.
struct ModelDescription {
  std::int32_t hidden = 0;
  std::int32_t vocab = 0;
  std::int32_t per_layer_input = 0;  ///< width of the per-layer embedding, 0: none
  std::int32_t target_hidden = 0;    ///< of a drafter: width of the model that it drafts for; 0: no drafter
  std::int32_t layer_count = 0;
  std::array<LayerDescription, max_layers> layers{};

  // Run-time scalars: taken from the file, no part of the type.
  std::int32_t max_context = 131'072;
  float norm_epsilon = 1e-6F;
  float rope_base_local = 10'000.0F;
  float rope_base_global = 1'000'000.0F;
  float final_softcap = 30.0F;         ///< 0: off
  std::int32_t clusters = 0;           ///< of a drafter: clusters of its vocabulary; 0: none
  std::int32_t selected_clusters = 0;  ///< of these, those whose tokens get logits

  /// True when the structure (everything but the run-time scalars) is the same.
  [[nodiscard]] constexpr bool same_structure(const ModelDescription& other) const noexcept {
    if (hidden != other.hidden || vocab != other.vocab || per_layer_input != other.per_layer_input ||
        target_hidden != other.target_hidden || layer_count != other.layer_count) {
      return false;
    }
    for (int i = 0; i < layer_count; ++i) {
      if (!(layers[static_cast<std::size_t>(i)] == other.layers[static_cast<std::size_t>(i)])) return false;
    }
    return true;
  }

  /// The chat template that the published model of this structure goes with.
  [[nodiscard]] constexpr TemplateSize template_size() const noexcept {
    return template_size_of(per_layer_input > 0);
  }
};

/// Head width of the global layers, 0 if the model has none.
[[nodiscard]] constexpr int global_head_dim(const ModelDescription& model) noexcept {
  for (int i = model.layer_count - 1; i >= 0; --i) {
    const LayerDescription& layer = model.layers[static_cast<std::size_t>(i)];
    if (layer.attention == AttentionClass::global) return layer.head_dim;
  }
  return 0;
}

/// The attention shape of a described layer.
[[nodiscard]] constexpr AttnShape attention_shape(const LayerDescription& layer) noexcept {
  return {layer.heads, layer.kv_heads, layer.head_dim, layer.window, layer.key_is_value};
}

}  // namespace lamina
