// SPDX-License-Identifier: Apache-2.0
// Where the value is the raw key, its norm is what keys are made of again.
// EXPECT: lamina: AttentionKind: key_is_value needs key_norm and value_norm; its keys are made of the normed

#include <lamina/schedule.hpp>

namespace la = lamina;

struct Attention {
  static constexpr la::AttnShape shape{.heads = 2, .kv_heads = 1, .head_dim = 16, .key_is_value = true};
  static constexpr bool owns_kv = true;
  static constexpr bool value_norm = false;
};
static_assert(la::AttentionKind<Attention>);
