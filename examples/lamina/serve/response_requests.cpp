// SPDX-License-Identifier: Apache-2.0
// Requests of /v1/responses, turned into those of /v1/chat/completions.
#include <string>
#include <utility>

#include "requests.hpp"

namespace program::serving {

using lamina::Done;
using lamina::Result;
using lamina::Status;
using lamina::Value;
using Kind = lamina::Value::Kind;

namespace {

Value message_of(std::string_view role) {
  Value message = Value::object();
  message.append("role", Value::string(role));
  return message;
}

/// A part of a message under the name that it has in chats.
Result<Value> translated_part(const Value& part, const std::string& path) {
  const Fields fields(part, path);
  std::string type;
  LAMINA_TRY(fields.text("type", type));
  Value out = Value::object();
  if (type == "input_text" || type == "output_text" || type == "text") {
    std::string text;
    LAMINA_TRY(fields.text("text", text));
    out.append("type", Value::string("text"));
    out.append("text", Value::string(text));
  } else if (type == "input_image") {
    std::string url;
    LAMINA_TRY(fields.text("image_url", url));
    out.append("type", Value::string("image_url"));
    out.append("image_url", Value::string(url));
  } else if (type == "input_audio") {
    out = part;
  } else {
    return not_offered(fields.path_of("type"), "input_text, output_text, input_image or input_audio", type);
  }
  return out;
}

Result<Value> translated_content(const Value& content, const std::string& path) {
  if (content.is(Kind::string)) return content;
  if (!content.is(Kind::list))
    return field_error(path, "value is of another type", "a string or a list of parts",
                       lamina::detail::kind_name(content));
  Value list = Value::list();
  for (std::size_t i = 0; i < content.items.size(); ++i) {
    const std::string at = path + "[" + std::to_string(i) + "]";
    if (!content.items[i].is(Kind::object))
      return field_error(at, "not a part", "an object", lamina::detail::kind_name(content.items[i]));
    auto part = translated_part(content.items[i], at);
    if (!part) return part.error();
    list.items.push_back(std::move(*part));
  }
  return list;
}

/// Turns items into messages: calls and thoughts belong to a message of the model.
class ItemReader {
 public:
  explicit ItemReader(Value& messages) : messages_(messages) {}

  [[nodiscard]] Status read(const Value& item, const std::string& path) {
    if (!item.is(Kind::object))
      return field_error(path, "not an item", "an object", lamina::detail::kind_name(item));
    const Fields fields(item, path);
    std::string type = "message";
    LAMINA_TRY(fields.text("type", type));
    if (type == "message") return message(fields);
    if (type == "function_call") return call(fields);
    if (type == "function_call_output") return result(fields);
    if (type == "reasoning") return thought(fields);
    return not_offered(fields.path_of("type"), "message, function_call, function_call_output or reasoning",
                       type);
  }

 private:
  [[nodiscard]] Status message(const Fields& fields) {
    std::string role;
    LAMINA_TRY(fields.text("role", role));
    if (role.empty()) return fields.missing("role", "a string");
    const Value* content = fields.find("content");
    if (content == nullptr) return fields.missing("content", "a string or a list of parts");
    auto read = translated_content(*content, fields.path_of("content"));
    if (!read) return read.error();
    Value made = message_of(role);
    made.append("content", std::move(*read));
    if (role == "assistant") take_thought(made);
    messages_.items.push_back(std::move(made));
    return Done{};
  }
  [[nodiscard]] Status call(const Fields& fields) {
    Value function = Value::object();
    for (const char* key : {"name", "arguments"}) {
      std::string text;
      LAMINA_TRY(fields.text(key, text));
      function.append(key, Value::string(text));
    }
    std::string id;
    LAMINA_TRY(fields.text("call_id", id));
    Value made = Value::object();
    made.append("id", Value::string(id));
    made.append("type", Value::string("function"));
    made.append("function", std::move(function));
    Value& holder = last_calls();
    const_cast<Value*>(holder.find("tool_calls"))->items.push_back(std::move(made));
    return Done{};
  }
  /// The message of the model that ends the conversation so far, with a list of calls.
  [[nodiscard]] Value& last_calls() {
    const bool goes_on = !messages_.items.empty() && messages_.items.back().find("role")->text == "assistant";
    if (!goes_on) {
      messages_.items.push_back(message_of("assistant"));
      take_thought(messages_.items.back());
    }
    Value& last = messages_.items.back();
    if (last.find("tool_calls") == nullptr) last.append("tool_calls", Value::list());
    return last;
  }
  [[nodiscard]] Status result(const Fields& fields) {
    std::string id;
    LAMINA_TRY(fields.text("call_id", id));
    const Value* output = fields.find("output");
    if (output == nullptr) return fields.missing("output", "a string or a list of parts");
    auto content = translated_content(*output, fields.path_of("output"));
    if (!content) return content.error();
    Value made = message_of("tool");
    made.append("tool_call_id", Value::string(id));
    made.append("content", std::move(*content));
    messages_.items.push_back(std::move(made));
    return Done{};
  }
  [[nodiscard]] Status thought(const Fields& fields) {
    const auto content = fields.list_in("content");
    if (!content) return content.error();
    if (*content == nullptr) return Done{};
    for (const Value& part : (*content)->items) {
      const Value* text = part.find("text");
      if (text != nullptr && text->is(Kind::string)) thought_ += text->text;
    }
    return Done{};
  }
  void take_thought(Value& message) {
    if (thought_.empty()) return;
    message.append("reasoning_content", Value::string(std::exchange(thought_, {})));
  }

  Value& messages_;
  std::string thought_;
};

/// Tools without the object that chats have around a function.
Result<Value> translated_tools(const Value& tools) {
  Value list = Value::list();
  for (std::size_t i = 0; i < tools.items.size(); ++i) {
    const std::string path = "tools[" + std::to_string(i) + "]";
    const Value& tool = tools.items[i];
    if (!tool.is(Kind::object))
      return field_error(path, "not a tool", "an object", lamina::detail::kind_name(tool));
    std::string type;
    LAMINA_TRY(Fields(tool, path).text("type", type));
    if (type != "function") return not_offered(path + ".type", "function", type);
    Value made = Value::object();
    made.append("type", Value::string("function"));
    made.append("function", tool);
    list.items.push_back(std::move(made));
  }
  return list;
}

Status refuse_stored(const Fields& request) {
  for (const char* key : {"previous_response_id", "conversation", "prompt"}) {
    if (request.find(key) != nullptr) return not_offered(key, "the whole conversation as input", "this");
  }
  bool background = false;
  LAMINA_TRY(request.flag("background", background));
  if (background) return not_offered("background", "false", "true");
  return Done{};
}

/// Whether log-probabilities of the text are wanted: `include` names them, or `top_logprobs` some others.
Status read_log_probabilities(const Fields& request, ChatWish& wish) {
  std::uint32_t top = 0;
  LAMINA_TRY(request.integer("top_logprobs", 0U, 20U, top));
  const auto include = request.list_in("include");
  if (!include) return include.error();
  bool wanted = top > 0;
  if (*include != nullptr) {
    for (const Value& one : (*include)->items) wanted = wanted || one.text == "message.output_text.logprobs";
  }
  if (wanted) wish.top_log_probabilities = top;
  return Done{};
}

}  // namespace

Result<ChatWish> read_response_wish(const Value& request, const RequestDefaults& defaults) {
  ChatWish wish;
  const Fields fields(request);
  LAMINA_TRY(refuse_stored(fields));
  LAMINA_TRY(detail::read_answer_wish(fields, defaults, wish));
  if (wish.choices != 1) return not_offered("n", "1", lamina::text("%u", wish.choices));
  LAMINA_TRY(fields.integer("max_output_tokens", 1U, 1U << 24, wish.options.max_tokens));
  LAMINA_TRY(read_log_probabilities(fields, wish));
  const auto reasoning = fields.object_in("reasoning");
  if (!reasoning) return reasoning.error();
  if (*reasoning != nullptr) {
    const Fields inner(**reasoning, "reasoning");
    std::string effort;
    LAMINA_TRY(inner.text("effort", effort));
    if (!effort.empty() && !detail::take_effort(effort, wish))
      return inner.unknown("effort", "none, minimal, low, medium or high", effort);
  }
  const auto text = fields.object_in("text");
  if (!text) return text.error();
  if (*text != nullptr) {
    const auto format = Fields(**text, "text").object_in("format");
    if (!format) return format.error();
    if (*format != nullptr) LAMINA_TRY(detail::read_format(Fields(**format, "text.format"), "", wish));
  }
  LAMINA_TRY(detail::read_json_space(fields, wish));
  Value chat = Value::object();
  Value messages = Value::list();
  std::string instructions;
  LAMINA_TRY(fields.text("instructions", instructions));
  if (!instructions.empty()) {
    messages.items.push_back(message_of("system"));
    messages.items.back().append("content", Value::string(instructions));
  }
  const Value* input = fields.find("input");
  if (input == nullptr) return fields.missing("input", "a string or a list of items");
  if (input->is(Kind::string)) {
    messages.items.push_back(message_of("user"));
    messages.items.back().append("content", *input);
  } else if (input->is(Kind::list)) {
    ItemReader reader(messages);
    for (std::size_t i = 0; i < input->items.size(); ++i)
      LAMINA_TRY(reader.read(input->items[i], "input[" + std::to_string(i) + "]"));
  } else {
    return fields.wrong("input", "a string or a list of items", *input);
  }
  chat.append("messages", std::move(messages));
  const auto tools = fields.list_in("tools");
  if (!tools) return tools.error();
  if (*tools != nullptr) {
    auto translated = translated_tools(**tools);
    if (!translated) return translated.error();
    chat.append("tools", std::move(*translated));
  }
  LAMINA_TRY(detail::read_conversation(std::move(chat), wish));
  LAMINA_TRY(detail::read_tool_choice(fields, wish));
  return wish;
}

}  // namespace program::serving
