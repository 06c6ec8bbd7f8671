// SPDX-License-Identifier: Apache-2.0
// A kind that looks back further than its window, from its second block on, through a kind that shares it.
// EXPECT: lamina: AttentionKind: visible\(position\) must lie within the last \.window tokens up to position itself

#include <lamina/layers/attention_kind.hpp>

namespace la = lamina;

struct Attention {
  static constexpr la::AttnShape shape{.heads = 2, .kv_heads = 1, .head_dim = 16, .window = 8};
  static constexpr bool owns_kv = true;
  static constexpr la::KeyRange visible(unsigned position) {
    return {position < 8 ? 0 : position / 8 * 8 - 1, position + 1};
  }
};
constexpr la::KeyRange keys = la::visible_keys<la::SharedKv<Attention>>(0);
