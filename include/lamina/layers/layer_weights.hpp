// SPDX-License-Identifier: Apache-2.0
// The weights of one layer, typed by its kind.
#pragma once

#include <lamina/schedule/schedule.hpp>
#include <lamina/schedule/slots.hpp>

namespace lamina {

/// Views of all weights of a layer of kind `LayerType`.
template <LayerKind LayerType>
struct LayerWeights {
  typename Slots<typename LayerType::attention>::Weights attention;
  typename Slots<typename LayerType::ffn>::Weights ffn;
  typename Slots<typename LayerType::per_layer>::Weights per_layer;
  LayerScale scale;
};

}  // namespace lamina
