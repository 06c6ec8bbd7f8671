// SPDX-License-Identifier: Apache-2.0
// Which tensors a model must have: names and shapes of all slots, of a model type or of a description.
// Source: schedule/slots.hpp (the only list); weight-files.md §3.2 to §3.4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/schedule/slots.hpp>

namespace lamina {

/// A tensor that a model has, by canonical name.
struct ExpectedTensor {
  std::string_view name;
  std::int64_t columns;
  std::int64_t rows = 1;
  std::int64_t stack = 1;
  SlotUse use = SlotUse::matrix;
  Presence presence = Presence::required;
};

/// Calls `visit(const ExpectedTensor&, const auto& slot) -> Status` for every slot of a list that has
/// elements, until one is an error. Names begin with `prefix` and live as long as the call.
template <class Slots, class Visitor>
[[nodiscard]] Status for_each_expected_of(std::string_view prefix, const Slots& slots, Visitor&& visit) {
  for (const auto& slot : slots) {
    if (slot.rows == 0 || slot.columns == 0) continue;
    FixedText<160> name(prefix);
    name.append(slot.name);
    LAMINA_TRY(
        visit(ExpectedTensor{name, slot.columns, slot.rows, slot.stack, slot.use, slot.presence}, slot));
  }
  return Done{};
}

/// Calls `visit(std::string_view prefix, const auto& slots) -> Status` for every slot list of a description:
/// those outside the layers, then layer by layer. Unused keys and values of shared layers are not visited.
template <class Visitor>
[[nodiscard]] Status for_each_slot_list(const ModelDescription& model, Visitor&& visit) {
  const Dims dims{model.hidden, model.vocab, model.max_context, model.target_hidden, model.clusters};
  LAMINA_TRY(visit("", global_slots(dims, model.per_layer_input, model.layer_count, global_head_dim(model))));
  for (int index = 0; index < model.layer_count; ++index) {
    const LayerDescription& layer = model.layers[static_cast<std::size_t>(index)];
    const FixedText<160> prefix = text("blk.%d.", index);
    LAMINA_TRY(visit(prefix.view(), attention_slots(attention_shape(layer), layer.owns_kv, dims)));
    if (layer.experts > 0) {
      const MoeShape shape{layer.experts, layer.active_experts, layer.expert_width, layer.ffn_width};
      LAMINA_TRY(visit(prefix.view(), moe_ffn_slots(shape, dims)));
    } else {
      LAMINA_TRY(visit(prefix.view(), dense_ffn_slots(layer.ffn_width, dims)));
    }
    LAMINA_TRY(visit(prefix.view(), layer_scale_slots));
    if (model.per_layer_input > 0) {
      LAMINA_TRY(visit(prefix.view(), per_layer_input_slots(model.per_layer_input, dims)));
    }
  }
  return Done{};
}

/// Calls `visit(const ExpectedTensor&) -> Status` for every tensor of a model until one is an error. Tensors
/// that may be absent (tied head, scales of 1, synthesised frequencies, both expert layouts) are among them.
template <class Visitor>
[[nodiscard]] Status for_each_expected(const ModelDescription& model, Visitor visit) {
  return for_each_slot_list(model, [&](std::string_view prefix, const auto& slots) -> Status {
    return for_each_expected_of(prefix, slots,
                                [&](const ExpectedTensor& tensor, const auto&) { return visit(tensor); });
  });
}

}  // namespace lamina
