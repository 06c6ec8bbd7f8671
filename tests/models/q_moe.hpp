// SPDX-License-Identifier: Apache-2.0
// Model of the quantised reference file with experts, the global layer without value projection.
// Source: metadata of golden/quant/q-moe-*.gguf.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina::models {

struct QMoe {
  static constexpr std::string_view name = "q-moe";
  static constexpr Dims dims{.hidden = 256, .vocab = 512, .max_context = 2048};

  using Local = LocalAttention<AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 128, .window = 16}>;
  using Global = GlobalAttention<AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 128, .key_is_value = true}>;
  using Ffn = MoeFfn<MoeShape{.experts = 3, .active = 2, .expert_width = 256, .shared_width = 256}>;

  using Layers = Schedule<Layer<Local, Ffn>, Layer<Global, Ffn>>;
};

}  // namespace lamina::models
