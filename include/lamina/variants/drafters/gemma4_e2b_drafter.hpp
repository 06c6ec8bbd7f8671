// SPDX-License-Identifier: Apache-2.0
// The drafter of Gemma 4 E2B.
// Source: mtp-assistant.md §2.1.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina {

struct Gemma4E2bDrafter {
  static constexpr std::string_view name = "gemma4-e2b-drafter";
  static constexpr Dims dims{
      .hidden = 256, .vocab = 262'144, .max_context = 131'072, .target_hidden = 1536, .clusters = 2048};

  using Local = LocalAttention<AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 256, .window = 512}>;
  using Global = GlobalAttention<AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 512}>;
  using Ffn = DenseFfn<2048>;

  using Layers = Schedule<Repeat<3, Layer<ExternalKv<Local>, Ffn>>, Layer<ExternalKv<Global>, Ffn>>;
};

}  // namespace lamina
