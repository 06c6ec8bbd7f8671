// SPDX-License-Identifier: Apache-2.0
// What the build puts into the program: the compiled-in models and the bytes of the demo model.
#pragma once

#include <span>

#include <lamina/encoders/encoder_entry.hpp>
#include <lamina/engine/drafting/drafter_entry.hpp>
#include <lamina/engine/model_entry.hpp>

/// All compiled-in models (generated; see cmake/registry.cpp.in).
extern std::span<const lamina::ModelEntry* const> lamina_registry();

/// All compiled-in towers for pictures and sounds (generated likewise).
extern std::span<const lamina::EncoderEntry* const> lamina_encoders();

/// All compiled-in drafters (generated likewise).
extern std::span<const lamina::DrafterEntry* const> lamina_drafters();

/// The demo model's towers, placed by demo/demo.S.
extern "C" const unsigned char lamina_demo_projector_begin[];
extern "C" const unsigned char lamina_demo_projector_end[];

/// The demo model's GGUF file, placed by demo/demo.S.
extern "C" const unsigned char lamina_demo_begin[];
extern "C" const unsigned char lamina_demo_end[];
