// SPDX-License-Identifier: Apache-2.0
// The drafter of the 31B drafter data.
// Source: golden/assistant/31b/drafter/config.json.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina::models {

struct Assistant31bDrafter {
  static constexpr std::string_view name = "assistant-31b-drafter";
  static constexpr Dims dims{.hidden = 32, .vocab = 512, .max_context = 4096, .target_hidden = 64};

  using Local = LocalAttention<AttnShape{.heads = 4, .kv_heads = 2, .head_dim = 16, .window = 16}>;
  using Global = GlobalAttention<AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 32, .key_is_value = true}>;
  using Ffn = DenseFfn<64>;

  using Layers = Schedule<Repeat<3, Layer<ExternalKv<Local>, Ffn>>, Layer<ExternalKv<Global>, Ffn>>;
};

}  // namespace lamina::models
