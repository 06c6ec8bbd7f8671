// SPDX-License-Identifier: Apache-2.0
// A layer that shares the keys and values of an attention the schedule does not have.
// EXPECT: lamina: SharedKv: its Owner must be a layer of the schedule; add a layer with that attention
// EXPECT: OwnerRules<lamina::SharedKv<lamina::GlobalAttention<

#include <lamina/schedule.hpp>

namespace la = lamina;

using Local = la::LocalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 256, .window = 512}>;
using Global = la::GlobalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 512}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers =
      la::Schedule<la::Layer<Local, la::DenseFfn<64>>, la::Layer<la::SharedKv<Global>, la::DenseFfn<64>>>;
};
constexpr int owner = la::kv_owner<Model>(1);
