// SPDX-License-Identifier: Apache-2.0
// Audio tower of the demo model.
#pragma once

#include <string_view>

#include <lamina/schedule/encoders/encoder.hpp>
#include <lamina/schedule/encoders/sound_slots.hpp>

namespace lamina::models {

struct DemoAudio {
  static constexpr std::string_view name = "demo-audio";
  static constexpr EncoderDims dims{.hidden = 64};

  using Front = SubsampleFront<128, 8>;
  using Attention =
      RelativeAttention<AttnShape{.heads = 4, .kv_heads = 4, .head_dim = 16, .window = 12}, true>;
  using Layers =
      Schedule<Repeat<2, ConformerLayer<Attention, ConformerFfn<256, true>, LightConvolution<5, true>>>>;
  using Back = MatrixBack<128>;
};

}  // namespace lamina::models
