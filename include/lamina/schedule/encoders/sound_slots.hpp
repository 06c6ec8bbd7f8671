// SPDX-License-Identifier: Apache-2.0
// Which weights each part of an encoder for sounds has, under the names of projector files (mmproj).
// Source: audio.md §4.1, §4.2.
#pragma once

#include <array>

#include <lamina/schedule/encoders/slots.hpp>
#include <lamina/schedule/encoders/sound_kinds.hpp>

namespace lamina {

// --- Layers ---

/// Weights of the attention of a conformer layer. D hidden, H heads, d head width.
struct RelativeAttentionWeights {
  WeightMatrix norm;       ///< [D]
  Linear q;                ///< [H d, D]
  Linear k;                ///< [H d, D]
  Linear v;                ///< [H d, D]
  Linear output;           ///< [D, H d]
  WeightMatrix relative;   ///< [H d, D]; read when the layer is bound
  WeightMatrix dim_scale;  ///< [d]; likewise
  WeightMatrix post_norm;  ///< [D]

  // Made when the layer is bound.
  const float* distances = nullptr;    ///< [distances, H d] rows of the distances 0, 1, ...
  const float* query_scale = nullptr;  ///< [d]
};

template <AttnShape S, bool Clipped>
struct Slots<RelativeAttention<S, Clipped>> {
  using Weights = RelativeAttentionWeights;
  static constexpr std::array<Slot<Weights>, 8> list(const Dims& dims) {
    constexpr int width = S.heads * S.head_dim;
    return {{
        {&Weights::norm, "attn_pre_norm.weight", 1, dims.hidden, 1, SlotUse::vector},
        {&Weights::q, "attn_q.weight", width, dims.hidden},
        {&Weights::k, "attn_k.weight", width, dims.hidden},
        {&Weights::v, "attn_v.weight", width, dims.hidden},
        {&Weights::output, "attn_out.weight", dims.hidden, width},
        {&Weights::relative, "attn_k_rel.weight", width, dims.hidden, 1, SlotUse::table},
        {&Weights::dim_scale, "per_dim_scale.weight", 1, S.head_dim, 1, SlotUse::vector},
        {&Weights::post_norm, "attn_post_norm.weight", 1, dims.hidden, 1, SlotUse::vector},
    }};
  }
};

/// Weights of a dense block of a conformer layer. F width.
struct ConformerFfnWeights {
  WeightMatrix norm;       ///< [D]
  Linear up;               ///< [F, D]
  Linear down;             ///< [D, F]
  WeightMatrix post_norm;  ///< [D]; halved when the layer is bound: the block counts half
};

/// Slots of the dense block before attention, or of the one behind the convolution.
constexpr std::array<Slot<ConformerFfnWeights>, 4> conformer_ffn_slots(int width, const Dims& dims,
                                                                       bool second) {
  using Weights = ConformerFfnWeights;
  return {{
      {&Weights::norm, second ? "ffn_norm_1.weight" : "ffn_norm.weight", 1, dims.hidden, 1, SlotUse::vector},
      {&Weights::up, second ? "ffn_up_1.weight" : "ffn_up.weight", width, dims.hidden},
      {&Weights::down, second ? "ffn_down_1.weight" : "ffn_down.weight", dims.hidden, width},
      {&Weights::post_norm, second ? "ffn_post_norm_1.weight" : "ffn_post_norm.weight", 1, dims.hidden, 1,
       SlotUse::vector},
  }};
}

template <int Width, bool Clipped>
struct Slots<ConformerFfn<Width, Clipped>> {
  using Weights = ConformerFfnWeights;
  static constexpr auto list(const Dims& dims) { return conformer_ffn_slots(Width, dims, false); }
};

/// Weights of the convolution of a conformer layer. K taps.
struct LightConvolutionWeights {
  WeightMatrix norm;        ///< [D]; "conv_norm", which checkpoints call pre_layer_norm
  Linear start;             ///< [2 D, D]: values, then gates
  WeightMatrix filters;     ///< [D, K]; read when the layer is bound
  WeightMatrix inner_norm;  ///< [D]; "norm_conv", which checkpoints call conv_norm
  Linear end;               ///< [D, D]

  const float* taps = nullptr;  ///< [K, D], made when the layer is bound
};

template <int Taps, bool Clipped>
struct Slots<LightConvolution<Taps, Clipped>> {
  using Weights = LightConvolutionWeights;
  static constexpr std::array<Slot<Weights>, 5> list(const Dims& dims) {
    const int hidden = dims.hidden;
    return {{
        {&Weights::norm, "conv_norm.weight", 1, hidden, 1, SlotUse::vector},
        {&Weights::start, "conv_pw1.weight", 2 * hidden, hidden},
        {&Weights::filters, "conv_dw.weight", hidden, Taps, 1, SlotUse::vector},
        {&Weights::inner_norm, "norm_conv.weight", 1, hidden, 1, SlotUse::vector},
        {&Weights::end, "conv_pw2.weight", hidden, hidden},
    }};
  }
};

/// The norm behind a conformer layer.
struct LayerNormWeights {
  WeightMatrix norm;  ///< [D]
};

constexpr std::array<Slot<LayerNormWeights>, 1> layer_norm_slots(const Dims& dims) {
  return {{{&LayerNormWeights::norm, "ln2.weight", 1, dims.hidden, 1, SlotUse::vector}}};
}

template <class Attention, class Ffn, class Convolution>
struct LayerSlots<ConformerLayer<Attention, Ffn, Convolution>> {
  template <class Visitor>
  static constexpr bool visit(const Dims& dims, Visitor visit) {
    return visit(
               Slots<Ffn>::list(dims), [](auto& weights) -> auto& { return weights.ffn; }) &&
           visit(
               Slots<Attention>::list(dims), [](auto& weights) -> auto& { return weights.attention; }) &&
           visit(
               Slots<Convolution>::list(dims), [](auto& weights) -> auto& { return weights.convolution; }) &&
           visit(
               conformer_ffn_slots(Ffn::width, dims, true),
               [](auto& weights) -> auto& { return weights.second_ffn; }) &&
           visit(
               layer_norm_slots(dims), [](auto& weights) -> auto& { return weights.output; });
  }
};

// --- Fronts and backs ---

/// Weights of a `SubsampleFront`. C channels of a convolution.
struct SubsampleFrontWeights {
  WeightMatrix filters;       ///< [C0, 3 · 3]
  WeightMatrix norm;          ///< [C0]
  WeightMatrix more_filters;  ///< [C1, C0 · 3 · 3]
  WeightMatrix more_norm;     ///< [C1]
  Linear matrix;              ///< [D, bins · C1], the channel fast
};

template <int Channels, int MoreChannels>
struct Slots<SubsampleFront<Channels, MoreChannels>> {
  using Front = SubsampleFront<Channels, MoreChannels>;
  using Weights = SubsampleFrontWeights;
  // Filters are small, and float32 in every projector file.
  static constexpr std::array<Slot<Weights>, 5> list(const EncoderDims& dims, const EncoderSizes&) {
    return {{
        {&Weights::filters, "a.conv1d.0.weight", Channels, Front::taps, 1, SlotUse::vector},
        {&Weights::norm, "a.conv1d.0.norm.weight", 1, Channels, 1, SlotUse::vector},
        {&Weights::more_filters, "a.conv1d.1.weight", MoreChannels, Channels * Front::taps, 1,
         SlotUse::vector},
        {&Weights::more_norm, "a.conv1d.1.norm.weight", 1, MoreChannels, 1, SlotUse::vector},
        {&Weights::matrix, "a.input_projection.weight", dims.hidden, Front::product_width},
    }};
  }
};

template <>
struct Slots<SampleFront> {
  using Weights = NoWeights;
  static constexpr std::array<Slot<NoWeights>, 0> list(const EncoderDims&, const EncoderSizes&) { return {}; }
};

/// Weights of a `MatrixBack`.
struct MatrixBackWeights {
  Linear matrix;      ///< [width, D]
  WeightMatrix bias;  ///< [width]
};

template <int Width>
struct Slots<MatrixBack<Width>> {
  using Weights = MatrixBackWeights;
  static constexpr std::array<Slot<Weights>, 2> list(const EncoderDims& dims, const EncoderSizes&) {
    return {{
        {&Weights::matrix, "a.pre_encode.out.weight", Width, dims.hidden},
        {&Weights::bias, "a.pre_encode.out.bias", 1, Width, 1, SlotUse::vector},
    }};
  }
};

}  // namespace lamina
