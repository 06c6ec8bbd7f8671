// SPDX-License-Identifier: Apache-2.0
// The tokenizer keys of a GGUF file, read into a vocabulary.
// Source: tokenizer-and-chat.md §3.4.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/tokenizer/gguf_tokens.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/gguf/metadata.hpp>

namespace lamina {

/// Reads the vocabulary of a GGUF file; also of one that holds nothing else. The result does not refer to the
/// file.
///
/// Errors   as `vocabulary_from_gguf`; bad_file (a key is missing or has another type)
[[nodiscard]] inline Result<VocabularyData> read_gguf_vocabulary(const GgufMetadata& metadata) {
  return guard_memory(place(metadata.source(), "tokenizer"), [&]() -> Result<VocabularyData> {
    constexpr IntegerRange any_id{std::numeric_limits<std::int32_t>::min(),
                                  std::numeric_limits<std::int32_t>::max()};
    GgufVocabulary source;
    const auto model = metadata.string("tokenizer.ggml.model");
    if (!model) return model.error();
    source.model = *model;
    const auto pre = metadata.string_or_empty("tokenizer.ggml.pre");
    if (!pre) return pre.error();
    source.pre = *pre;
    const auto tokens = metadata.strings("tokenizer.ggml.tokens");
    if (!tokens) return tokens.error();
    source.tokens = *tokens;
    const auto types = metadata.integer_list("tokenizer.ggml.token_type", any_id);
    if (!types) return types.error();
    source.token_types = *types;
    const auto scores = metadata.numbers_count("tokenizer.ggml.scores");
    if (!scores) return scores.error();
    if (metadata.find("tokenizer.ggml.scores") != nullptr && *scores != tokens->size()) {
      return bad_file(place(metadata.source(), "tokenizer.ggml.scores"),
                      "list has another length than the tokens", text("%zu", tokens->size()),
                      text("%llu", static_cast<unsigned long long>(*scores)));
    }
    Result<std::vector<float>> score_list = std::vector<float>{};
    if (source.model == "llama") {
      score_list = metadata.real_list("tokenizer.ggml.scores");
      if (!score_list) return score_list.error();
      source.scores = *score_list;
      const auto prefix = metadata.boolean_or("tokenizer.ggml.add_space_prefix", true);
      if (!prefix) return prefix.error();
      source.add_space_prefix = *prefix;
    }
    const auto merges = metadata.strings("tokenizer.ggml.merges");
    if (!merges) return merges.error();
    source.merges = *merges;
    const auto suppress = metadata.integer_list("tokenizer.ggml.suppress_tokens", any_id);
    if (!suppress) return suppress.error();
    source.suppress = *suppress;
    const auto eos = metadata.integer_list("tokenizer.ggml.eos_token_ids", any_id);
    if (!eos) return eos.error();
    source.eos_token_ids = *eos;
    for (auto [key, id] : {std::pair{"tokenizer.ggml.eos_token_id", &source.eos_token_id},
                           std::pair{"tokenizer.ggml.eot_token_id", &source.eot_token_id}}) {
      if (metadata.find(key) == nullptr) continue;
      const auto value = metadata.integer(key, any_id);
      if (!value) return value.error();
      *id = *value;
    }
    const auto chat_template = metadata.string_or_empty("tokenizer.chat_template");
    if (!chat_template) return chat_template.error();
    source.chat_template = *chat_template;

    auto data = vocabulary_from_gguf(source);
    if (!data) return detail::located(data.error(), metadata.source());
    data->source = metadata.source();
    return data;
  });
}

}  // namespace lamina
