// SPDX-License-Identifier: Apache-2.0
// Gemma 4 26B-A4B: 30 layers of 128 experts, 8 active per token, global layers without value projection.
// Source: text-decoder.md §1, §1.4.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina {

struct Gemma4_26bA4b {
  static constexpr std::string_view name = "gemma4-26b-a4b";
  static constexpr Dims dims{.hidden = 2816, .vocab = 262'144, .max_context = 262'144};

  using Local = LocalAttention<AttnShape{.heads = 16, .kv_heads = 8, .head_dim = 256, .window = 1024}>;
  using Global =
      GlobalAttention<AttnShape{.heads = 16, .kv_heads = 2, .head_dim = 512, .key_is_value = true}>;
  using Ffn = MoeFfn<MoeShape{.experts = 128, .active = 8, .expert_width = 704, .shared_width = 2112}>;

  using Layers = Schedule<Repeat<5, Repeat<5, Layer<Local, Ffn>>, Layer<Global, Ffn>>>;
};

}  // namespace lamina
