// SPDX-License-Identifier: Apache-2.0
// A K=V layer whose key row would hold an odd number of rotated pairs: a quarter of 24 / 2.
// EXPECT: lamina: AttentionKind: key_is_value needs an even number of rotary_pairs; .* multiple of 16
// EXPECT: GlobalAttention<.*4, 1, 24, 0, true

#include <lamina/schedule.hpp>

namespace la = lamina;

using Attention =
    la::GlobalAttention<la::AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 24, .key_is_value = true}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<la::Layer<Attention, la::DenseFfn<64>>>;
};
static_assert(la::Variant<Model>);
