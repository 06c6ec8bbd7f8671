// SPDX-License-Identifier: Apache-2.0
// A schedule of readers only.
// EXPECT: lamina: SharedKv: its Owner must be a layer of the schedule; add a layer

#include <lamina/schedule.hpp>

namespace la = lamina;

using Local = la::LocalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 256, .window = 512}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<la::Repeat<3, la::Layer<la::SharedKv<Local>, la::DenseFfn<64>>>>;
};
static_assert(la::Variant<Model>);
