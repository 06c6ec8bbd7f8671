// SPDX-License-Identifier: Apache-2.0
// A base that gives all pairs the same frequency.
// EXPECT: lamina: AttentionKind: rope_base must be > 1; give the base of the rotation frequencies

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Attention {
  static constexpr la::AttnShape shape{.heads = 2, .kv_heads = 1, .head_dim = 16};
  static constexpr bool owns_kv = true;
  static constexpr float rope_base = 1;
};
static_assert(la::AttentionKind<Attention>);
