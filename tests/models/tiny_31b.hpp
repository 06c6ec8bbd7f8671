// SPDX-License-Identifier: Apache-2.0
// Reference model with the features of 31B: global layers without value projection, more heads than tiny-12b.
// Source: golden/text/tiny-31b/config.json.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina::models {

struct Tiny31b {
  static constexpr std::string_view name = "tiny-31b";
  static constexpr Dims dims{.hidden = 64, .vocab = 512, .max_context = 2048};

  using Local = LocalAttention<AttnShape{.heads = 8, .kv_heads = 4, .head_dim = 16, .window = 16}>;
  using Global = GlobalAttention<AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 32, .key_is_value = true}>;
  using Ffn = DenseFfn<32>;

  using Layers = Schedule<Repeat<2, Repeat<5, Layer<Local, Ffn>>, Layer<Global, Ffn>>>;
};

}  // namespace lamina::models
