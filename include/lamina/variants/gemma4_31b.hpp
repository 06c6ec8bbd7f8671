// SPDX-License-Identifier: Apache-2.0
// Gemma 4 31B: 60 layers, global layers without value projection.
// Source: text-decoder.md §1.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina {

struct Gemma4_31b {
  static constexpr std::string_view name = "gemma4-31b";
  static constexpr Dims dims{.hidden = 5376, .vocab = 262'144, .max_context = 262'144};

  using Local = LocalAttention<AttnShape{.heads = 32, .kv_heads = 16, .head_dim = 256, .window = 1024}>;
  using Global =
      GlobalAttention<AttnShape{.heads = 32, .kv_heads = 4, .head_dim = 512, .key_is_value = true}>;
  using Ffn = DenseFfn<21'504>;

  using Layers = Schedule<Repeat<10, Repeat<5, Layer<Local, Ffn>>, Layer<Global, Ffn>>>;
};

}  // namespace lamina
