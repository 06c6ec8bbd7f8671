// SPDX-License-Identifier: Apache-2.0
// A layer that shares keys and values which a later layer writes.
// EXPECT: lamina: SharedKv: its Owner must come before it; move a layer that owns the keys and values before
// EXPECT: OwnerRules<lamina::SharedKv<lamina::LocalAttention<

#include <lamina/schedule.hpp>

namespace la = lamina;

using Local = la::LocalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 256, .window = 512}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers =
      la::Schedule<la::Layer<la::SharedKv<Local>, la::DenseFfn<64>>, la::Layer<Local, la::DenseFfn<64>>>;
};
static_assert(la::Variant<Model>);
