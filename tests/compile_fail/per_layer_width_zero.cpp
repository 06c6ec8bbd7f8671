// SPDX-License-Identifier: Apache-2.0
// A per-layer input without width.
// EXPECT: lamina: PerLayerInput: width must be > 0; use NoPerLayerInput

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers =
      la::Schedule<la::Layer<la::GlobalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 512}>,
                             la::DenseFfn<64>, la::PerLayerInput<0>>>;
};
static_assert(la::Variant<Model>);
