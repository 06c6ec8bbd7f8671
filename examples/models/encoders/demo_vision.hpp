// SPDX-License-Identifier: Apache-2.0
// Vision tower of the demo model; that of the reference data golden/vision/e2b has the same structure.
#pragma once

#include <cstdint>
#include <string_view>

#include <lamina/schedule/encoders/encoder.hpp>

namespace lamina::models {

struct DemoVision {
  static constexpr std::string_view name = "demo-vision";
  static constexpr EncoderDims dims{.hidden = 64};
  static constexpr std::int32_t picture_tokens = 70;  ///< the budget it was trained with

  using Front = PatchFront<16>;
  using Attention = PatchAttention<AttnShape{.heads = 4, .kv_heads = 4, .head_dim = 16}, true>;
  using Layers = Schedule<Repeat<3, Layer<Attention, PatchFfn<128, true>>>>;
  using Back = PooledBack<3>;
};

}  // namespace lamina::models
