// SPDX-License-Identifier: Apache-2.0
// Text decoder of the E2B picture data: the structure of the E2B drafter's target, under its own name.
// Source: golden/vision/e2b/config.json.
#pragma once

#include "assistant_e2b.hpp"

namespace lamina::models {

using VisionE2b = AssistantE2b;

}  // namespace lamina::models
