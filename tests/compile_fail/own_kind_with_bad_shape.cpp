// SPDX-License-Identifier: Apache-2.0
// The rules of a shape hold for attention kinds of the user's own too.
// EXPECT: lamina: AttentionKind: heads must be a multiple of kv_heads; change
// EXPECT: 7, 2, 64

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Attention {
  static constexpr la::AttnShape shape{.heads = 7, .kv_heads = 2, .head_dim = 64};
  static constexpr bool owns_kv = true;
};
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<la::Layer<Attention, la::DenseFfn<64>>>;
};
static_assert(la::Variant<Model>);
