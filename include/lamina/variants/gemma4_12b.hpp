// SPDX-License-Identifier: Apache-2.0
// Gemma 4 12B ("unified"): 48 layers, global layers without value projection.
// Source: text-decoder.md §1.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina {

struct Gemma4_12b {
  static constexpr std::string_view name = "gemma4-12b";
  static constexpr Dims dims{.hidden = 3840, .vocab = 262'144, .max_context = 262'144};

  using Local = LocalAttention<AttnShape{.heads = 16, .kv_heads = 8, .head_dim = 256, .window = 1024}>;
  using Global =
      GlobalAttention<AttnShape{.heads = 16, .kv_heads = 1, .head_dim = 512, .key_is_value = true}>;
  using Ffn = DenseFfn<15'360>;

  using Layers = Schedule<Repeat<8, Repeat<5, Layer<Local, Ffn>>, Layer<Global, Ffn>>>;
};

}  // namespace lamina
