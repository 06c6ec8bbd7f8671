// SPDX-License-Identifier: Apache-2.0
// The control: must compile, so that the other files fail for the reason they state and for no other.

#include <lamina/schedule.hpp>

namespace la = lamina;

using Attention =
    la::LocalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 256, .window = 512}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<la::Layer<Attention, la::DenseFfn<64>>,
                              la::Layer<la::SharedKv<Attention>, la::DenseFfn<64>>>;
};
static_assert(la::Variant<Model>);
