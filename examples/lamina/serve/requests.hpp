// SPDX-License-Identifier: Apache-2.0
// What clients ask for, read from JSON: nothing here knows HTTP, an engine or a model's weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/conversation.hpp>
#include <lamina/chat/value.hpp>
#include <lamina/core/error.hpp>
#include <lamina/masks/schema/state.hpp>

#include "fields.hpp"

namespace program::serving {

/// What requests are read with.
struct RequestDefaults {
  lamina::GenerationOptions generation{};  ///< where a request says nothing
  std::uint32_t vocab = 0;
  std::uint32_t most_choices = 16;
};

/// How an answer is wanted, whatever it is an answer to.
struct AnswerWish {
  lamina::GenerationOptions options{};  ///< its constraint is made later
  std::uint32_t choices = 1;
  bool streams = false;
  bool wants_usage = false;     ///< a last piece of a stream with the numbers of tokens
  bool wants_progress = false;  ///< events while the prompt is read
  std::optional<std::uint32_t> top_log_probabilities{};  ///< tell how likely tokens were, and so many others
};

/// Which tools the answer may or must call.
struct ToolChoice {
  enum class Kind : std::uint8_t {
    automatic,
    none,
    required,  ///< at least one call
  };
  Kind kind = Kind::automatic;
  std::string name{};    ///< the only tool that may be called; empty: any
  bool parallel = true;  ///< more than one call
};

/// A conversation that is to go on.
struct ChatWish : AnswerWish {
  lamina::Conversation conversation{};
  std::vector<bool> strict{};  ///< [tools] calls must fit the tool's schema
  ToolChoice tool_choice{};
  std::optional<lamina::Value> schema{};  ///< of the answer
  lamina::masks::JsonSpace json_space = lamina::masks::JsonSpace::none;
};

/// A prompt of a completion: a text, or ids.
struct RawPrompt {
  std::string text{};
  std::vector<lamina::TokenId> ids{};
  bool is_text = true;
};

struct CompletionWish : AnswerWish {
  std::vector<RawPrompt> prompts{};
  bool echo = false;
};

/// Of a parsed request. Errors: bad_argument, unsupported; where they lie is the field.
[[nodiscard]] lamina::Result<ChatWish> read_chat_wish(lamina::Value request, const RequestDefaults& defaults);
[[nodiscard]] lamina::Result<CompletionWish> read_completion_wish(const lamina::Value& request,
                                                                  const RequestDefaults& defaults);
/// A request of /v1/responses as the conversation that it means.
[[nodiscard]] lamina::Result<ChatWish> read_response_wish(const lamina::Value& request,
                                                          const RequestDefaults& defaults);

/// A list of ids. Errors: bad_argument.
[[nodiscard]] lamina::Result<std::vector<lamina::TokenId>> read_ids(const lamina::Value& list,
                                                                    std::string_view path,
                                                                    std::uint32_t vocab);

namespace detail {

/// The fields that all requests for answers share.
[[nodiscard]] lamina::Status read_answer_wish(const Fields& request, const RequestDefaults& defaults,
                                              AnswerWish& wish);
/// Switches thinking as an effort says: "none", "minimal", "low", "medium", "high". False: no such word.
[[nodiscard]] bool take_effort(std::string_view effort, ChatWish& wish);
/// Messages and tools, in the shape of /v1/chat/completions.
[[nodiscard]] lamina::Status read_conversation(lamina::Value request, ChatWish& wish);
[[nodiscard]] lamina::Status read_tool_choice(const Fields& request, ChatWish& wish);
/// White space between the values of an answer with a schema: "json_space", "any" or "none".
[[nodiscard]] lamina::Status read_json_space(const Fields& request, ChatWish& wish);
/// {"type": "text" | "json_object" | "json_schema", …}; the schema lies in `inner` of it, or in itself.
[[nodiscard]] lamina::Status read_format(const Fields& format, std::string_view inner, ChatWish& wish);

}  // namespace detail

}  // namespace program::serving
