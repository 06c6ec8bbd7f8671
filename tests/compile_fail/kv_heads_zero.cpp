// SPDX-License-Identifier: Apache-2.0
// Attention without key/value heads.
// EXPECT: lamina: AttentionKind: kv_heads must be > 0; set \.kv_heads
// EXPECT: GlobalAttention<.*8, 0, 512

#include <lamina/schedule.hpp>

namespace la = lamina;

using Attention = la::GlobalAttention<la::AttnShape{.heads = 8, .kv_heads = 0, .head_dim = 512}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<la::Layer<Attention, la::DenseFfn<64>>>;
};
static_assert(la::Variant<Model>);
