// SPDX-License-Identifier: Apache-2.0
// Reference model with the features of 26B-A4B: experts beside a dense block, global layers without value
// projection. Source: golden/text/tiny-26b-a4b/config.json.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina::models {

struct Tiny26bA4b {
  static constexpr std::string_view name = "tiny-26b-a4b";
  static constexpr Dims dims{.hidden = 64, .vocab = 512, .max_context = 2048};

  using Local = LocalAttention<AttnShape{.heads = 4, .kv_heads = 2, .head_dim = 16, .window = 16}>;
  using Global = GlobalAttention<AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 32, .key_is_value = true}>;
  using Ffn = MoeFfn<MoeShape{.experts = 8, .active = 2, .expert_width = 32, .shared_width = 96}>;

  using Layers = Schedule<Repeat<5, Layer<Local, Ffn>>, Layer<Global, Ffn>>;
};

}  // namespace lamina::models
