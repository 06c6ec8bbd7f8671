// SPDX-License-Identifier: Apache-2.0
// Which weights each layer kind has: one list per kind, read by the loader (names, shapes), by the facts
// (bytes) and by the layers (views). Names are the GGUF suffixes; weights/names.hpp maps Hugging Face names to them.
// Source: text-decoder.md §3, weight-files.md §3.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <lamina/formats/weight_matrix.hpp>
#include <lamina/schedule/kinds.hpp>

namespace lamina {

/// What a weight is used for; decides how the loader provides it and how facts count it.
enum class SlotUse : std::uint8_t {
  matrix,  ///< enters matrix products; stays as stored (a stack of them for experts)
  vector,  ///< norm weight, scale or router: widened to aligned float32 at load time
  table,   ///< looked up row by row; stays on disk
};

/// Whether the file must hold the weight.
enum class Presence : std::uint8_t {
  required,
  optional,     ///< absent means "neutral" (factor 1, tied head, synthesised)
  alternative,  ///< one complete set of alternatives must be there (fused or separate expert matrices)
};

/// One weight of a layer kind: where the view goes, its name and its shape `[stack, rows, columns]`.
template <class Weights>
struct Slot {
  WeightMatrix Weights::*member;
  std::string_view name;
  int rows;
  int columns;
  int stack = 1;
  SlotUse use = SlotUse::matrix;
  Presence presence = Presence::required;
};

// --- Attention ---

/// Weights of one attention block, with the norms around it. D hidden, d head_dim.
struct AttentionWeights {
  WeightMatrix norm;       ///< [D]
  WeightMatrix q;          ///< [heads·d, D]
  WeightMatrix k;          ///< [kv_heads·d, D]; KV owners
  WeightMatrix v;          ///< [kv_heads·d, D]; KV owners without K=V
  WeightMatrix output;     ///< [D, heads·d]
  WeightMatrix q_norm;     ///< [d]
  WeightMatrix k_norm;     ///< [d]; KV owners
  WeightMatrix post_norm;  ///< [D]
};

/// Slots of a layer kind; specialise it to give an own kind own weights.
template <class Kind>
struct Slots;

/// Every attention kind (a type with `shape` and `owns_kv`) has the standard attention weights.
template <class Kind>
  requires requires { Kind::shape.heads; Kind::owns_kv; }
struct Slots<Kind> {
  using Weights = AttentionWeights;
  static constexpr auto list(const Dims& dims) {
    constexpr AttnShape s = Kind::shape;
    constexpr std::size_t own = Kind::owns_kv ? (s.key_is_value ? 2 : 3) : 0;
    std::array<Slot<Weights>, 5 + own> slots{};
    std::size_t n = 0;
    const int d = s.head_dim;
    slots[n++] = {&Weights::norm, "attn_norm.weight", 1, dims.hidden, 1, SlotUse::vector};
    slots[n++] = {&Weights::q, "attn_q.weight", s.heads * d, dims.hidden};
    if constexpr (Kind::owns_kv) {
      slots[n++] = {&Weights::k, "attn_k.weight", s.kv_heads * d, dims.hidden};
      if constexpr (!s.key_is_value) slots[n++] = {&Weights::v, "attn_v.weight", s.kv_heads * d, dims.hidden};
      slots[n++] = {&Weights::k_norm, "attn_k_norm.weight", 1, d, 1, SlotUse::vector};
    }
    slots[n++] = {&Weights::output, "attn_output.weight", dims.hidden, s.heads * d};
    slots[n++] = {&Weights::q_norm, "attn_q_norm.weight", 1, d, 1, SlotUse::vector};
    slots[n++] = {&Weights::post_norm, "post_attention_norm.weight", 1, dims.hidden, 1, SlotUse::vector};
    return slots;
  }
};

// --- Feed-forward ---

/// Weights of a dense GeGLU block. F width.
struct DenseFfnWeights {
  WeightMatrix norm;       ///< [D]
  WeightMatrix gate;       ///< [F, D]
  WeightMatrix up;         ///< [F, D]
  WeightMatrix down;       ///< [D, F]
  WeightMatrix post_norm;  ///< [D]
};

template <int Width>
struct Slots<DenseFfn<Width>> {
  using Weights = DenseFfnWeights;
  static constexpr std::array<Slot<Weights>, 5> list(const Dims& dims) {
    return {{
        {&Weights::norm, "ffn_norm.weight", 1, dims.hidden, 1, SlotUse::vector},
        {&Weights::gate, "ffn_gate.weight", Width, dims.hidden},
        {&Weights::up, "ffn_up.weight", Width, dims.hidden},
        {&Weights::down, "ffn_down.weight", dims.hidden, Width},
        {&Weights::post_norm, "post_ffw_norm.weight", 1, dims.hidden, 1, SlotUse::vector},
    }};
  }
};

/// Weights of an MoE block: the dense block, the router and the expert bank. X experts, f expert width.
struct MoeFfnWeights {
  WeightMatrix norm;              ///< [D] input norm of the dense branch
  WeightMatrix gate;              ///< [F, D]
  WeightMatrix up;                ///< [F, D]
  WeightMatrix down;              ///< [D, F]
  WeightMatrix dense_post_norm;   ///< [D] output norm of the dense branch
  WeightMatrix router;            ///< [X, D], float32
  WeightMatrix router_scale;      ///< [D]
  WeightMatrix expert_norm;       ///< [D] input norm of the expert branch
  WeightMatrix expert_gate_up;    ///< [X, 2f, D]: rows 0..f-1 gate, f..2f-1 up; or the two below
  WeightMatrix expert_gate;       ///< [X, f, D]
  WeightMatrix expert_up;         ///< [X, f, D]
  WeightMatrix expert_down;       ///< [X, D, f]
  WeightMatrix expert_scale;      ///< [X]; absent means 1
  WeightMatrix expert_post_norm;  ///< [D] output norm of the expert branch
  WeightMatrix post_norm;         ///< [D] norm of the sum
};

template <MoeShape S>
struct Slots<MoeFfn<S>> {
  using Weights = MoeFfnWeights;
  static constexpr std::array<Slot<Weights>, 15> list(const Dims& dims) {
    const int hidden = dims.hidden;
    return {{
        {&Weights::norm, "ffn_norm.weight", 1, hidden, 1, SlotUse::vector},
        {&Weights::gate, "ffn_gate.weight", S.shared_width, hidden},
        {&Weights::up, "ffn_up.weight", S.shared_width, hidden},
        {&Weights::down, "ffn_down.weight", hidden, S.shared_width},
        {&Weights::dense_post_norm, "post_ffw_norm_1.weight", 1, hidden, 1, SlotUse::vector},
        {&Weights::router, "ffn_gate_inp.weight", S.experts, hidden, 1, SlotUse::vector},
        {&Weights::router_scale, "ffn_gate_inp.scale", 1, hidden, 1, SlotUse::vector},
        {&Weights::expert_norm, "pre_ffw_norm_2.weight", 1, hidden, 1, SlotUse::vector},
        {&Weights::expert_gate_up, "ffn_gate_up_exps.weight", 2 * S.expert_width, hidden, S.experts, SlotUse::matrix,
         Presence::alternative},
        {&Weights::expert_gate, "ffn_gate_exps.weight", S.expert_width, hidden, S.experts, SlotUse::matrix,
         Presence::alternative},
        {&Weights::expert_up, "ffn_up_exps.weight", S.expert_width, hidden, S.experts, SlotUse::matrix,
         Presence::alternative},
        {&Weights::expert_down, "ffn_down_exps.weight", hidden, S.expert_width, S.experts},
        {&Weights::expert_scale, "ffn_down_exps.scale", 1, S.experts, 1, SlotUse::vector, Presence::optional},
        {&Weights::expert_post_norm, "post_ffw_norm_2.weight", 1, hidden, 1, SlotUse::vector},
        {&Weights::post_norm, "post_ffw_norm.weight", 1, hidden, 1, SlotUse::vector},
    }};
  }
};

// --- Per-layer input ---

/// Weights of the per-layer-input gate. P width.
struct PerLayerInputWeights {
  WeightMatrix gate;        ///< [P, D]
  WeightMatrix projection;  ///< [D, P]
  WeightMatrix post_norm;   ///< [D]
};

template <int Width>
struct Slots<PerLayerInput<Width>> {
  using Weights = PerLayerInputWeights;
  static constexpr std::array<Slot<Weights>, 3> list(const Dims& dims) {
    return {{
        {&Weights::gate, "inp_gate.weight", Width, dims.hidden},
        {&Weights::projection, "proj.weight", dims.hidden, Width},
        {&Weights::post_norm, "post_norm.weight", 1, dims.hidden, 1, SlotUse::vector},
    }};
  }
};

struct NoWeights {};

template <>
struct Slots<NoPerLayerInput> {
  using Weights = NoWeights;
  static constexpr std::array<Slot<NoWeights>, 0> list(const Dims&) { return {}; }
};

// --- Layer and model ---

/// Weight of every layer, outside its three parts.
struct LayerScale {
  WeightMatrix scale;  ///< [1]; multiplies the whole stream; absent means 1
};

inline constexpr std::array<Slot<LayerScale>, 1> layer_scale_slots{
    {{&LayerScale::scale, "layer_output_scale.weight", 1, 1, 1, SlotUse::vector, Presence::optional}}};

/// Weights outside the layers. P per-layer width, L layers, d head_dim of global layers.
struct GlobalWeights {
  WeightMatrix embedding;              ///< [V, D]; also the head unless `head` is there
  WeightMatrix head;                   ///< [V, D]; absent: tied to `embedding`
  WeightMatrix norm;                   ///< [D]
  WeightMatrix rope_factors;           ///< [d/2] of global layers; absent: synthesised
  WeightMatrix per_layer_embedding;    ///< [V, L·P]
  WeightMatrix per_layer_projection;   ///< [L·P, D]
  WeightMatrix per_layer_norm;         ///< [P]
};

/// Slots outside the layers; `per_layer` is P, `layers` is L, `global_head_dim` is d of the global layers (0: none).
constexpr std::array<Slot<GlobalWeights>, 7> global_slots(const Dims& dims, int per_layer, int layers,
                                                          int global_head_dim) {
  const Presence per_layer_presence = per_layer > 0 ? Presence::required : Presence::optional;
  return {{
      {&GlobalWeights::embedding, "token_embd.weight", dims.vocab, dims.hidden},
      {&GlobalWeights::head, "output.weight", dims.vocab, dims.hidden, 1, SlotUse::matrix, Presence::optional},
      {&GlobalWeights::norm, "output_norm.weight", 1, dims.hidden, 1, SlotUse::vector},
      {&GlobalWeights::rope_factors, "rope_freqs.weight", 1, global_head_dim / 2, 1, SlotUse::vector,
       Presence::optional},
      {&GlobalWeights::per_layer_embedding, "per_layer_token_embd.weight", dims.vocab, layers * per_layer, 1,
       SlotUse::table, per_layer_presence},
      {&GlobalWeights::per_layer_projection, "per_layer_model_proj.weight", layers * per_layer, dims.hidden, 1,
       SlotUse::matrix, per_layer_presence},
      {&GlobalWeights::per_layer_norm, "per_layer_proj_norm.weight", 1, per_layer, 1, SlotUse::vector,
       per_layer_presence},
  }};
}

}  // namespace lamina
