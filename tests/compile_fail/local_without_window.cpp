// SPDX-License-Identifier: Apache-2.0
// A local layer that sees nothing.
// EXPECT: lamina: LocalAttention: window must be > 0; set \.window .* or use GlobalAttention
// EXPECT: 8, 2, 256, 0, false

#include <lamina/schedule.hpp>

namespace la = lamina;

using Attention = la::LocalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 256}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<la::Layer<Attention, la::DenseFfn<64>>>;
};
static_assert(la::Variant<Model>);
