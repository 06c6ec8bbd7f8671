// SPDX-License-Identifier: Apache-2.0
// What an answer consists of, as an application takes it: one type for each thing that can come.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/conversation.hpp>
#include <lamina/chat/response_parser.hpp>

namespace lamina {

/// A piece of the thoughts before an answer: whole characters. Pieces are to be concatenated.
struct Thought {
  std::string text;
};

/// A piece of the answer's text: whole characters. Pieces are to be concatenated.
struct Text {
  std::string text;
};

/// A call that cannot be read; it is shown or told to the model, never run.
struct MalformedCall {
  std::string body;  ///< as the model wrote it, without the tokens around it
};

/// The end of an answer; comes last, once.
struct Stop {
  StopReason reason = StopReason::end_of_turn;
};

/// One event of an answer. A call is a `ToolCall`.
using Event = std::variant<Thought, Text, ToolCall, MalformedCall, Stop>;

/// The event that a piece of an answer is.
[[nodiscard]] inline Event event_of(ResponseEvent piece) {
  using Kind = ResponseEvent::Kind;
  if (piece.kind == Kind::thought) return Thought{std::move(piece.text)};
  if (piece.kind == Kind::text) return Text{std::move(piece.text)};
  if (!piece.call.well_formed) return MalformedCall{std::move(piece.call.body)};
  return ToolCall{std::move(piece.call.name), std::move(piece.call.arguments), std::nullopt};
}

}  // namespace lamina
