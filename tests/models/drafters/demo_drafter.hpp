// SPDX-License-Identifier: Apache-2.0
// A drafter for the demo model, for tests of chats: nobody trained it, its weights are random.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina::models {

struct DemoDrafter {
  static constexpr std::string_view name = "demo-drafter";
  static constexpr Dims dims{.hidden = 32, .vocab = 768, .max_context = 8192, .target_hidden = 128};

  using Local = LocalAttention<AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 32, .window = 64}>;
  using Global = GlobalAttention<AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 64}>;
  using Ffn = DenseFfn<64>;

  using Layers = Schedule<Repeat<3, Layer<ExternalKv<Local>, Ffn>>, Layer<ExternalKv<Global>, Ffn>>;
};

}  // namespace lamina::models
