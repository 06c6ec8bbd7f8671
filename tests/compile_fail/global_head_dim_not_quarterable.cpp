// SPDX-License-Identifier: Apache-2.0
// A global head of which no quarter of the pairs can be rotated.
// EXPECT: lamina: GlobalAttention: head_dim must be a multiple of 8; .* round \.head_dim up
// EXPECT: 8, 2, 500, 0

#include <lamina/schedule.hpp>

namespace la = lamina;

using Attention = la::GlobalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 500}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<la::Layer<Attention, la::DenseFfn<64>>>;
};
static_assert(la::Variant<Model>);
