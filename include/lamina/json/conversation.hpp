// SPDX-License-Identifier: Apache-2.0
// A conversation in the JSON shape of OpenAI's chat interface, as Hugging Face's chat templates take it.
// Source: tokenizer-and-chat.md §6 (fields), golden/chat (cases that must be refused).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/json/value.hpp>
#include <lamina/chat/conversation.hpp>

namespace lamina {

/// Reads {"messages":[…], "tools":[…], "enable_thinking":…, "preserve_thinking":…,
/// "add_generation_prompt":…}; all but the messages may be missing or null. Other keys are ignored.
///
/// Errors   out_of_memory;
///          bad_argument, naming the field: no JSON, a field of another type, arguments given as a string, a
///          mapping as content
[[nodiscard]] Result<Conversation> read_chat_json(std::string_view json);

/// The same from a parsed value.
[[nodiscard]] Result<Conversation> read_chat_value(const Value& request);

namespace detail {

[[nodiscard]] inline Error wrong_kind(std::string_view where, std::string_view expected, const Value& found,
                                      std::string_view hint = {}) {
  return Error{ErrorCode::bad_argument, where, "value is of another type", expected, kind_name(found), hint};
}

/// A key that is there and not null.
[[nodiscard]] inline const Value* find_set(const Value& object, std::string_view key) noexcept {
  const Value* value = object.find(key);
  return value != nullptr && !value->is(Value::Kind::null) ? value : nullptr;
}

/// Reads an optional string; leaves `out` alone if it is missing or null.
template <class Text>
[[nodiscard]] Status read_text(const Value& object, std::string_view key, Text& out) {
  const Value* value = find_set(object, key);
  if (value == nullptr) return Done{};
  if (!value->is(Value::Kind::string)) return wrong_kind(key, "a string", *value);
  out = value->text;
  return Done{};
}

[[nodiscard]] inline Status read_flag(const Value& object, std::string_view key, bool& out) {
  const Value* value = find_set(object, key);
  if (value == nullptr) return Done{};
  if (!value->is(Value::Kind::boolean)) return wrong_kind(key, "true or false", *value);
  out = value->truth;
  return Done{};
}

/// Calls `read` for every object of an optional list.
template <class Read>
[[nodiscard]] Status read_list(const Value& object, std::string_view key, Read&& read) {
  const Value* list = find_set(object, key);
  if (list == nullptr) return Done{};
  if (!list->is(Value::Kind::list)) return wrong_kind(key, "a list", *list);
  for (const Value& item : list->items) {
    if (!item.is(Value::Kind::object)) return wrong_kind(key, "a list of objects", item);
    LAMINA_TRY(read(item));
  }
  return Done{};
}

/// Where a picture, sound or video is: {"image_url": {"url": …}} or {"image_url": …}, {"input_audio":
/// {"data": base64, "format": …}}, or a string under the name of its kind, "url" or "path". May be missing.
[[nodiscard]] inline Status read_source(const Value& item, ContentPart& part) {
  for (const std::string_view key :
       {"image_url", "audio_url", "video_url", "input_audio", "image", "audio", "video", "url", "path"}) {
    const Value* value = find_set(item, key);
    if (value == nullptr) continue;
    if (!value->is(Value::Kind::object)) return read_text(item, key, part.source);
    const Value* data = find_set(*value, "data");
    if (data == nullptr) return read_text(*value, "url", part.source);
    std::string base64;
    std::string format;
    LAMINA_TRY(read_text(*value, "data", base64));
    LAMINA_TRY(read_text(*value, "format", format));
    part.source = "data:audio/" + (format.empty() ? std::string("wav") : format) + ";base64," + base64;
    return Done{};
  }
  return Done{};
}

/// One part of a message. Where the template needs a text, in what the model or a tool said, it may not be
/// missing.
[[nodiscard]] inline Status read_part(const Value& item, std::string_view role,
                                      std::vector<ContentPart>& parts) {
  using Kind = ContentPart::Kind;
  ContentPart part;
  LAMINA_TRY(read_text(item, "type", part.type));
  const std::string_view type = part.type;
  part.kind = type == "text"                             ? Kind::text
              : type == "image" || type == "image_url"   ? Kind::image
              : type == "audio" || type == "input_audio" ? Kind::audio
              : type == "video"                          ? Kind::video
                                                         : Kind::other;
  const Value* text = item.find("text");
  const bool needed = part.kind == Kind::text && (role == "assistant" || role == "model" || role == "tool");
  if (text != nullptr ? !text->is(Value::Kind::string) : needed) {
    return wrong_kind("text", "a string", text == nullptr ? Value{} : *text);
  }
  if (text != nullptr) part.text = text->text;
  if (part.kind != Kind::text && part.kind != Kind::other) LAMINA_TRY(read_source(item, part));
  parts.push_back(std::move(part));
  return Done{};
}

[[nodiscard]] inline Status read_content(const Value& object, std::string_view role, Content& content) {
  const Value* value = find_set(object, "content");
  if (value == nullptr) return Done{};
  if (value->is(Value::Kind::string)) {
    content = Content(value->text);
    return Done{};
  }
  if (!value->is(Value::Kind::list)) {
    return wrong_kind("content", "a string or a list of parts", *value,
                      "give structured tool results as tool_responses of the message that made the call");
  }
  content.kind = Content::Kind::parts;
  return read_list(object, "content",
                   [&](const Value& item) { return read_part(item, role, content.parts); });
}

[[nodiscard]] inline Status read_call(const Value& item, std::vector<ToolCall>& calls) {
  ToolCall call;
  LAMINA_TRY(read_text(item, "id", call.id));
  const Value* function = find_set(item, "function");
  if (function == nullptr || !function->is(Value::Kind::object)) {
    return wrong_kind("tool_calls.function", "an object", function == nullptr ? Value{} : *function);
  }
  const Value* name = function->find("name");
  if (name == nullptr || !name->is(Value::Kind::string)) {
    return wrong_kind("tool_calls.function.name", "a string", name == nullptr ? Value{} : *name);
  }
  call.name = name->text;
  // Null means none; a call without the field is refused, as the template refuses it.
  const Value* arguments = function->find("arguments");
  if (arguments == nullptr || !(arguments->is(Value::Kind::object) || arguments->is(Value::Kind::null))) {
    return wrong_kind("tool_calls.function.arguments", "an object or null",
                      arguments == nullptr ? Value::string("") : *arguments,
                      "parse the JSON text of the arguments into an object first");
  }
  call.arguments = *arguments;
  calls.push_back(std::move(call));
  return Done{};
}

[[nodiscard]] inline Status read_response(const Value& item, std::vector<ToolResponse>& responses) {
  ToolResponse response;
  LAMINA_TRY(read_text(item, "name", response.name));
  const Value* value = item.find("response");
  // The template takes a missing one for a sequence of nothing.
  response.response = value == nullptr ? Value::list() : *value;
  responses.push_back(std::move(response));
  return Done{};
}

[[nodiscard]] inline Status read_message(const Value& item, std::vector<Message>& messages) {
  Message message;
  const Value* role = item.find("role");
  if (role == nullptr || !role->is(Value::Kind::string)) {
    return wrong_kind("messages.role", "a string", role == nullptr ? Value{} : *role);
  }
  message.role = role->text;
  LAMINA_TRY(read_content(item, message.role, message.content));
  LAMINA_TRY(read_text(item, "reasoning", message.reasoning));
  if (message.reasoning.empty()) LAMINA_TRY(read_text(item, "reasoning_content", message.reasoning));
  LAMINA_TRY(read_text(item, "tool_call_id", message.tool_call_id));
  LAMINA_TRY(read_text(item, "name", message.name));
  LAMINA_TRY(
      read_list(item, "tool_calls", [&](const Value& call) { return read_call(call, message.tool_calls); }));
  LAMINA_TRY(read_list(item, "tool_responses",
                       [&](const Value& result) { return read_response(result, message.tool_responses); }));
  messages.push_back(std::move(message));
  return Done{};
}

[[nodiscard]] inline Status read_tool(const Value& item, std::vector<Value>& tools) {
  const Value* function = find_set(item, "function");
  if (function == nullptr || !function->is(Value::Kind::object)) {
    return wrong_kind("tools.function", "an object", function == nullptr ? Value{} : *function);
  }
  tools.push_back(*function);
  return Done{};
}

}  // namespace detail

inline Result<Conversation> read_chat_value(const Value& request) {
  return guard_memory("request", [&]() -> Result<Conversation> {
    if (!request.is(Value::Kind::object)) return detail::wrong_kind("request", "an object", request);
    Conversation chat;
    const Value* messages = request.find("messages");
    if (messages == nullptr || !messages->is(Value::Kind::list)) {
      return detail::wrong_kind("messages", "a list", messages == nullptr ? Value{} : *messages);
    }
    LAMINA_TRY(detail::read_list(
        request, "messages", [&](const Value& item) { return detail::read_message(item, chat.messages); }));
    LAMINA_TRY(detail::read_list(request, "tools",
                                 [&](const Value& item) { return detail::read_tool(item, chat.tools); }));
    LAMINA_TRY(detail::read_flag(request, "enable_thinking", chat.enable_thinking));
    LAMINA_TRY(detail::read_flag(request, "preserve_thinking", chat.preserve_thinking));
    LAMINA_TRY(detail::read_flag(request, "add_generation_prompt", chat.add_generation_prompt));
    return chat;
  });
}

inline Result<Conversation> read_chat_json(std::string_view json) {
  return guard_memory("request", [&]() -> Result<Conversation> {
    auto request = parse_json_value(json);
    if (!request) return request.error();
    return read_chat_value(*request);
  });
}

}  // namespace lamina
