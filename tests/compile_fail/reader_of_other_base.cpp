// SPDX-License-Identifier: Apache-2.0
// A kind whose queries turn at other speeds than the keys that it reads.
// EXPECT: lamina: AttentionKind: a kind without own keys and values must have .* rotary_pairs and rope_base of its owner

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Owner {
  static constexpr la::AttnShape shape{.heads = 2, .kv_heads = 1, .head_dim = 16, .window = 8};
  static constexpr bool owns_kv = true;
  static constexpr float rope_base = 500;
};
struct Reader {
  using owner = Owner;
  static constexpr la::AttnShape shape = Owner::shape;
  static constexpr bool owns_kv = false;
};
static_assert(la::AttentionKind<Reader>);
