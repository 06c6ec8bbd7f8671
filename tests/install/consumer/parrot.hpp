// SPDX-License-Identifier: Apache-2.0
// A model type of somebody else's project.
#pragma once

#include <string_view>

#include <lamina/schedule.hpp>

namespace shop {

struct Parrot {
  static constexpr std::string_view name = "parrot";
  static constexpr lamina::Dims dims{.hidden = 64, .vocab = 128, .max_context = 256};

  using Local =
      lamina::LocalAttention<lamina::AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 32, .window = 32}>;
  using Layers = lamina::Schedule<lamina::Repeat<2, lamina::Layer<Local, lamina::DenseFfn<64>>>>;
};

}  // namespace shop
