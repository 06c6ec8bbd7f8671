// SPDX-License-Identifier: Apache-2.0
// Model of the dense quantised reference files, the global layer without value projection.
// Source: metadata of golden/quant/q-dense-*.gguf.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina::models {

struct QDense {
  static constexpr std::string_view name = "q-dense";
  static constexpr Dims dims{.hidden = 256, .vocab = 512, .max_context = 2048};

  using Local = LocalAttention<AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 128, .window = 16}>;
  using Global = GlobalAttention<AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 128, .key_is_value = true}>;
  using Ffn = DenseFfn<256>;

  using Layers = Schedule<Layer<Local, Ffn>, Layer<Global, Ffn>>;
};

}  // namespace lamina::models
