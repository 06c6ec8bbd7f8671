// SPDX-License-Identifier: Apache-2.0
// Layers whose per-layer inputs differ in width.
// EXPECT: lamina: PerLayerInput: all layers of a model must have the same width; give every layer
// EXPECT: PerLayerRules<lamina::PerLayerInput<16>, lamina::PerLayerInput<32>

#include <lamina/schedule.hpp>

namespace la = lamina;

using Attention = la::GlobalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 512}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<la::Layer<Attention, la::DenseFfn<64>, la::PerLayerInput<16>>,
                              la::Layer<Attention, la::DenseFfn<64>, la::PerLayerInput<32>>>;
};
static_assert(la::Variant<Model>);
