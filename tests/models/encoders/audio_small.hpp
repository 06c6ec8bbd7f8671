// SPDX-License-Identifier: Apache-2.0
// Small audio tower. Source: golden/vision/e2b/config.json.
#pragma once

#include <string_view>

#include <lamina/schedule/encoders/encoder.hpp>
#include <lamina/schedule/encoders/sound_slots.hpp>

namespace lamina::models {

struct AudioSmall {
  static constexpr std::string_view name = "audio-small";
  static constexpr EncoderDims dims{.hidden = 64};

  using Front = SubsampleFront<128, 8>;
  using Attention =
      RelativeAttention<AttnShape{.heads = 4, .kv_heads = 4, .head_dim = 16, .window = 12}, true>;
  using Layers =
      Schedule<Repeat<3, ConformerLayer<Attention, ConformerFfn<256, true>, LightConvolution<5, true>>>>;
  using Back = MatrixBack<64>;
};

}  // namespace lamina::models
