// SPDX-License-Identifier: Apache-2.0
// From a model type to the description that a file's is compared with, and readings both share.
// Source: text-decoder.md §2.4.3 (owner rule), §2.4.1 (rotated pairs).
#pragma once

#include <cstddef>

#include <lamina/schedule/description.hpp>
#include <lamina/schedule/variant.hpp>

namespace lamina {
namespace detail {

template <class Kind>
constexpr LayerDescription describe_kind() {
  constexpr AttnShape shape = Kind::attention::shape;
  LayerDescription layer;
  layer.attention = shape.window > 0 ? AttentionClass::local : AttentionClass::global;
  layer.owns_kv = Kind::attention::owns_kv;
  // A drafter's file does not say how the keys and values that it reads are stored.
  layer.key_is_value = shape.key_is_value && !is_external_of<typename Kind::attention>();
  layer.heads = shape.heads;
  layer.kv_heads = shape.kv_heads;
  layer.head_dim = shape.head_dim;
  layer.window = shape.window;
  layer.ffn_width = Kind::ffn::width;
  if constexpr (requires { Kind::ffn::shape.experts; }) {
    layer.experts = Kind::ffn::shape.experts;
    layer.active_experts = Kind::ffn::shape.active;
    layer.expert_width = Kind::ffn::shape.expert_width;
  }
  return layer;
}

}  // namespace detail

/// The structure of a model type as values; its run-time scalars are the defaults of `ModelDescription`, the
/// context length that of the type, the cap of the logits what the type may state as `final_softcap`. Cost:
/// 20 KB; keep one static constant per model.
template <Variant V>
constexpr ModelDescription describe() {
  ModelDescription model;
  model.hidden = V::dims.hidden;
  model.vocab = V::dims.vocab;
  model.max_context = V::dims.max_context;
  model.per_layer_input = per_layer_width<V>();
  model.target_hidden = V::dims.target_hidden;
  model.layer_count = layer_count<V>;
  if constexpr (requires { V::final_softcap; }) model.final_softcap = V::final_softcap;
  [&]<class... Kinds>(TypeList<Kinds...>) {
    const LayerDescription kinds[] = {detail::describe_kind<Kinds>()...};
    for (std::size_t i = 0; i < kind_index<V>.size(); ++i) {
      model.layers[i] = kinds[static_cast<std::size_t>(kind_index<V>[i])];
    }
  }(kinds_of<V>{});
  return model;
}

/// The layer whose keys and values `layer` reads: itself, or the last earlier owner of the same class; -1 if
/// there is none (a file may claim such a thing). Requires `0 <= layer < model.layer_count`.
[[nodiscard]] constexpr int kv_owner(const ModelDescription& model, int layer) noexcept {
  const LayerDescription& reader = model.layers[static_cast<std::size_t>(layer)];
  for (int i = layer; i >= 0; --i) {
    const LayerDescription& owner = model.layers[static_cast<std::size_t>(i)];
    if (owner.owns_kv && owner.attention == reader.attention) return i;
  }
  return -1;
}

/// Index after the last KV owner; 0 if no layer owns any.
[[nodiscard]] constexpr int first_reader(const ModelDescription& model) noexcept {
  int after = model.layer_count;
  while (after > 0 && !model.layers[static_cast<std::size_t>(after - 1)].owns_kv) --after;
  return after;
}

/// Rotated pairs of one head of a described layer: a quarter in global layers (p-RoPE), else all.
[[nodiscard]] constexpr int rotary_pairs(const LayerDescription& layer) noexcept {
  return layer.attention == AttentionClass::global ? layer.head_dim / 8 : layer.head_dim / 2;
}

}  // namespace lamina
