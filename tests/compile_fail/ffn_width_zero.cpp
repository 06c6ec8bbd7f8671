// SPDX-License-Identifier: Apache-2.0
// A feed-forward block without width.
// EXPECT: lamina: DenseFfn: width must be > 0; give the hidden width

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers =
      la::Schedule<la::Layer<la::GlobalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 512}>,
                             la::DenseFfn<0>>>;
};
static_assert(la::Variant<Model>);
