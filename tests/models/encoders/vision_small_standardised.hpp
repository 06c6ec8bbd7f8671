// SPDX-License-Identifier: Apache-2.0
// Small vision tower that standardises and clips nothing. Source: golden/vision/moe/config.json.
#pragma once

#include <string_view>

#include <lamina/schedule/encoders/encoder.hpp>

namespace lamina::models {

struct VisionSmallStandardised {
  static constexpr std::string_view name = "vision-small-standardised";
  static constexpr EncoderDims dims{.hidden = 64};

  using Front = PatchFront<16>;
  using Attention = PatchAttention<AttnShape{.heads = 4, .kv_heads = 4, .head_dim = 16}>;
  using Layers = Schedule<Repeat<3, Layer<Attention, PatchFfn<128>>>>;
  using Back = PooledBack<3, true>;
};

}  // namespace lamina::models
