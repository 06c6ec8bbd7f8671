// SPDX-License-Identifier: Apache-2.0
// More experts per token than there are.
// EXPECT: lamina: MoeFfn: active must not exceed experts; lower \.active or raise \.experts
// EXPECT: MoeFfn<.*8, 9, 32, 64

#include <lamina/schedule.hpp>

namespace la = lamina;

using Ffn = la::MoeFfn<la::MoeShape{.experts = 8, .active = 9, .expert_width = 32, .shared_width = 64}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<
      la::Layer<la::GlobalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 512}>, Ffn>>;
};
static_assert(la::Variant<Model>);
