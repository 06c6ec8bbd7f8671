// SPDX-License-Identifier: Apache-2.0
// Which weights each layer kind has: one list per kind, read by the loader (names, shapes), by the facts
// (bytes) and by the layers (views). The value forms serve plans of files, whose shapes are known only at run
// time. Names are the GGUF suffixes; huggingface/names.hpp maps Hugging Face names to them. Source:
// text-decoder.md §3, weight-files.md §3.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <lamina/formats/linear.hpp>
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

/// Which member of `Weights` holds the view of a slot: a `Linear` for what enters matrix products, else a
/// `WeightMatrix`.
template <class Weights>
class SlotMember {
 public:
  constexpr SlotMember() noexcept = default;
  constexpr SlotMember(WeightMatrix Weights::*plain) noexcept : plain_(plain) {}
  constexpr SlotMember(Linear Weights::*linear) noexcept : linear_(linear) {}

  [[nodiscard]] WeightMatrix& of(Weights& weights) const noexcept {
    if (linear_ != nullptr) return weights.*linear_;
    return weights.*plain_;
  }
  [[nodiscard]] const WeightMatrix& of(const Weights& weights) const noexcept {
    return of(const_cast<Weights&>(weights));  // which is only looked at
  }
  /// Null if the member is no `Linear`.
  [[nodiscard]] Linear* linear_of(Weights& weights) const noexcept {
    return linear_ != nullptr ? &(weights.*linear_) : nullptr;
  }

 private:
  WeightMatrix Weights::*plain_ = nullptr;
  Linear Weights::*linear_ = nullptr;
};

/// One weight of a layer kind: where the view goes, its name and its shape `[stack, rows, columns]`.
template <class Weights>
struct Slot {
  SlotMember<Weights> member;
  std::string_view name;
  int rows;
  int columns;
  int stack = 1;
  SlotUse use = SlotUse::matrix;
  Presence presence = Presence::required;
  int set = 0;  ///< which complete set an alternative belongs to; facts count set 0
};

/// At most `Capacity` slots: the list of a shape that is known only at run time.
template <class Weights, std::size_t Capacity>
struct SlotList {
  std::array<Slot<Weights>, Capacity> slots{};
  std::size_t count = 0;
  constexpr void push(const Slot<Weights>& slot) { slots[count++] = slot; }
  [[nodiscard]] constexpr const Slot<Weights>* begin() const { return slots.data(); }
  [[nodiscard]] constexpr const Slot<Weights>* end() const { return slots.data() + count; }
  /// The first `Count` slots as array. Requires `Count == count`.
  template <std::size_t Count>
  [[nodiscard]] constexpr std::array<Slot<Weights>, Count> exactly() const {
    std::array<Slot<Weights>, Count> result{};
    for (std::size_t i = 0; i < Count; ++i) result[i] = slots[i];
    return result;
  }
};

// --- Attention ---

/// Weights of one attention block, with the norms around it. D hidden, d head_dim.
struct AttentionWeights {
  WeightMatrix norm;       ///< [D]
  Linear q;                ///< [heads·d, D]
  Linear k;                ///< [kv_heads·d, D]; KV owners
  Linear v;                ///< [kv_heads·d, D]; KV owners without K=V
  Linear output;           ///< [D, heads·d]
  WeightMatrix q_norm;     ///< [d]
  WeightMatrix k_norm;     ///< [d]; KV owners
  WeightMatrix post_norm;  ///< [D]
};

/// Slots of an attention block: three less without own keys and values, one less when V is the raw key, one
/// less for each norm with a weight that there is not.
constexpr SlotList<AttentionWeights, 8> attention_slots(const AttnShape& shape, bool owns_kv,
                                                        const Dims& dims, HeadNorms norms = {}) {
  using Weights = AttentionWeights;
  const int d = shape.head_dim;
  SlotList<Weights, 8> list;
  list.push({&Weights::norm, "attn_norm.weight", 1, dims.hidden, 1, SlotUse::vector});
  list.push({&Weights::q, "attn_q.weight", shape.heads * d, dims.hidden});
  if (owns_kv) {
    list.push({&Weights::k, "attn_k.weight", shape.kv_heads * d, dims.hidden});
    if (!shape.key_is_value) list.push({&Weights::v, "attn_v.weight", shape.kv_heads * d, dims.hidden});
    if (norms.key) list.push({&Weights::k_norm, "attn_k_norm.weight", 1, d, 1, SlotUse::vector});
  }
  list.push({&Weights::output, "attn_output.weight", dims.hidden, shape.heads * d});
  if (norms.query) list.push({&Weights::q_norm, "attn_q_norm.weight", 1, d, 1, SlotUse::vector});
  list.push({&Weights::post_norm, "post_attention_norm.weight", 1, dims.hidden, 1, SlotUse::vector});
  return list;
}

/// Slots of a layer kind; specialise it to give an own kind own weights.
template <class Kind>
struct Slots;

/// Every attention kind (a type with `shape` and `owns_kv`) has the standard attention weights, unless it
/// specialises `Slots` itself.
template <class Kind>
requires requires {
  Kind::shape.heads;
  Kind::owns_kv;
}
struct Slots<Kind> {
  using Weights = AttentionWeights;
  static constexpr auto list(const Dims& dims) {
    constexpr HeadNorms norms = head_norms_of<Kind>();
    constexpr std::size_t own = Kind::owns_kv ? 1 + !Kind::shape.key_is_value + norms.key : 0;
    return attention_slots(Kind::shape, Kind::owns_kv, dims, norms).template exactly<4 + norms.query + own>();
  }
};

// --- Feed-forward ---

/// Weights of a dense GeGLU block. F width.
struct DenseFfnWeights {
  WeightMatrix norm;       ///< [D]
  Linear gate;             ///< [F, D]
  Linear up;               ///< [F, D]
  Linear down;             ///< [D, F]
  WeightMatrix post_norm;  ///< [D]
};

/// Slots of a dense block of hidden width `width`.
constexpr std::array<Slot<DenseFfnWeights>, 5> dense_ffn_slots(int width, const Dims& dims) {
  using Weights = DenseFfnWeights;
  return {{
      {&Weights::norm, "ffn_norm.weight", 1, dims.hidden, 1, SlotUse::vector},
      {&Weights::gate, "ffn_gate.weight", width, dims.hidden},
      {&Weights::up, "ffn_up.weight", width, dims.hidden},
      {&Weights::down, "ffn_down.weight", dims.hidden, width},
      {&Weights::post_norm, "post_ffw_norm.weight", 1, dims.hidden, 1, SlotUse::vector},
  }};
}

template <int Width>
struct Slots<DenseFfn<Width>> {
  using Weights = DenseFfnWeights;
  static constexpr auto list(const Dims& dims) { return dense_ffn_slots(Width, dims); }
};

/// Weights of an MoE block: the dense block, the router and the expert bank. X experts, f expert width.
struct MoeFfnWeights {
  WeightMatrix norm;              ///< [D] input norm of the dense branch
  Linear gate;                    ///< [F, D]
  Linear up;                      ///< [F, D]
  Linear down;                    ///< [D, F]
  WeightMatrix dense_post_norm;   ///< [D] output norm of the dense branch
  WeightMatrix router;            ///< [X, D], float32
  WeightMatrix router_scale;      ///< [D]
  WeightMatrix expert_norm;       ///< [D] input norm of the expert branch
  Linear expert_gate_up;          ///< [X, 2f, D]: rows 0..f-1 gate, f..2f-1 up; or the two below
  Linear expert_gate;             ///< [X, f, D]
  Linear expert_up;               ///< [X, f, D]
  Linear expert_down;             ///< [X, D, f]
  WeightMatrix expert_scale;      ///< [X]; absent means 1
  WeightMatrix expert_post_norm;  ///< [D] output norm of the expert branch
  WeightMatrix post_norm;         ///< [D] norm of the sum
};

/// Slots of an MoE block. The expert's gate and up matrices come fused (set 0) or one by one (set 1).
constexpr std::array<Slot<MoeFfnWeights>, 15> moe_ffn_slots(const MoeShape& shape, const Dims& dims) {
  using Weights = MoeFfnWeights;
  const int hidden = dims.hidden;
  const int width = shape.expert_width;
  const int experts = shape.experts;
  return {{
      {&Weights::norm, "ffn_norm.weight", 1, hidden, 1, SlotUse::vector},
      {&Weights::gate, "ffn_gate.weight", shape.shared_width, hidden},
      {&Weights::up, "ffn_up.weight", shape.shared_width, hidden},
      {&Weights::down, "ffn_down.weight", hidden, shape.shared_width},
      {&Weights::dense_post_norm, "post_ffw_norm_1.weight", 1, hidden, 1, SlotUse::vector},
      {&Weights::router, "ffn_gate_inp.weight", experts, hidden, 1, SlotUse::vector},
      {&Weights::router_scale, "ffn_gate_inp.scale", 1, hidden, 1, SlotUse::vector},
      {&Weights::expert_norm, "pre_ffw_norm_2.weight", 1, hidden, 1, SlotUse::vector},
      {&Weights::expert_gate_up, "ffn_gate_up_exps.weight", 2 * width, hidden, experts, SlotUse::matrix,
       Presence::alternative, 0},
      {&Weights::expert_gate, "ffn_gate_exps.weight", width, hidden, experts, SlotUse::matrix,
       Presence::alternative, 1},
      {&Weights::expert_up, "ffn_up_exps.weight", width, hidden, experts, SlotUse::matrix,
       Presence::alternative, 1},
      {&Weights::expert_down, "ffn_down_exps.weight", hidden, width, experts},
      {&Weights::expert_scale, "ffn_down_exps.scale", 1, experts, 1, SlotUse::vector, Presence::optional},
      {&Weights::expert_post_norm, "post_ffw_norm_2.weight", 1, hidden, 1, SlotUse::vector},
      {&Weights::post_norm, "post_ffw_norm.weight", 1, hidden, 1, SlotUse::vector},
  }};
}

template <MoeShape S>
struct Slots<MoeFfn<S>> {
  using Weights = MoeFfnWeights;
  static constexpr auto list(const Dims& dims) { return moe_ffn_slots(S, dims); }
};

// --- Per-layer input ---

/// Weights of the per-layer-input gate. P width.
struct PerLayerInputWeights {
  Linear gate;             ///< [P, D]
  Linear projection;       ///< [D, P]
  WeightMatrix post_norm;  ///< [D]
};

/// Slots of a per-layer-input gate of width `width`.
constexpr std::array<Slot<PerLayerInputWeights>, 3> per_layer_input_slots(int width, const Dims& dims) {
  using Weights = PerLayerInputWeights;
  return {{
      {&Weights::gate, "inp_gate.weight", width, dims.hidden},
      {&Weights::projection, "proj.weight", dims.hidden, width},
      {&Weights::post_norm, "post_norm.weight", 1, dims.hidden, 1, SlotUse::vector},
  }};
}

template <int Width>
struct Slots<PerLayerInput<Width>> {
  using Weights = PerLayerInputWeights;
  static constexpr auto list(const Dims& dims) { return per_layer_input_slots(Width, dims); }
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
  Linear embedding;                  ///< [V, D]; also the head unless `head` is there
  Linear head;                       ///< [V, D]; absent: tied to `embedding`
  WeightMatrix norm;                 ///< [D]
  WeightMatrix rope_factors;         ///< [d/2] of global layers; absent: synthesised
  WeightMatrix per_layer_embedding;  ///< [V, L·P]
  Linear per_layer_projection;       ///< [L·P, D]
  WeightMatrix per_layer_norm;       ///< [P]

  // Of a drafter; T width of the model that it drafts for, C clusters.
  Linear pre_projection;   ///< [D, 2 T] token and hidden state to the stream
  Linear post_projection;  ///< [T, D] normed stream to hidden state
  Linear centroids;        ///< [C, D]; absent: every token gets a logit
};

/// Slots outside the layers; `per_layer` is P, `layers` is L, `global_head_dim` is d of the global layers (0:
/// none).
constexpr std::array<Slot<GlobalWeights>, 10> global_slots(const Dims& dims, int per_layer, int layers,
                                                           int global_head_dim) {
  const Presence per_layer_presence = per_layer > 0 ? Presence::required : Presence::optional;
  return {{
      {&GlobalWeights::embedding, "token_embd.weight", dims.vocab, dims.hidden},
      {&GlobalWeights::head, "output.weight", dims.vocab, dims.hidden, 1, SlotUse::matrix,
       Presence::optional},
      {&GlobalWeights::norm, "output_norm.weight", 1, dims.hidden, 1, SlotUse::vector},
      {&GlobalWeights::rope_factors, "rope_freqs.weight", 1, global_head_dim / 2, 1, SlotUse::vector,
       Presence::optional},
      {&GlobalWeights::per_layer_embedding, "per_layer_token_embd.weight", dims.vocab, layers * per_layer, 1,
       SlotUse::table, per_layer_presence},
      {&GlobalWeights::per_layer_projection, "per_layer_model_proj.weight", layers * per_layer, dims.hidden,
       1, SlotUse::matrix, per_layer_presence},
      {&GlobalWeights::per_layer_norm, "per_layer_proj_norm.weight", 1, per_layer, 1, SlotUse::vector,
       per_layer_presence},
      {&GlobalWeights::pre_projection, "nextn.pre_projection.weight", dims.hidden, 2 * dims.target_hidden},
      {&GlobalWeights::post_projection, "nextn.post_projection.weight", dims.target_hidden, dims.hidden},
      {&GlobalWeights::centroids, "masked_embd_centroids.weight", dims.clusters, dims.hidden, 1,
       SlotUse::matrix, Presence::optional},
  }};
}

}  // namespace lamina
