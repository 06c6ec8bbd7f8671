// SPDX-License-Identifier: Apache-2.0
// The audio tower of Gemma 4 E2B and E4B; their files differ in the width of a soft token. Source: audio.md
// §1.
#pragma once

#include <string_view>

#include <lamina/schedule/encoders/encoder.hpp>
#include <lamina/schedule/encoders/sound_slots.hpp>

namespace lamina {

struct Gemma4Audio {
  static constexpr std::string_view name = "gemma4-audio";
  static constexpr EncoderDims dims{.hidden = 1024};

  using Front = SubsampleFront<128, 32>;
  using Attention =
      RelativeAttention<AttnShape{.heads = 8, .kv_heads = 8, .head_dim = 128, .window = 12}, true>;
  using Layers =
      Schedule<Repeat<12, ConformerLayer<Attention, ConformerFfn<4096, true>, LightConvolution<5, true>>>>;
  using Back = MatrixBack<1536>;
};

}  // namespace lamina
