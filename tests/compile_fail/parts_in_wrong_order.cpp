// SPDX-License-Identifier: Apache-2.0
// A layer with its parts in the wrong order.
// EXPECT: lamina: Layer: its first argument must be an attention kind; give a type

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers =
      la::Schedule<la::Layer<la::DenseFfn<64>,
                             la::GlobalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 512}>>>;
};
static_assert(la::Variant<Model>);
