// SPDX-License-Identifier: Apache-2.0
// A global layer with a window.
// EXPECT: lamina: GlobalAttention: window must be 0; remove \.window, or use LocalAttention
// EXPECT: 8, 2, 512, 1024, false

#include <lamina/schedule.hpp>

namespace la = lamina;

using Attention =
    la::GlobalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 512, .window = 1024}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<la::Layer<Attention, la::DenseFfn<64>>>;
};
static_assert(la::Variant<Model>);
