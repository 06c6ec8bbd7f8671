// SPDX-License-Identifier: Apache-2.0
// More rotated pairs than a head has.
// EXPECT: lamina: AttentionKind: rotary_pairs must be 0 to head_dim / 2; change \.rotary_pairs

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Attention {
  static constexpr la::AttnShape shape{.heads = 2, .kv_heads = 1, .head_dim = 16};
  static constexpr bool owns_kv = true;
  static constexpr int rotary_pairs = 9;
};
static_assert(la::AttentionKind<Attention>);
