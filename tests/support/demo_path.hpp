// SPDX-License-Identifier: Apache-2.0
// Where the demo model lies that the program embeds.
#pragma once

inline constexpr const char* demo_path = LAMINA_GOLDEN_DIR "/../../examples/lamina/demo/demo-q8_0.gguf";
