// SPDX-License-Identifier: Apache-2.0
// q-e2b: 3 layers, hidden width 256; written by `lamina plan --as-header`.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

struct QE2B {
  static constexpr std::string_view name = "q-e2b";
  static constexpr lamina::Dims dims{.hidden = 256, .vocab = 512, .max_context = 2048};

  using Local =
      lamina::LocalAttention<lamina::AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 128, .window = 16}>;
  using Global = lamina::GlobalAttention<lamina::AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 128}>;
  using Ffn = lamina::DenseFfn<256>;
  using Ffn2 = lamina::DenseFfn<512>;
  using PerLayer = lamina::PerLayerInput<256>;
  using LocalLayer = lamina::Layer<Local, Ffn, PerLayer>;
  using GlobalLayer = lamina::Layer<Global, Ffn, PerLayer>;
  using SharedGlobalLayer = lamina::Layer<lamina::SharedKv<Global>, Ffn2, PerLayer>;

  using Owners = lamina::Schedule<LocalLayer, GlobalLayer>;
  using Readers = lamina::Schedule<SharedGlobalLayer>;
  using Layers = lamina::Schedule<Owners, Readers>;
};
