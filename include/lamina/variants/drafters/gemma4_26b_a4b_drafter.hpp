// SPDX-License-Identifier: Apache-2.0
// The drafter of Gemma 4 26B-A4B.
// Source: mtp-assistant.md §2.1.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina {

struct Gemma4_26bA4bDrafter {
  static constexpr std::string_view name = "gemma4-26b-a4b-drafter";
  static constexpr Dims dims{.hidden = 1024, .vocab = 262'144, .max_context = 262'144, .target_hidden = 2816};

  using Local = LocalAttention<AttnShape{.heads = 16, .kv_heads = 8, .head_dim = 256, .window = 1024}>;
  using Global =
      GlobalAttention<AttnShape{.heads = 16, .kv_heads = 2, .head_dim = 512, .key_is_value = true}>;
  using Ffn = DenseFfn<8192>;

  using Layers = Schedule<Repeat<3, Layer<ExternalKv<Local>, Ffn>>, Layer<ExternalKv<Global>, Ffn>>;
};

}  // namespace lamina
