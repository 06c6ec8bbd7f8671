// SPDX-License-Identifier: Apache-2.0
// A kind that would read keys which its owner's ring has overwritten.
// EXPECT: lamina: AttentionKind: a kind without own keys and values must have a window within its owner's

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Reader {
  using owner = la::LocalAttention<la::AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 16, .window = 8}>;
  static constexpr la::AttnShape shape{.heads = 2, .kv_heads = 1, .head_dim = 16, .window = 9};
  static constexpr bool owns_kv = false;
};
static_assert(la::AttentionKind<Reader>);
