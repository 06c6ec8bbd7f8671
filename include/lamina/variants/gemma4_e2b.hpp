// SPDX-License-Identifier: Apache-2.0
// Gemma 4 E2B: 35 layers, the last 20 share keys and values and have double-wide feed-forward blocks.
// Source: text-decoder.md §1.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina {

struct Gemma4E2b {
  static constexpr std::string_view name = "gemma4-e2b";
  static constexpr Dims dims{.hidden = 1536, .vocab = 262'144, .max_context = 131'072};

  using Local = LocalAttention<AttnShape{.heads = 8, .kv_heads = 1, .head_dim = 256, .window = 512}>;
  using Global = GlobalAttention<AttnShape{.heads = 8, .kv_heads = 1, .head_dim = 512}>;
  template <class Attention, int Width>
  using Block = Layer<Attention, DenseFfn<Width>, PerLayerInput<256>>;

  using Owners = Repeat<3, Repeat<4, Block<Local, 6144>>, Block<Global, 6144>>;
  using Readers = Repeat<4, Repeat<4, Block<SharedKv<Local>, 12'288>>, Block<SharedKv<Global>, 12'288>>;
  using Layers = Schedule<Owners, Readers>;
};

}  // namespace lamina
