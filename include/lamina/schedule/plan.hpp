// SPDX-License-Identifier: Apache-2.0
// What a described model costs, per kind of layer and in all: the run-time counterpart of facts.hpp, for
// files and for printing. Both add up the same slot lists, and tests compare them. Source: text-decoder.md
// §2.4.3, §3, §4.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <lamina/schedule/describe.hpp>
#include <lamina/schedule/kv_layout.hpp>
#include <lamina/schedule/weight_totals.hpp>

namespace lamina {

/// What to plan for.
struct PlanOptions {
  std::int64_t context = 8192;  ///< tokens to keep
  CacheFormats cache{};
};

/// One kind of layer: equal structure, equal cost. All figures are per layer.
struct LayerKindPlan {
  LayerDescription layer;
  int count = 0;  ///< layers of this kind
  int first = 0;  ///< the first of them
  WeightTotals weights;
  std::int64_t kv_bytes = 0;                 ///< 0 for layers that read another's
  std::int64_t attention_multiply_adds = 0;  ///< of the last token of the context
};

/// Plan of a whole model. 60 KB: keep it off small stacks.
struct ModelPlan {
  int kind_count = 0;
  std::array<LayerKindPlan, max_layers> kinds{};   ///< `kind_count` of them, in order of first appearance
  std::array<std::int16_t, max_layers> kind_of{};  ///< per layer: index into `kinds`
  std::array<std::int16_t, max_layers>
      owner_of{};        ///< per layer: whose keys and values it reads; -1: nobody's (broken)
  int first_reader = 0;  ///< index after the last KV owner
  WeightTotals outside;  ///< embedding, head, per-layer tables
  WeightTotals weights;  ///< all of it
  std::int64_t kv_bytes = 0;
  std::int64_t kv_growth_bytes = 0;      ///< per token once the windows are full
  std::int64_t owner_multiply_adds = 0;  ///< of a prompt token that stops after the last owner
  std::int64_t head_multiply_adds = 0;
  std::int64_t decode_flops = 0;  ///< of the last token of the context
};

namespace detail {

template <class FormatOf>
constexpr WeightTotals layer_total(const LayerDescription& layer, const Dims& dims, int per_layer, int index,
                                   const FormatOf& format_of) {
  WeightTotals sum =
      total_of(attention_slots(attention_shape(layer), layer.owns_kv, dims), index, 1, format_of);
  if (layer.experts > 0) {
    const MoeShape shape{layer.experts, layer.active_experts, layer.expert_width, layer.ffn_width};
    sum += total_of(moe_ffn_slots(shape, dims), index, layer.active_experts, format_of);
  } else {
    sum += total_of(dense_ffn_slots(layer.ffn_width, dims), index, 1, format_of);
  }
  if (per_layer > 0) sum += total_of(per_layer_input_slots(per_layer, dims), index, 1, format_of);
  sum += total_of(layer_scale_slots, index, 1, format_of);
  return sum;
}

/// Index of the kind of `layer` in the plan, added if it is new.
constexpr int kind_of(ModelPlan& plan, const LayerDescription& layer, int index) {
  for (int k = 0; k < plan.kind_count; ++k) {
    if (plan.kinds[static_cast<std::size_t>(k)].layer == layer) return k;
  }
  LayerKindPlan& added = plan.kinds[static_cast<std::size_t>(plan.kind_count)];
  added.layer = layer;
  added.first = index;
  return plan.kind_count++;
}

}  // namespace detail

static_assert(sizeof(ModelPlan) < 64 * 1024);

/// Fills `plan` from a description. `format_of(const WeightFact&)` gives the encoding of each weight
/// (`UniformFormat`, or what a file says); a kind's weights are those of its first layer, `weights` sums over
/// all layers.
///
/// Requires  the description passed its reader's checks: `layer_count <= max_layers`, widths > 0 and so small
/// that
///           `rows * columns * stack` fits 63 bits
/// Cost      one pass over the slots of every layer; does not allocate
template <class FormatOf>
constexpr void make_plan(const ModelDescription& model, const PlanOptions& options, const FormatOf& format_of,
                         ModelPlan& plan) {
  const Dims dims{model.hidden, model.vocab, model.max_context};
  plan.kind_count = 0;
  plan.first_reader = first_reader(model);
  plan.head_multiply_adds = std::int64_t{model.vocab} * model.hidden;
  plan.outside =
      detail::global_total(dims, model.per_layer_input, model.layer_count, global_head_dim(model), format_of);
  plan.weights = plan.outside;
  plan.kv_bytes = 0;
  plan.kv_growth_bytes = 0;
  plan.owner_multiply_adds = std::int64_t{plan.first_reader} * model.per_layer_input * model.hidden;
  std::int64_t attention = 0;
  for (int i = 0; i < model.layer_count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const LayerDescription& layer = model.layers[at];
    const AttnShape shape = attention_shape(layer);
    const WeightTotals weights = detail::layer_total(layer, dims, model.per_layer_input, i, format_of);
    const int known = plan.kind_count;
    const int k = detail::kind_of(plan, layer, i);
    LayerKindPlan& kind = plan.kinds[static_cast<std::size_t>(k)];
    if (k == known) {
      const std::int64_t row = kv_row_bytes(shape, rotary_pairs(layer), options.cache);
      kind.count = 0;
      kind.weights = weights;
      kind.kv_bytes = layer.owns_kv ? row * kv_rows(shape, options.context) : 0;
      kind.attention_multiply_adds =
          2 * std::int64_t{layer.heads} * layer.head_dim * kv_rows(shape, options.context);
    }
    ++kind.count;
    plan.kind_of[at] = static_cast<std::int16_t>(k);
    plan.owner_of[at] = static_cast<std::int16_t>(kv_owner(model, i));
    plan.weights += weights;
    plan.kv_bytes += kind.kv_bytes;
    if (layer.owns_kv && layer.window == 0) {
      plan.kv_growth_bytes += kv_row_bytes(shape, rotary_pairs(layer), options.cache);
    }
    if (i < plan.first_reader) plan.owner_multiply_adds += weights.multiply_adds;
    attention += kind.attention_multiply_adds;
  }
  plan.decode_flops = 2 * (plan.weights.multiply_adds + plan.head_multiply_adds + attention);
}

}  // namespace lamina
