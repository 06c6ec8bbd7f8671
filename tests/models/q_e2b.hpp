// SPDX-License-Identifier: Apache-2.0
// Model of the quantised reference files that has the features of E2B; both classes have the same head width.
// Source: metadata of golden/quant/q-e2b-*.gguf.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina::models {

struct QE2b {
  static constexpr std::string_view name = "q-e2b";
  static constexpr Dims dims{.hidden = 256, .vocab = 512, .max_context = 2048};

  using Local = LocalAttention<AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 128, .window = 16}>;
  using Global = GlobalAttention<AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 128}>;
  template <class Attention, int Width>
  using Block = Layer<Attention, DenseFfn<Width>, PerLayerInput<256>>;

  using Layers = Schedule<Block<Local, 256>, Block<Global, 256>, Block<SharedKv<Global>, 512>>;
};

}  // namespace lamina::models
