// SPDX-License-Identifier: Apache-2.0
// Reference model with the features of E2B: shared keys and values, double-wide blocks, per-layer inputs.
// Source: golden/text/tiny-e2b/config.json.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina::models {

struct TinyE2b {
  static constexpr std::string_view name = "tiny-e2b";
  static constexpr Dims dims{.hidden = 64, .vocab = 512, .max_context = 2048};

  using Local = LocalAttention<AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 16, .window = 16}>;
  using Global = GlobalAttention<AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 32}>;
  template <class Attention, int Width>
  using Block = Layer<Attention, DenseFfn<Width>, PerLayerInput<16>>;

  using Layers = Schedule<Repeat<4, Block<Local, 32>>, Block<Global, 32>,
                          Repeat<4, Block<SharedKv<Local>, 64>>, Block<SharedKv<Global>, 64>>;
};

}  // namespace lamina::models
