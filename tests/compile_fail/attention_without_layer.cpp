// SPDX-License-Identifier: Apache-2.0
// A part of a schedule that is no layer.
// EXPECT: lamina: Schedule: every part must be a layer kind, a Repeat or a Schedule; wrap
// EXPECT: Flat<lamina::LocalAttention<

#include <lamina/schedule.hpp>

namespace la = lamina;

using Local = la::LocalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 256, .window = 512}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<Local>;
};
static_assert(la::Variant<Model>);
