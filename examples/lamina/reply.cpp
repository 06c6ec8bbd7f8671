// SPDX-License-Identifier: Apache-2.0
// Replies to JSON documents, through the parser that answers go through.
#include "reply.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <lamina/chat/response_parser.hpp>
#include <lamina/json/value.hpp>

#include "text_parts.hpp"
#include "transcript.hpp"

namespace program {

using lamina::Error;
using lamina::ErrorCode;
using lamina::ResponseEvent;
using lamina::TokenId;
using Kind = lamina::Value::Kind;

namespace {

std::string_view name_of(ResponseEvent::Kind kind) {
  using EventKind = ResponseEvent::Kind;
  return kind == EventKind::thought ? "thought" : kind == EventKind::text ? "text" : "tool_call";
}

/// The document of one reply, piece by piece.
class ReplyDocument {
 public:
  void take(const ResponseEvent& event) {
    const std::string kind(name_of(event.kind));
    if (event.kind == ResponseEvent::Kind::tool_call) {
      calls_.push_back(call_json(event.call));
      events_.push_back(Json::array({kind, calls_.back()}));
      return;
    }
    (event.kind == ResponseEvent::Kind::thought ? thought_ : text_) += event.text;
    // Pieces of one kind are one event, however the stream was cut.
    if (!events_.empty() && events_.back()[0] == kind) {
      events_.back()[1].get_ref<std::string&>() += event.text;
    } else {
      events_.push_back(Json::array({kind, event.text}));
    }
  }

  [[nodiscard]] Json finish(lamina::FinishReason reason) {
    return {{"thought", thought_},
            {"text", text_},
            {"tool_calls", std::move(calls_)},
            {"finish", std::string(lamina::name_of(reason))},
            {"events", std::move(events_)}};
  }

 private:
  std::string thought_;
  std::string text_;
  Json calls_ = Json::array();
  Json events_ = Json::array();
};

Json parse_ids_of_reply(const lamina::Tokenizer& tokenizer, std::span<const TokenId> ids,
                        lamina::ResponseStart start, std::size_t split) {
  lamina::ResponseParser parser(tokenizer, start);
  ReplyDocument document;
  std::vector<ResponseEvent> events;
  const auto take = [&] {
    for (const ResponseEvent& event : events) document.take(event);
    events.clear();
  };
  for (; !ids.empty(); ids = ids.subspan(std::min(split, ids.size()))) {
    parser.push(ids.first(std::min(split, ids.size())), events);
    take();
  }
  parser.finish(events);
  take();
  return document.finish(parser.reason());
}

Error other_form(std::string_view found) {
  return {ErrorCode::bad_argument,
          "line",
          "document of another form",
          "{\"ids\": [...]} or {\"text\": ...}, with or without \"starts_in_thought\"",
          found,
          ""};
}

}  // namespace

lamina::Result<Json> parse_reply_line(const lamina::Tokenizer& tokenizer, std::string_view line,
                                      std::size_t split) {
  const auto document = lamina::parse_json_value(line);
  if (!document) return document.error();
  auto start = lamina::ResponseStart::answer;
  if (const lamina::Value* flag = document->find("starts_in_thought"); flag != nullptr) {
    if (!flag->is(Kind::boolean)) return other_form(line);
    if (flag->truth) start = lamina::ResponseStart::thought;
  }
  std::vector<TokenId> ids;
  const lamina::Value* list = document->find("ids");
  const lamina::Value* text = document->find("text");
  if (list != nullptr && text == nullptr) {
    auto read = ids_of(*list, tokenizer);
    if (!read) return read.error();
    ids = std::move(*read);
  } else if (text != nullptr && list == nullptr && text->is(Kind::string)) {
    LAMINA_TRY(tokenizer.encode(text->text, lamina::Special::match, ids));
  } else {
    return other_form(line);
  }
  return parse_ids_of_reply(tokenizer, ids, start, split);
}

lamina::Result<Json> parse_reply_text(const lamina::Tokenizer& tokenizer, std::string_view text,
                                      std::size_t split) {
  std::vector<TokenId> ids;
  LAMINA_TRY(tokenizer.encode(text, lamina::Special::match, ids));
  return parse_ids_of_reply(tokenizer, ids, lamina::ResponseStart::answer, split);
}

}  // namespace program
