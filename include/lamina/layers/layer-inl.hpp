// SPDX-License-Identifier: Apache-2.0
// One layer of any kind, in the order of the paper.
// Source: text-decoder.md §2.3.
#if defined(LAMINA_LAYERS_LAYER_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_LAYERS_LAYER_INL_HPP
#undef LAMINA_LAYERS_LAYER_INL_HPP
#else
#define LAMINA_LAYERS_LAYER_INL_HPP
#endif

#include <cstdint>

#include <lamina/layers/attention-inl.hpp>
#include <lamina/layers/ffn-inl.hpp>
#include <lamina/layers/layer_weights.hpp>
#include <lamina/layers/moe-inl.hpp>
#include <lamina/layers/pass.hpp>
#include <lamina/layers/per_layer_input-inl.hpp>
#include <lamina/layers/stream-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// How a layer runs. An own kind specialises `AttentionKernel`, `FfnKernel` or `PerLayerKernel`; a layer that
/// is built differently specialises this template.
template <class LayerType>
struct LayerKernel {
  static void run(Pass& pass, const LayerWeights<LayerType>& weights, const AttentionSite& site) noexcept {
    AttentionKernel<typename LayerType::attention>::run(pass, weights.attention, site);
    if (pass.rows == 0) return;  // a prompt whose logits nobody wants ends at the last KV owner
    pass.step = PassStep::feed_forward;
    FfnKernel<typename LayerType::ffn>::run(pass, weights.ffn);
    pass.step = PassStep::per_layer_input;
    PerLayerKernel<typename LayerType::per_layer>::run(pass, weights.per_layer);
    if (weights.scale.scale) scale_stream(pass, *weights.scale.scale.f32());
    pass.show(PassValue::layer_output, pass.work.stream, pass.hidden);
  }
};

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
