// SPDX-License-Identifier: Apache-2.0
// The same rule for a kind of the user's own, at the smallest even number.
// EXPECT: lamina: AttentionKind: head_dim must be a multiple of 4; .* round \.head_dim up
// EXPECT: 2, 1, 2

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Attention {
  static constexpr la::AttnShape shape{.heads = 2, .kv_heads = 1, .head_dim = 2};
  static constexpr bool owns_kv = true;
};
static_assert(la::AttentionKind<Attention>);
