// SPDX-License-Identifier: Apache-2.0
// Conversations to JSON and back; nothing the chat template reads is lost.
#include "transcript.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <lamina/json/conversation.hpp>
#include <lamina/core/file_error.hpp>

#include "schema_text.hpp"
#include "output.hpp"
#include "report.hpp"

namespace program {

using lamina::Value;

// Recursion is bounded: the readers refuse values nested deeper than `deepest_value`.
Json value_json(const Value& value) {
  switch (value.kind) {
    case Value::Kind::null:
      break;
    case Value::Kind::boolean:
      return value.truth;
    case Value::Kind::integer:
    case Value::Kind::real:
      return Json::parse(value.text, nullptr, false);
    case Value::Kind::string:
      return value.text;
    case Value::Kind::list: {
      Json list = Json::array();
      for (const Value& item : value.items) list.push_back(value_json(item));
      return list;
    }
    case Value::Kind::object: {
      Json object = Json::object();
      for (std::size_t i = 0; i < value.items.size(); ++i) object[value.keys[i]] = value_json(value.items[i]);
      return object;
    }
  }
  return {};
}

Json call_json(const lamina::ParsedCall& call) {
  if (!call.well_formed) return {{"malformed", call.body}};
  return {{"name", call.name}, {"arguments", value_json(call.arguments)}};
}

namespace {

Json content_json(const lamina::Content& content) {
  using Kind = lamina::ContentPart::Kind;
  if (content.kind == lamina::Content::Kind::null) return {};
  if (content.kind == lamina::Content::Kind::text) return content.text;
  Json parts = Json::array();
  for (const lamina::ContentPart& part : content.parts) {
    if (part.kind == Kind::text) {
      parts.push_back({{"type", "text"}, {"text", part.text}});
    } else {
      Json entry{{"type", part.type_name()}};
      if (!part.source.empty()) entry["url"] = part.source;
      parts.push_back(std::move(entry));
    }
  }
  return parts;
}

Json message_json(const lamina::Message& message) {
  Json document{{"role", message.role}, {"content", content_json(message.content)}};
  if (!message.reasoning.empty()) document["reasoning"] = message.reasoning;
  for (const lamina::ToolCall& call : message.tool_calls) {
    Json entry{{"type", "function"},
               {"function", {{"name", call.name}, {"arguments", value_json(call.arguments)}}}};
    if (call.id) entry["id"] = *call.id;
    document["tool_calls"].push_back(std::move(entry));
  }
  for (const lamina::ToolResponse& response : message.tool_responses) {
    document["tool_responses"].push_back(
        {{"name", response.name}, {"response", value_json(response.response)}});
  }
  if (message.tool_call_id) document["tool_call_id"] = *message.tool_call_id;
  if (!message.name.empty()) document["name"] = message.name;
  return document;
}

}  // namespace

lamina::Status save_transcript(const lamina::Conversation& conversation, const std::string& path) {
  Json document{{"messages", Json::array()}, {"enable_thinking", conversation.enable_thinking}};
  for (const lamina::Message& message : conversation.messages)
    document["messages"].push_back(message_json(message));
  for (const Value& tool : conversation.tools) {
    document["tools"].push_back({{"type", "function"}, {"function", value_json(tool)}});
  }
  const std::string text = document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  return write_whole_file(path, text);
}

lamina::Result<lamina::Conversation> load_transcript(const std::string& path) {
  const auto text = read_text_file(path);
  if (!text) return text.error();
  auto conversation = lamina::read_chat_json(*text);
  if (conversation) return conversation;
  lamina::Error error = conversation.error();
  error.where = lamina::place(path, conversation.error().where);
  return error;
}

}  // namespace program
