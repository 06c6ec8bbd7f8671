// SPDX-License-Identifier: Apache-2.0
// Which weights each part of an encoder has, under the names of projector files (mmproj).
// Source: vision.md §4.4, §4.5; huggingface/media/names.hpp maps the names of checkpoints to them.
#pragma once

#include <array>
#include <string_view>

#include <lamina/schedule/encoders/description.hpp>
#include <lamina/schedule/encoders/kinds.hpp>
#include <lamina/schedule/slots.hpp>

namespace lamina {

/// Numbers of an encoder that no part of it states.
struct EncoderDims {
  int hidden;  ///< width of the stream
};

// --- Layers ---

template <AttnShape S, bool Clipped>
struct Slots<PatchAttention<S, Clipped>> {
  using Weights = AttentionWeights;
  static constexpr std::array<Slot<Weights>, 8> list(const Dims& dims) {
    constexpr int d = S.head_dim;
    return {{
        {&Weights::norm, "ln1.weight", 1, dims.hidden, 1, SlotUse::vector},
        {&Weights::q, "attn_q.weight", S.heads * d, dims.hidden},
        {&Weights::k, "attn_k.weight", S.kv_heads * d, dims.hidden},
        {&Weights::v, "attn_v.weight", S.kv_heads * d, dims.hidden},
        {&Weights::output, "attn_out.weight", dims.hidden, S.heads * d},
        {&Weights::q_norm, "attn_q_norm.weight", 1, d, 1, SlotUse::vector},
        {&Weights::k_norm, "attn_k_norm.weight", 1, d, 1, SlotUse::vector},
        {&Weights::post_norm, "attn_post_norm.weight", 1, dims.hidden, 1, SlotUse::vector},
    }};
  }
};

template <int Width, bool Clipped>
struct Slots<PatchFfn<Width, Clipped>> {
  using Weights = DenseFfnWeights;
  static constexpr std::array<Slot<Weights>, 5> list(const Dims& dims) {
    return {{
        {&Weights::norm, "ln2.weight", 1, dims.hidden, 1, SlotUse::vector},
        {&Weights::gate, "ffn_gate.weight", Width, dims.hidden},
        {&Weights::up, "ffn_up.weight", Width, dims.hidden},
        {&Weights::down, "ffn_down.weight", dims.hidden, Width},
        {&Weights::post_norm, "ffn_post_norm.weight", 1, dims.hidden, 1, SlotUse::vector},
    }};
  }
};

/// The slot lists of one layer, and where in its `LayerWeights` each of them is bound. A kind of layer that
/// is built differently specialises it, and `LayerWeights`.
template <class LayerType>
struct LayerSlots {
  /// Calls `visit(slots, part)` for each list, until one returns false; `part(weights)` is what it fills.
  template <class Visitor>
  static constexpr bool visit(const Dims& dims, Visitor visit) {
    return visit(
               Slots<typename LayerType::attention>::list(dims),
               [](auto& weights) -> auto& { return weights.attention; }) &&
           visit(
               Slots<typename LayerType::ffn>::list(dims),
               [](auto& weights) -> auto& { return weights.ffn; });
  }
};

/// Whether matrices of a layer have ranges in the file.
template <class LayerType>
constexpr bool clips_of() {
  return clamps_inputs_of<typename LayerType::attention>() || clamps_inputs_of<typename LayerType::ffn>();
}

// --- Fronts and backs ---

/// Weights of a `PatchFront`. I numbers of a patch, P positions on each axis.
struct PatchFrontWeights {
  Linear matrix;           ///< [D, I]
  WeightMatrix positions;  ///< [2, P, D]: columns, then rows
};

template <int Side>
struct Slots<PatchFront<Side>> {
  using Weights = PatchFrontWeights;
  static constexpr std::array<Slot<Weights>, 2> list(const EncoderDims& dims, const EncoderSizes& sizes) {
    return {{
        {&Weights::matrix, "v.patch_embd.weight", dims.hidden, PatchFront<Side>::input_width},
        {&Weights::positions, "v.position_embd.weight", sizes.positions, dims.hidden, 2, SlotUse::table},
    }};
  }
};

/// Weights of a `BlockFront`.
struct BlockFrontWeights {
  WeightMatrix input_norm;      ///< [I]
  WeightMatrix input_shift;     ///< [I]
  Linear matrix;                ///< [D, I]
  WeightMatrix bias;            ///< [D]
  WeightMatrix norm;            ///< [D]
  WeightMatrix shift;           ///< [D]
  WeightMatrix positions;       ///< [2, P, D], or [P, 2, D] in checkpoints
  WeightMatrix position_norm;   ///< [D]
  WeightMatrix position_shift;  ///< [D]
};

template <int Side>
struct Slots<BlockFront<Side>> {
  using Weights = BlockFrontWeights;
  static constexpr std::array<Slot<Weights>, 9> list(const EncoderDims& dims, const EncoderSizes& sizes) {
    constexpr int input = BlockFront<Side>::input_width;
    const int hidden = dims.hidden;
    const bool axis_first = sizes.layout == MediaLayout::gguf;
    return {{
        {&Weights::input_norm, "v.patch_norm.1.weight", 1, input, 1, SlotUse::vector},
        {&Weights::input_shift, "v.patch_norm.1.bias", 1, input, 1, SlotUse::vector},
        {&Weights::matrix, "v.patch_embd.weight", hidden, input},
        {&Weights::bias, "v.patch_embd.bias", 1, hidden, 1, SlotUse::vector},
        {&Weights::norm, "v.patch_norm.2.weight", 1, hidden, 1, SlotUse::vector},
        {&Weights::shift, "v.patch_norm.2.bias", 1, hidden, 1, SlotUse::vector},
        {&Weights::positions, "v.position_embd.weight", axis_first ? sizes.positions : 2, hidden,
         axis_first ? 2 : sizes.positions, SlotUse::table},
        {&Weights::position_norm, "v.patch_norm.3.weight", 1, hidden, 1, SlotUse::vector},
        {&Weights::position_shift, "v.patch_norm.3.bias", 1, hidden, 1, SlotUse::vector},
    }};
  }
};

/// Weights of a `PooledBack`.
struct PooledBackWeights {
  WeightMatrix shift;  ///< [D]; of standardised ones
  WeightMatrix scale;  ///< [D]; of standardised ones
};

template <int Side, bool Standardised>
struct Slots<PooledBack<Side, Standardised>> {
  using Weights = PooledBackWeights;
  static constexpr std::array<Slot<Weights>, Standardised ? 2 : 0> list(const EncoderDims& dims,
                                                                        const EncoderSizes&) {
    if constexpr (Standardised) {
      return {{{&Weights::shift, "v.std_bias", 1, dims.hidden, 1, SlotUse::vector},
               {&Weights::scale, "v.std_scale", 1, dims.hidden, 1, SlotUse::vector}}};
    } else {
      return {};
    }
  }
};

template <>
struct Slots<PlainBack> {
  using Weights = NoWeights;
  static constexpr std::array<Slot<NoWeights>, 0> list(const EncoderDims&, const EncoderSizes&) { return {}; }
};

// --- Into the text model ---

/// The last matrix, from the width of an encoder to that of a text model.
struct ProjectorWeights {
  Linear matrix;  ///< [text hidden, output width]
};

constexpr std::array<Slot<ProjectorWeights>, 1> projector_slots(MediaKind input, int output_width,
                                                                const EncoderSizes& sizes) {
  return {{{&ProjectorWeights::matrix,
            input == MediaKind::picture ? std::string_view("mm.input_projection.weight")
                                        : std::string_view("mm.a.input_projection.weight"),
            sizes.text_hidden, output_width}}};
}

}  // namespace lamina
