// SPDX-License-Identifier: Apache-2.0
// The drafter of the E2B drafter data.
// Source: golden/assistant/e2b/drafter/config.json.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina::models {

struct AssistantE2bDrafter {
  static constexpr std::string_view name = "assistant-e2b-drafter";
  static constexpr Dims dims{
      .hidden = 32, .vocab = 512, .max_context = 4096, .target_hidden = 64, .clusters = 32};

  using Local = LocalAttention<AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 16, .window = 16}>;
  using Global = GlobalAttention<AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 32}>;
  using Ffn = DenseFfn<64>;

  using Layers = Schedule<Repeat<3, Layer<ExternalKv<Local>, Ffn>>, Layer<ExternalKv<Global>, Ffn>>;
};

}  // namespace lamina::models
