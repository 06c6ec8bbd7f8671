// SPDX-License-Identifier: Apache-2.0
// What Gemma 4 12B has instead of a vision tower: one matrix and three norms. Source: vision.md §1.2.
#pragma once

#include <string_view>

#include <lamina/schedule/encoders/encoder.hpp>

namespace lamina {

struct Gemma4UnifiedVision {
  static constexpr std::string_view name = "gemma4-unified-vision";
  static constexpr EncoderDims dims{.hidden = 3840};

  using Front = BlockFront<48>;
  using Layers = Schedule<>;
  using Back = PlainBack;
};

}  // namespace lamina
