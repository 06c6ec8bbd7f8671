// SPDX-License-Identifier: Apache-2.0
// tiny-26b-a4b: 6 layers, hidden width 64; written by `lamina plan --as-header`.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

struct Tiny26BA4B {
  static constexpr std::string_view name = "tiny-26b-a4b";
  static constexpr lamina::Dims dims{.hidden = 64, .vocab = 512, .max_context = 2048};

  using Local =
      lamina::LocalAttention<lamina::AttnShape{.heads = 4, .kv_heads = 2, .head_dim = 16, .window = 16}>;
  using Global = lamina::GlobalAttention<lamina::AttnShape{
      .heads = 4, .kv_heads = 1, .head_dim = 32, .key_is_value = true}>;
  using Ffn =
      lamina::MoeFfn<lamina::MoeShape{.experts = 8, .active = 2, .expert_width = 32, .shared_width = 96}>;
  using LocalLayer = lamina::Layer<Local, Ffn>;
  using GlobalLayer = lamina::Layer<Global, Ffn>;

  using Layers = lamina::Schedule<lamina::Repeat<5, LocalLayer>, GlobalLayer>;
};
