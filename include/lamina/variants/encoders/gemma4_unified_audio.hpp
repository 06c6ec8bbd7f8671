// SPDX-License-Identifier: Apache-2.0
// What Gemma 4 12B has instead of an audio tower: one matrix. Source: audio.md §7.
#pragma once

#include <string_view>

#include <lamina/schedule/encoders/encoder.hpp>
#include <lamina/schedule/encoders/sound_slots.hpp>

namespace lamina {

struct Gemma4UnifiedAudio {
  static constexpr std::string_view name = "gemma4-unified-audio";
  static constexpr EncoderDims dims{.hidden = 640};

  using Front = SampleFront;
  using Layers = Schedule<>;
  using Back = PlainBack;
};

}  // namespace lamina
