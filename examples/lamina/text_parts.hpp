// SPDX-License-Identifier: Apache-2.0
// The text side of what `-m` names: a tokenizer and which chat template goes with the model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/chat/chat_template.hpp>
#include <lamina/chat/value.hpp>
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

/// The error of an id that a vocabulary has not.
[[nodiscard]] lamina::Error id_outside(const lamina::Tokenizer& tokenizer, std::string_view found);

/// The token ids of a JSON list. Errors: bad_argument (something else in it, ids outside the vocabulary).
[[nodiscard]] lamina::Result<std::vector<lamina::TokenId>> ids_of(const lamina::Value& list,
                                                                  const lamina::Tokenizer& tokenizer);

}  // namespace program
