// SPDX-License-Identifier: Apache-2.0
// Rules between the numbers of a model description, whatever file they came from.
// Source: weight-files.md §1.9 rule 17, text-decoder.md §2.4.3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/core/file_error.hpp>

namespace lamina {

// Caps on what a file may claim (rule 17): far above every published model, low enough that no product of two
// of them leaves 63 bits.
inline constexpr std::int32_t max_vocab = 1 << 20;
inline constexpr std::int32_t max_width = 1 << 20;  ///< hidden, feed-forward and per-layer widths
inline constexpr std::int32_t max_heads = 4096;
inline constexpr std::int32_t max_head_dim = 1 << 14;
inline constexpr std::int32_t max_experts = 512;
inline constexpr std::int32_t max_positions = 1 << 30;  ///< context and window

/// Checks the scalars that a file states and a type does not. Errors: bad_file.
[[nodiscard]] inline Status check_scalars(const ModelDescription& model, std::string_view file) noexcept {
  const auto usable = [](float value) { return value > 0 && value <= 3.4e38F; };
  if (usable(model.norm_epsilon) && usable(model.rope_base_local) && usable(model.rope_base_global) &&
      (model.final_softcap == 0 || usable(model.final_softcap))) {
    return Done{};
  }
  return bad_file(
      place(file), "epsilon, rope base or soft cap is not usable", "finite numbers above 0 (soft cap: or 0)",
      text("epsilon %g, bases %g and %g, cap %g", double{model.norm_epsilon}, double{model.rope_base_local},
           double{model.rope_base_global}, double{model.final_softcap}));
}

/// Checks the rules between the numbers of a description: heads, sharing, experts, scalars.
///
/// Errors   bad_file, naming the layer
[[nodiscard]] inline Status check_description(const ModelDescription& model, std::string_view file) noexcept {
  LAMINA_TRY(check_scalars(model, file));
  for (int i = 0; i < model.layer_count; ++i) {
    const LayerDescription& layer = model.layers[static_cast<std::size_t>(i)];
    const auto where = place(file, text("layer %d", i));
    if (layer.heads % layer.kv_heads != 0) {
      return bad_file(where, "query heads are no multiple of key/value heads",
                      text("a multiple of %d", layer.kv_heads), text("%d", layer.heads));
    }
    if (layer.head_dim % 2 != 0)
      return bad_file(where, "head size is odd", "an even number", text("%d", layer.head_dim));
    if (layer.active_experts > layer.experts) {
      return bad_file(where, "more experts per token than experts", text("at most %d", layer.experts),
                      text("%d", layer.active_experts));
    }
    if (layer.owns_kv || model.target_hidden > 0) continue;  // a drafter's owners are in its target
    const LayerDescription* owner = nullptr;
    for (int j = 0; j < i; ++j) {
      const LayerDescription& earlier = model.layers[static_cast<std::size_t>(j)];
      if (earlier.owns_kv && earlier.attention == layer.attention) owner = &earlier;
    }
    const char* kind = layer.attention == AttentionClass::local ? "sliding" : "global";
    if (owner == nullptr) {
      return bad_file(where, "layer shares keys and values that no layer owns",
                      text("an earlier %s layer with its own", kind), "none");
    }
    if (owner->kv_heads != layer.kv_heads || owner->head_dim != layer.head_dim ||
        owner->heads != layer.heads) {
      return bad_file(where, "layer shares keys and values of a layer with another shape",
                      text("%d/%d heads of %d", owner->heads, owner->kv_heads, owner->head_dim),
                      text("%d/%d heads of %d", layer.heads, layer.kv_heads, layer.head_dim));
    }
  }
  return Done{};
}

/// Gives shared layers the K=V flag of the layer whose cache they read; they have no projection to tell it
/// by.
inline void inherit_key_is_value(ModelDescription& model) noexcept {
  for (int i = 0; i < model.layer_count; ++i) {
    LayerDescription& layer = model.layers[static_cast<std::size_t>(i)];
    if (layer.owns_kv) continue;
    layer.key_is_value = false;
    for (int j = 0; j < i; ++j) {
      const LayerDescription& earlier = model.layers[static_cast<std::size_t>(j)];
      if (earlier.owns_kv && earlier.attention == layer.attention) layer.key_is_value = earlier.key_is_value;
    }
  }
}

}  // namespace lamina
