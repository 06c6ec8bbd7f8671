// SPDX-License-Identifier: Apache-2.0
// The vision tower of Gemma 4 26B-A4B and 31B. Source: vision.md §1.1.
#pragma once

#include <string_view>

#include <lamina/schedule/encoders/encoder.hpp>

namespace lamina {

struct Gemma4VisionLarge {
  static constexpr std::string_view name = "gemma4-vision-large";
  static constexpr EncoderDims dims{.hidden = 1152};

  using Front = PatchFront<16>;
  using Attention = PatchAttention<AttnShape{.heads = 16, .kv_heads = 16, .head_dim = 72}>;
  using Layers = Schedule<Repeat<27, Layer<Attention, PatchFfn<4304>>>>;
  using Back = PooledBack<3, true>;
};

}  // namespace lamina
