// SPDX-License-Identifier: Apache-2.0
// The demo model: trained, 2.39 million weights in its text decoder, every kind of layer that E2B has.
// Source: golden/demo/README.md, golden/demo/hf/config.json.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina::models {

struct Demo {
  static constexpr std::string_view name = "demo";
  static constexpr Dims dims{.hidden = 128, .vocab = 768, .max_context = 8192};

  using Local = LocalAttention<AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 32, .window = 64}>;
  using Global = GlobalAttention<AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 64}>;
  template <class Attention, int Width>
  using Block = Layer<Attention, DenseFfn<Width>, PerLayerInput<32>>;

  using Layers = Schedule<Repeat<4, Block<Local, 256>>, Block<Global, 256>,
                          Repeat<4, Block<SharedKv<Local>, 512>>, Block<SharedKv<Global>, 512>>;
};

}  // namespace lamina::models
