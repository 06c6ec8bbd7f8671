// SPDX-License-Identifier: Apache-2.0
// Gemma 4 E4B: 42 layers, the last 18 share keys and values.
// Source: text-decoder.md §1.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina {

struct Gemma4E4b {
  static constexpr std::string_view name = "gemma4-e4b";
  static constexpr Dims dims{.hidden = 2560, .vocab = 262'144, .max_context = 131'072};

  using Local = LocalAttention<AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 256, .window = 512}>;
  using Global = GlobalAttention<AttnShape{.heads = 8, .kv_heads = 2, .head_dim = 512}>;
  template <class Attention>
  using Block = Layer<Attention, DenseFfn<10'240>, PerLayerInput<256>>;

  using Owners = Repeat<4, Repeat<5, Block<Local>>, Block<Global>>;
  using Readers = Repeat<3, Repeat<5, Block<SharedKv<Local>>>, Block<SharedKv<Global>>>;
  using Layers = Schedule<Owners, Readers>;
};

}  // namespace lamina
