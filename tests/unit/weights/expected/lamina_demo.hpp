// SPDX-License-Identifier: Apache-2.0
// lamina-demo: 10 layers, hidden width 128; written by `lamina plan --as-header`.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

struct LaminaDemo {
  static constexpr std::string_view name = "lamina-demo";
  static constexpr lamina::Dims dims{.hidden = 128, .vocab = 768, .max_context = 8192};

  using Local =
      lamina::LocalAttention<lamina::AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 32, .window = 64}>;
  using Global = lamina::GlobalAttention<lamina::AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 64}>;
  using Ffn = lamina::DenseFfn<256>;
  using Ffn2 = lamina::DenseFfn<512>;
  using PerLayer = lamina::PerLayerInput<32>;
  using LocalLayer = lamina::Layer<Local, Ffn, PerLayer>;
  using GlobalLayer = lamina::Layer<Global, Ffn, PerLayer>;
  using SharedLocalLayer = lamina::Layer<lamina::SharedKv<Local>, Ffn2, PerLayer>;
  using SharedGlobalLayer = lamina::Layer<lamina::SharedKv<Global>, Ffn2, PerLayer>;

  using Owners = lamina::Schedule<lamina::Repeat<4, LocalLayer>, GlobalLayer>;
  using Readers = lamina::Schedule<lamina::Repeat<4, SharedLocalLayer>, SharedGlobalLayer>;
  using Layers = lamina::Schedule<Owners, Readers>;
};
