// SPDX-License-Identifier: Apache-2.0
// The tokenizer keys of GGUF files as a vocabulary, whoever wrote the file.
// Source: tokenizer-and-chat.md §3.4, weight-files.md §2.6 (files of Ollama).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/core/types.hpp>
#include <lamina/tokenizer/special_tokens.hpp>
#include <lamina/tokenizer/token_table.hpp>
#include <lamina/tokenizer/vocabulary.hpp>
#include <lamina/tokenizer/vocabulary_rules.hpp>

namespace lamina {

/// The tokenizer keys of a GGUF file (`tokenizer.ggml.*`), viewed where they are.
struct GgufVocabulary {
  std::string_view model;                       ///< `tokenizer.ggml.model`
  std::string_view pre;                         ///< `tokenizer.ggml.pre`; may be empty
  std::span<const std::string_view> tokens;     ///< texts in id order
  std::span<const std::int32_t> token_types;    ///< one for each token, or empty
  std::span<const std::string_view> merges;     ///< "left right", best first
  std::span<const float> scores;                ///< one for each token, or empty
  bool add_space_prefix = true;                 ///< asked for only where scores decide
  std::span<const std::int32_t> suppress;       ///< may be empty
  std::optional<std::int64_t> eos_token_id;     ///< joins the stop tokens
  std::optional<std::int64_t> eot_token_id;     ///< joins the stop tokens
  std::span<const std::int32_t> eos_token_ids;  ///< join the stop tokens; Ollama writes them
  std::string_view chat_template;
};

namespace detail {

// Values of `tokenizer.ggml.token_type` that are asked for.
inline constexpr std::int32_t gguf_normal_token = 1;
inline constexpr std::int32_t gguf_control_token = 3;
inline constexpr std::int32_t gguf_user_defined_token = 4;

/// Whether a vocabulary is that of a Gemma generation before: SentencePiece with scores, no merges, and none
/// of the turn markers of Gemma 4 (a file of Gemma 4 that says "llama" has lost its merges).
[[nodiscard]] inline bool is_older_gemma(const GgufVocabulary& source) noexcept {
  if (source.model != "llama" || source.pre == "gemma4" || !source.merges.empty()) return false;
  const auto has = [&](std::string_view text) {
    return std::find(source.tokens.begin(), source.tokens.end(), text) != source.tokens.end();
  };
  return has("<bos>") && has(older_turn_open) && has(older_turn_close) && !has("<|turn>") && !has("<turn|>");
}

/// Files of Gemma 4 say "gemma4"; those of Ollama "llama" with `pre` "gemma4", although they too are merged.
[[nodiscard]] inline Status check_gguf_model(const GgufVocabulary& source) {
  if (source.model == "gemma4") return Done{};
  const auto refuse = [](std::string_view key, std::string_view expected, std::string_view found) {
    return Error{ErrorCode::unsupported,
                 key,
                 "tokenizer is of another kind",
                 expected,
                 found,
                 "convert the model again with a converter that knows Gemma 4"};
  };
  if (source.model != "llama") return refuse("tokenizer.ggml.model", "gemma4", source.model);
  if (source.pre != "gemma4") {
    FixedText<160> found(source.pre.empty() ? "llama without pre" : "llama with pre ");
    found.append(source.pre);
    return refuse("tokenizer.ggml.model", "gemma4, or llama with tokenizer.ggml.pre gemma4", found);
  }
  if (source.merges.empty()) return refuse("tokenizer.ggml.merges", "merges beside the model llama", "none");
  return Done{};
}

/// White space that converters from SentencePiece mark as user-defined, and that merges build nevertheless.
[[nodiscard]] inline bool is_run_of_spaces(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t size = text.starts_with(space_symbol) ? space_symbol.size() : 1;
    if (size == 1 && text.front() != '\n' && text.front() != '\t' && text.front() != ' ') return false;
    text.remove_prefix(size);
  }
  return true;
}

/// Reads the token types: which tokens beyond those known by text are found as wholes.
inline void add_gguf_tokens(const GgufVocabulary& source, VocabularyData& data) {
  for (std::size_t i = 0; i < source.token_types.size(); ++i) {
    const bool special = source.token_types[i] == gguf_control_token;
    if (!special && source.token_types[i] != gguf_user_defined_token) continue;
    if (is_run_of_spaces(source.tokens[i])) continue;
    data.added.push_back({static_cast<TokenId>(i), special, false});
  }
}

/// Takes over scores and turn markers of a vocabulary of an older Gemma. Errors: bad_file.
[[nodiscard]] inline Status take_scores(const GgufVocabulary& source, VocabularyData& data) {
  const bool is_complete = source.scores.size() == source.tokens.size();
  if (!is_complete || !std::all_of(source.scores.begin(), source.scores.end(),
                                   [](float score) { return score - score == 0; })) {
    return Error{ErrorCode::bad_file,
                 "tokenizer.ggml.scores",
                 "scores are not usable",
                 text("%zu finite numbers", source.tokens.size()),
                 is_complete ? text("an infinite or NaN number") : text("%zu", source.scores.size()),
                 ""};
  }
  data.scores.assign(source.scores.begin(), source.scores.end());
  data.add_space_prefix = source.add_space_prefix;
  for (const std::string_view marker : {older_turn_open, older_turn_close}) {
    data.added.push_back({data.tokens.find(marker), true, false});
  }
  data.stop.push_back(data.tokens.find(older_turn_close));
  return Done{};
}

}  // namespace detail

/// Builds a vocabulary from the tokenizer keys of a GGUF file.
///
/// Vocabularies of the Gemma generations before (model "llama", scores, no merges) merge as SentencePiece
/// does.
///
/// The keys `add_bos_token` and the ids of named tokens are deliberately not asked for: files
/// differ in them, and the texts decide; so they do about the control tokens, whatever their type (§3.4).
///
/// Of Gemma 4's vocabularies, scores are not asked for either.
///
/// Errors   out_of_memory;
///          unsupported (another tokenizer model), bad_file (empty, texts not unique, merges unknown or
///          missing, control tokens missing, ids out of range)
/// Cost     about 0.2 s for 262 144 tokens and 514 906 merges; copies the texts (about 2 MB)
[[nodiscard]] inline Result<VocabularyData> vocabulary_from_gguf(const GgufVocabulary& source) {
  return guard_memory("tokenizer", [&]() -> Result<VocabularyData> {
    const bool is_older = detail::is_older_gemma(source);
    if (!is_older) LAMINA_TRY(detail::check_gguf_model(source));
    VocabularyData data;
    std::size_t bytes = 0;
    for (const std::string_view text : source.tokens) bytes += text.size();
    if (source.tokens.empty() || source.tokens.size() > most_tokens || bytes > most_vocabulary_bytes) {
      return Error{ErrorCode::bad_file,
                   "tokenizer.ggml.tokens",
                   "size of the vocabulary",
                   text("1 to %zu tokens", most_tokens),
                   text("%zu (%zu bytes)", source.tokens.size(), bytes),
                   ""};
    }
    if (!source.token_types.empty() && source.token_types.size() != source.tokens.size()) {
      return Error{ErrorCode::bad_file,
                   "tokenizer.ggml.token_type",
                   "list has another length than the tokens",
                   text("%zu", source.tokens.size()),
                   text("%zu", source.token_types.size()),
                   ""};
    }
    data.tokens.reserve(source.tokens.size(), bytes);
    for (const std::string_view text : source.tokens) LAMINA_TRY(data.tokens.append(text));
    LAMINA_TRY(data.tokens.index());

    if (source.merges.size() > most_merges) {
      return Error{ErrorCode::bad_file,
                   "tokenizer.ggml.merges",
                   "list is too long",
                   text("at most %zu", most_merges),
                   text("%zu", source.merges.size()),
                   ""};
    }
    const auto halves = [&source](std::size_t rank) { return detail::split_merge(source.merges[rank]); };
    LAMINA_TRY(detail::resolve_merges(data.tokens, source.merges.size(), halves, data.merges));

    detail::add_gguf_tokens(source, data);
    const auto is_of_another_kind = [&source](TokenId id) {
      return !source.token_types.empty() && source.token_types[id] != detail::gguf_normal_token;
    };
    if (is_older) {
      LAMINA_TRY(detail::take_scores(source, data));
    } else {
      LAMINA_TRY(check_complete(data, "tokenizer.ggml.merges", is_of_another_kind));
    }

    const auto add_ids = [&](std::string_view key, std::span<const std::int32_t> ids,
                             std::vector<TokenId>& list) -> Status {
      for (const std::int32_t id : ids) {
        auto checked = detail::checked_id(key, id, data.tokens.size());
        if (!checked) return checked.error();
        list.push_back(*checked);
      }
      return Done{};
    };
    LAMINA_TRY(add_ids("tokenizer.ggml.suppress_tokens", source.suppress, data.suppressed));
    LAMINA_TRY(add_ids("tokenizer.ggml.eos_token_ids", source.eos_token_ids, data.stop));
    const std::optional<std::int64_t> stops[] = {source.eos_token_id, source.eot_token_id};
    constexpr std::string_view stop_keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"};
    for (std::size_t i = 0; i < 2; ++i) {
      if (!stops[i]) continue;
      auto checked = detail::checked_id(stop_keys[i], *stops[i], data.tokens.size());
      if (!checked) return checked.error();
      data.stop.push_back(*checked);
    }
    data.chat_template = source.chat_template;
    return data;
  });
}

}  // namespace lamina
