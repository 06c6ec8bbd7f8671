// SPDX-License-Identifier: Apache-2.0
// A mixture of no experts.
// EXPECT: lamina: MoeFfn: experts must be > 0; use DenseFfn

#include <lamina/schedule.hpp>

namespace la = lamina;

using Ffn = la::MoeFfn<la::MoeShape{.experts = 0, .active = 0, .expert_width = 32, .shared_width = 64}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<
      la::Layer<la::GlobalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 512}>, Ffn>>;
};
static_assert(la::Variant<Model>);
