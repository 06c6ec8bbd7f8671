// SPDX-License-Identifier: Apache-2.0
// The vision tower of Gemma 4 E2B and E4B. Source: vision.md §1.1.
#pragma once

#include <string_view>

#include <lamina/schedule/encoders/encoder.hpp>

namespace lamina {

struct Gemma4VisionBase {
  static constexpr std::string_view name = "gemma4-vision-base";
  static constexpr EncoderDims dims{.hidden = 768};

  using Front = PatchFront<16>;
  using Attention = PatchAttention<AttnShape{.heads = 12, .kv_heads = 12, .head_dim = 64}, true>;
  using Layers = Schedule<Repeat<16, Layer<Attention, PatchFfn<3072, true>>>>;
  using Back = PooledBack<3>;
};

}  // namespace lamina
