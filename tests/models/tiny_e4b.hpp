// SPDX-License-Identifier: Apache-2.0
// Reference model with the features of E4B: 12 layers of which the last 5 share keys and values.
// Source: golden/text/tiny-e4b/config.json.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina::models {

struct TinyE4b {
  static constexpr std::string_view name = "tiny-e4b";
  static constexpr Dims dims{.hidden = 64, .vocab = 512, .max_context = 2048};

  using Local = LocalAttention<AttnShape{.heads = 4, .kv_heads = 2, .head_dim = 16, .window = 16}>;
  using Global = GlobalAttention<AttnShape{.heads = 4, .kv_heads = 2, .head_dim = 32}>;
  template <class Attention>
  using Block = Layer<Attention, DenseFfn<32>, PerLayerInput<16>>;

  using Layers = Schedule<Repeat<5, Block<Local>>, Block<Global>, Block<Local>,
                          Repeat<4, Block<SharedKv<Local>>>, Block<SharedKv<Global>>>;
};

}  // namespace lamina::models
