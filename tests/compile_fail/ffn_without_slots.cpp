// SPDX-License-Identifier: Apache-2.0
// A feed-forward kind that does not say which weights it has.
// EXPECT: lamina: Layer: its second argument must be a feed-forward kind; give a type with `width` \(int\) and a specialisation of lamina::Slots
// EXPECT: Windmill

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Windmill {
  static constexpr int width = 8;
};
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<
      la::Layer<la::GlobalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 512}>, Windmill>>;
};
static_assert(la::Variant<Model>);
