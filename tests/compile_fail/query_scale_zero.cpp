// SPDX-License-Identifier: Apache-2.0
// A kind whose scores would all be zero.
// EXPECT: lamina: AttentionKind: query_scale must be > 0; give the factor of the scores

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Attention {
  static constexpr la::AttnShape shape{.heads = 2, .kv_heads = 1, .head_dim = 16};
  static constexpr bool owns_kv = true;
  static constexpr float query_scale = 0;
};
static_assert(la::AttentionKind<Attention>);
