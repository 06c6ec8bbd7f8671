// SPDX-License-Identifier: Apache-2.0
// The tokenizer keys of a GGUF file, read into a vocabulary.
// Source: tokenizer-and-chat.md §3.4.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/text/vocabulary.hpp>
#include <lamina/weights/file_error.hpp>
#include <lamina/weights/gguf_metadata.hpp>

namespace lamina {

/// Reads the vocabulary of a GGUF file; also of one that holds nothing else. The result does not refer to the
/// file.
///
/// Errors   as `vocabulary_from_gguf`; bad_file (a key is missing or has another type)
[[nodiscard]] inline Result<VocabularyData> read_gguf_vocabulary(const GgufMetadata& metadata) {
  constexpr IntegerRange any_id{std::numeric_limits<std::int32_t>::min(),
                                std::numeric_limits<std::int32_t>::max()};
  GgufVocabulary source;
  const auto model = metadata.string("tokenizer.ggml.model");
  if (!model) return model.error();
  source.model = *model;
  const auto tokens = metadata.strings("tokenizer.ggml.tokens");
  if (!tokens) return tokens.error();
  source.tokens = *tokens;
  for (const std::string_view key : {"tokenizer.ggml.scores", "tokenizer.ggml.token_type"}) {
    if (metadata.find(key) == nullptr || metadata.array_size(key) == tokens->size()) continue;
    return bad_file(place(metadata.source(), key), "list has another length than the tokens",
                    text("%zu", tokens->size()),
                    text("%llu", static_cast<unsigned long long>(metadata.array_size(key))));
  }
  const auto merges = metadata.strings("tokenizer.ggml.merges");
  if (!merges) return merges.error();
  source.merges = *merges;
  const auto suppress = metadata.integer_list("tokenizer.ggml.suppress_tokens", any_id);
  if (!suppress) return suppress.error();
  source.suppress = *suppress;
  for (auto [key, id] : {std::pair{"tokenizer.ggml.eos_token_id", &source.eos_token_id},
                         std::pair{"tokenizer.ggml.eot_token_id", &source.eot_token_id}}) {
    if (metadata.find(key) == nullptr) continue;
    const auto value = metadata.integer(key, any_id);
    if (!value) return value.error();
    *id = *value;
  }
  source.chat_template = metadata.string_or_empty("tokenizer.chat_template");

  auto data = vocabulary_from_gguf(source);
  if (data) return data;
  Error error = data.error();
  error.where = place(metadata.source(), error.where);
  return error;
}

}  // namespace lamina
