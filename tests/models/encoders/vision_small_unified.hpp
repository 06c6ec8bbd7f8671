// SPDX-License-Identifier: Apache-2.0
// Small encoder-free picture input. Source: golden/vision/unified/config.json.
#pragma once

#include <string_view>

#include <lamina/schedule/encoders/encoder.hpp>

namespace lamina::models {

struct VisionSmallUnified {
  static constexpr std::string_view name = "vision-small-unified";
  static constexpr EncoderDims dims{.hidden = 64};

  using Front = BlockFront<48>;
  using Layers = Schedule<>;
  using Back = PlainBack;
};

}  // namespace lamina::models
