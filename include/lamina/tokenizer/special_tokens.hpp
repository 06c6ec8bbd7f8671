// SPDX-License-Identifier: Apache-2.0
// The control tokens of Gemma 4, found by their text in whatever vocabulary a file brings.
// Source: tokenizer-and-chat.md §2.1 (texts and meanings), §3.4 (never by the file's token types).
#pragma once

#include <array>
#include <string_view>

#include <lamina/core/types.hpp>
#include <lamina/tokenizer/token_table.hpp>

namespace lamina {

/// Ids of the control tokens; `no_token` where the vocabulary has no such text.
struct SpecialTokens {
  TokenId pad = no_token;
  TokenId eos = no_token;
  TokenId bos = no_token;
  TokenId unknown = no_token;
  TokenId mask = no_token;
  TokenId tool_open = no_token;  ///< one tool declaration
  TokenId tool_close = no_token;
  TokenId call_open = no_token;  ///< one call made by the model
  TokenId call_close = no_token;
  TokenId response_open = no_token;  ///< one tool result; also ends the model's turn after calls
  TokenId response_close = no_token;
  TokenId quote = no_token;  ///< string quote inside tool syntax
  TokenId think = no_token;  ///< switch in the system turn
  TokenId channel_open = no_token;
  TokenId channel_close = no_token;
  TokenId turn_open = no_token;
  TokenId turn_close = no_token;
  TokenId image_open = no_token;
  TokenId audio_open = no_token;
  TokenId image_soft = no_token;  ///< one soft token of an image
  TokenId audio_soft = no_token;
  TokenId image_close = no_token;
  TokenId audio_close = no_token;
  TokenId video_soft = no_token;
};

struct SpecialTokenText {
  std::string_view text;
  TokenId SpecialTokens::*id;
};

/// Every control token's text beside its place in `SpecialTokens`.
inline constexpr std::array<SpecialTokenText, 24> special_token_texts{{
    {"<pad>", &SpecialTokens::pad},
    {"<eos>", &SpecialTokens::eos},
    {"<bos>", &SpecialTokens::bos},
    {"<unk>", &SpecialTokens::unknown},
    {"<mask>", &SpecialTokens::mask},
    {"<|tool>", &SpecialTokens::tool_open},
    {"<tool|>", &SpecialTokens::tool_close},
    {"<|tool_call>", &SpecialTokens::call_open},
    {"<tool_call|>", &SpecialTokens::call_close},
    {"<|tool_response>", &SpecialTokens::response_open},
    {"<tool_response|>", &SpecialTokens::response_close},
    {"<|\"|>", &SpecialTokens::quote},
    {"<|think|>", &SpecialTokens::think},
    {"<|channel>", &SpecialTokens::channel_open},
    {"<channel|>", &SpecialTokens::channel_close},
    {"<|turn>", &SpecialTokens::turn_open},
    {"<turn|>", &SpecialTokens::turn_close},
    {"<|image>", &SpecialTokens::image_open},
    {"<|audio>", &SpecialTokens::audio_open},
    {"<|image|>", &SpecialTokens::image_soft},
    {"<|audio|>", &SpecialTokens::audio_soft},
    {"<image|>", &SpecialTokens::image_close},
    {"<audio|>", &SpecialTokens::audio_close},
    {"<|video|>", &SpecialTokens::video_soft},
}};

/// Looks all control tokens up by text.
[[nodiscard]] inline SpecialTokens find_special_tokens(const TokenTexts& tokens) noexcept {
  SpecialTokens found;
  for (const SpecialTokenText& entry : special_token_texts) found.*entry.id = tokens.find(entry.text);
  return found;
}

/// The text of a control token that `text` holds and the vocabulary has not; empty if there is none.
[[nodiscard]] inline std::string_view absent_token_in(const SpecialTokens& special,
                                                      std::string_view text) noexcept {
  for (const SpecialTokenText& entry : special_token_texts) {
    if (special.*entry.id == no_token && text.find(entry.text) != text.npos) return entry.text;
  }
  return {};
}

/// Turn markers of the Gemma generations before: control tokens of their vocabularies (SentencePiece).
inline constexpr std::string_view older_turn_open = "<start_of_turn>";
inline constexpr std::string_view older_turn_close = "<end_of_turn>";

/// Tokens that stop an answer, by text (a file's eos_token_id differs between conversions).
inline constexpr std::array<TokenId SpecialTokens::*, 3> stop_token_members{
    &SpecialTokens::eos, &SpecialTokens::turn_close, &SpecialTokens::response_open};

/// Tokens that stand for pictures and sound in prompts; a sampler must never choose them (§9).
inline constexpr std::array<TokenId SpecialTokens::*, 7> media_token_members{
    &SpecialTokens::image_open, &SpecialTokens::audio_open,  &SpecialTokens::image_soft,
    &SpecialTokens::audio_soft, &SpecialTokens::image_close, &SpecialTokens::audio_close,
    &SpecialTokens::video_soft};

}  // namespace lamina
