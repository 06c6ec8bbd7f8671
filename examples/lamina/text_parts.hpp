// SPDX-License-Identifier: Apache-2.0
// The text side of what `-m` names: a tokenizer and which chat template goes with the model.
#pragma once

#include <string>

#include <lamina/core/error.hpp>
#include <lamina/chat/chat_template.hpp>
#include <lamina/tokenizer/tokenizer.hpp>
#include <lamina/weights/weight_file.hpp>

namespace program {

/// A tokenizer, and the chat template that goes with it.
struct TextParts {
  lamina::Tokenizer tokenizer;
  lamina::TemplateSize size = lamina::TemplateSize::large;
  bool has_model = false;  ///< what was opened can answer, too
};

/// Opens only the text parts of a GGUF file (with or without weights), a tokenizer.json, a Hugging Face
/// directory, or the demo model when `path` is empty. Where nothing says what model it is, the large template
/// is assumed.
[[nodiscard]] lamina::Result<TextParts> open_text_parts(const std::string& path);

}  // namespace program
