// SPDX-License-Identifier: Apache-2.0
// A kind that would read its owner's keys as if they were of another size.
// EXPECT: lamina: AttentionKind: a kind without own keys and values must have kv_heads, head_dim, .* of its owner

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Reader {
  using owner = la::LocalAttention<la::AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 16, .window = 8}>;
  static constexpr la::AttnShape shape{.heads = 2, .kv_heads = 2, .head_dim = 16, .window = 8};
  static constexpr bool owns_kv = false;
};
static_assert(la::AttentionKind<Reader>);
