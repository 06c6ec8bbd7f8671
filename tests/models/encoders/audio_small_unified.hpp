// SPDX-License-Identifier: Apache-2.0
// Encoder-free sound input for tests, which do not compile the published variants. Source: audio.md §7.
#pragma once

#include <string_view>

#include <lamina/schedule/encoders/encoder.hpp>
#include <lamina/schedule/encoders/sound_slots.hpp>

namespace lamina::models {

struct AudioSmallUnified {
  static constexpr std::string_view name = "audio-small-unified";
  static constexpr EncoderDims dims{.hidden = 640};

  using Front = SampleFront;
  using Layers = Schedule<>;
  using Back = PlainBack;
};

}  // namespace lamina::models
