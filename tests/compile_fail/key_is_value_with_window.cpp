// SPDX-License-Identifier: Apache-2.0
// A local layer without value projection.
// EXPECT: lamina: AttentionKind: key_is_value needs window 0; only global layers .* remove \.key_is_value
// EXPECT: 8, 2, 256, 512, true

#include <lamina/schedule.hpp>

namespace la = lamina;

using Attention = la::LocalAttention<la::AttnShape{
    .heads = 8, .kv_heads = 2, .head_dim = 256, .window = 512, .key_is_value = true}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<la::Layer<Attention, la::DenseFfn<64>>>;
};
static_assert(la::Variant<Model>);
