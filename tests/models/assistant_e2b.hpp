// SPDX-License-Identifier: Apache-2.0
// Target model of the E2B drafter data; the text decoder of the E2B picture data has the same structure.
// Source: golden/assistant/e2b/target/config.json, golden/vision/e2b/config.json.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina::models {

struct AssistantE2b {
  static constexpr std::string_view name = "assistant-e2b";
  static constexpr Dims dims{.hidden = 64, .vocab = 512, .max_context = 4096};

  using Local = LocalAttention<AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 16, .window = 16}>;
  using Global = GlobalAttention<AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 32}>;
  template <class Attention, int Width>
  using Block = Layer<Attention, DenseFfn<Width>, PerLayerInput<16>>;

  using Layers = Schedule<Repeat<4, Block<Local, 96>>, Block<Global, 96>,
                          Repeat<4, Block<SharedKv<Local>, 192>>, Block<SharedKv<Global>, 192>>;
};

}  // namespace lamina::models
