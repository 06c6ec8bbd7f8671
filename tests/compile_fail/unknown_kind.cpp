// SPDX-License-Identifier: Apache-2.0
// A layer whose attention is no kind: it forgot `owns_kv`.
// EXPECT: lamina: Layer: its first argument must be an attention kind; give a type with `shape`
// EXPECT: Layer<Windmill

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Windmill {
  static constexpr la::AttnShape shape{.heads = 8, .kv_heads = 2, .head_dim = 64};
};
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<la::Layer<Windmill, la::DenseFfn<64>>>;
};
static_assert(la::Variant<Model>);
