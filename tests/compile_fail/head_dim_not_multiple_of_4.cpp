// SPDX-License-Identifier: Apache-2.0
// A head whose elements cannot be dealt to four vectors.
// EXPECT: lamina: AttentionKind: head_dim must be a multiple of 4; .* round \.head_dim up
// EXPECT: LocalAttention<.*8, 2, 10, 512

#include <lamina/schedule.hpp>

namespace la = lamina;

using Attention = la::LocalAttention<la::AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 10, .window = 512}>;
struct Model {
  static constexpr std::string_view name = "model";
  static constexpr la::Dims dims{.hidden = 64, .vocab = 100};
  using Layers = la::Schedule<la::Layer<Attention, la::DenseFfn<64>>>;
};
static_assert(la::Variant<Model>);
