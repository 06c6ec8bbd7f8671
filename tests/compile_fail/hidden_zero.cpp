// SPDX-License-Identifier: Apache-2.0
// A model without a residual stream.
// EXPECT: lamina: Variant: hidden must be > 0; set \.hidden in its Dims

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 0, .vocab = 100};
  using Layers =
      la::Schedule<la::Layer<la::GlobalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 512}>,
                             la::DenseFfn<64>>>;
};
static_assert(la::Variant<Model>);
