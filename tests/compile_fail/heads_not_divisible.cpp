// SPDX-License-Identifier: Apache-2.0
// Query heads that no whole number of key/value heads serves.
// EXPECT: lamina: AttentionKind: heads must be a multiple of kv_heads; change \.heads or \.kv_heads
// EXPECT: LocalAttention<.*8, 3, 256, 512, false

#include <lamina/schedule.hpp>

namespace la = lamina;

using Attention =
    la::LocalAttention<la::AttnShape{.heads = 8, .kv_heads = 3, .head_dim = 256, .window = 512}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<la::Layer<Attention, la::DenseFfn<64>>>;
};
static_assert(la::Variant<Model>);
