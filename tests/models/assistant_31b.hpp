// SPDX-License-Identifier: Apache-2.0
// Target model of the 31B drafter data.
// Source: golden/assistant/31b/target/config.json.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina::models {

struct Assistant31b {
  static constexpr std::string_view name = "assistant-31b";
  static constexpr Dims dims{.hidden = 64, .vocab = 512, .max_context = 4096};

  using Local = LocalAttention<AttnShape{.heads = 4, .kv_heads = 2, .head_dim = 16, .window = 16}>;
  using Global = GlobalAttention<AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 32, .key_is_value = true}>;
  using Ffn = DenseFfn<128>;

  using Layers = Schedule<Repeat<5, Layer<Local, Ffn>>, Layer<Global, Ffn>>;
};

}  // namespace lamina::models
