// SPDX-License-Identifier: Apache-2.0
// Text decoder of the picture data with experts.
// Source: golden/vision/moe/config.json.
#pragma once

#include <string_view>

#include <lamina/schedule/variant.hpp>

namespace lamina::models {

struct VisionMoe {
  static constexpr std::string_view name = "vision-moe";
  static constexpr Dims dims{.hidden = 64, .vocab = 512, .max_context = 4096};

  using Local = LocalAttention<AttnShape{.heads = 4, .kv_heads = 2, .head_dim = 16, .window = 16}>;
  using Global = GlobalAttention<AttnShape{.heads = 4, .kv_heads = 1, .head_dim = 32, .key_is_value = true}>;
  using Ffn = MoeFfn<MoeShape{.experts = 8, .active = 2, .expert_width = 32, .shared_width = 96}>;

  using Layers = Schedule<Repeat<2, Repeat<2, Layer<Local, Ffn>>, Layer<Global, Ffn>>>;
};

}  // namespace lamina::models
