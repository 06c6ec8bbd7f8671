// SPDX-License-Identifier: Apache-2.0
// A repetition that repeats nothing.
// EXPECT: lamina: Repeat: its count must be > 0; remove the Repeat or give it a count

#include <lamina/schedule.hpp>

namespace la = lamina;

using Local = la::LocalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 256, .window = 512}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<la::Repeat<0, la::Layer<Local, la::DenseFfn<64>>>>;
};
static_assert(la::Variant<Model>);
