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
#include <lamina/pass/pass.hpp>
#include <lamina/layers/per_layer_input-inl.hpp>
#include <lamina/pass/stream-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {

/// How a layer runs. An own kind specialises `AttentionKernel`, `FfnKernel` or `PerLayerKernel`; a layer that
/// is built differently specialises this template, with `run` alone.
template <class LayerType>
struct LayerKernel {
  using Attention = AttentionKernel<typename LayerType::attention>;
  static constexpr bool stores_apart = [] {
    if constexpr (LayerType::attention::owns_kv) return requires {
        &Attention::store;
      };
    return false;
  }();

  static void run(Pass& pass, const LayerWeights<LayerType>& weights, const AttentionSite& site) noexcept {
    Attention::run(pass, weights.attention, site);
    run_after_attention(pass, weights);
  }

  /// As `run`, but rows whose logits nobody wants end as soon as their keys and values are stored.
  static void run_last_owner(Pass& pass, const LayerWeights<LayerType>& weights,
                             const AttentionSite& site) noexcept requires stores_apart {
    store(pass, weights, site);
    pass.drop_unwanted();
    if (pass.rows > 0) run_stored(pass, weights, site);
  }

  /// The first half of `run`: writes keys and values alone.
  static void store(Pass& pass, const LayerWeights<LayerType>& weights,
                    const AttentionSite& site) noexcept requires stores_apart {
    Attention::store(pass, weights.attention, site);
  }

  /// The second half of `run`. Requires `store` has run for all rows that these see.
  static void run_stored(Pass& pass, const LayerWeights<LayerType>& weights,
                         const AttentionSite& site) noexcept requires stores_apart {
    Attention::attend_stored(pass, weights.attention, site);
    run_after_attention(pass, weights);
  }

 private:
  static void run_after_attention(Pass& pass, const LayerWeights<LayerType>& weights) noexcept {
    pass.step = PassStep::feed_forward;
    FfnKernel<typename LayerType::ffn>::run(pass, weights.ffn);
    pass.step = PassStep::per_layer_input;
    PerLayerKernel<typename LayerType::per_layer>::run(pass, weights.per_layer);
    if (weights.scale.scale) scale_stream(pass, *weights.scale.scale.f32());
    pass.show(PassValue::layer_output, pass.work.stream, pass.hidden);
  }
};

/// Runs one layer. The last layer that owns keys and values (`is_last_owner`) is where rows end whose logits
/// nobody wants: here, for kernels of every kind (§2.4.3).
template <class LayerType>
void run_layer(Pass& pass, const LayerWeights<LayerType>& weights, const AttentionSite& site,
               bool is_last_owner) noexcept {
  using Kernel = LayerKernel<LayerType>;
  const bool some_stop = is_last_owner && pass.wanted < pass.rows;
  if constexpr (requires { requires Kernel::stores_apart; }) {
    if (some_stop) return Kernel::run_last_owner(pass, weights, site);
  }
  Kernel::run(pass, weights, site);
  if (some_stop) pass.drop_unwanted();
}

}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
