// SPDX-License-Identifier: Apache-2.0
// A layer that shares with a layer that shares.
// EXPECT: lamina: SharedKv: its Owner must own keys and values; name the owning kind itself

#include <lamina/schedule.hpp>

namespace la = lamina;

using Local = la::LocalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 256, .window = 512}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<la::Layer<Local, la::DenseFfn<64>>,
                              la::Layer<la::SharedKv<la::SharedKv<Local>>, la::DenseFfn<64>>>;
};
static_assert(la::Variant<Model>);
