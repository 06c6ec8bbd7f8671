// SPDX-License-Identifier: Apache-2.0
// The published chat template, version 2, written natively: conversation to prompt.
// Source: tokenizer-and-chat.md §6 (every rule), §7 (renderings).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/core/types.hpp>
#include <lamina/chat/conversation.hpp>
#include <lamina/chat/prompt.hpp>
#include <lamina/chat/tool_syntax.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/chat/value.hpp>

namespace lamina {

/// Renders a conversation exactly as the published template does.
///
/// Errors   out_of_memory;
///          bad_argument where the published template fails too (arguments that are no object, schemas that
///          `write_declaration` refuses), and for values nested deeper than `deepest_value`
[[nodiscard]] Result<Prompt> render_chat(const Conversation& conversation, TemplateSize size);

/// Removes thinking channels from a text of the model (§6.6): from each piece that "<channel|>" ends, what
/// follows its first "<|channel>". The result is not trimmed.
[[nodiscard]] inline std::string without_thoughts(std::string_view text) {
  constexpr std::string_view open = "<|channel>";
  constexpr std::string_view close = "<channel|>";
  std::string out;
  for (;;) {
    const std::size_t end = text.find(close);
    const std::string_view piece = text.substr(0, end);
    out.append(piece.substr(0, piece.find(open)));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + close.size());
  }
}

namespace detail {

/// One pass over a conversation.
class ChatRenderer {
 public:
  ChatRenderer(const Conversation& conversation, TemplateSize size)
      : conversation_(conversation), size_(size) {}

  [[nodiscard]] Result<Prompt> render() {
    for (const Value& tool : conversation_.tools) LAMINA_TRY(check_depth("tools", tool));
    prompt_.trusted("<bos>");
    LAMINA_TRY(write_head());
    const std::size_t first = has_system() ? 1 : 0;
    const std::vector<Message>& messages = conversation_.messages;
    last_user_ = messages.size();
    for (std::size_t i = first; i < messages.size(); ++i) {
      if (messages[i].role == "user") last_user_ = i;
    }
    has_user_ = last_user_ < messages.size();
    for (std::size_t i = first; i < messages.size(); ++i) {
      if (messages[i].role == "tool") continue;
      LAMINA_TRY(write_message(i));
      previous_role_ = messages[i].role;
    }
    if (conversation_.add_generation_prompt) write_generation_prompt();
    return std::move(prompt_);
  }

 private:
  enum class Last : std::uint8_t {
    none,
    call,
    response
  };  ///< what the current message wrote last before its content

  [[nodiscard]] static Status check_depth(std::string_view where, const Value& value) {
    if (nests_within(value, deepest_value)) return Done{};
    return Error{ErrorCode::bad_argument,
                 where,
                 "value is nested too deeply",
                 lamina::text("at most %zu levels", deepest_value),
                 "more",
                 ""};
  }

  /// Whether the first message belongs to the head.
  [[nodiscard]] bool has_system() const noexcept {
    const std::vector<Message>& messages = conversation_.messages;
    return !messages.empty() && (messages[0].role == "system" || messages[0].role == "developer");
  }

  /// §6.1.
  [[nodiscard]] Status write_head() {
    if (!conversation_.enable_thinking && conversation_.tools.empty() && !has_system()) return Done{};
    prompt_.trusted("<|turn>system\n");
    if (conversation_.enable_thinking) prompt_.trusted("<|think|>\n");
    if (has_system()) {
      const Content& content = conversation_.messages[0].content;
      prompt_.untrusted(trim(content.text));
      for (const ContentPart& part : content.parts) {  // of every kind: here the template does not look at it
        prompt_.untrusted(trim(part.text));
        prompt_.trusted(" ");
      }
    }
    for (const Value& tool : conversation_.tools) {
      prompt_.trusted("<|tool>");
      LAMINA_TRY(write_declaration(tool, prompt_));
      prompt_.trusted("<tool|>");
    }
    prompt_.trusted("<turn|>\n");
    return Done{};
  }

  /// §6.2.
  [[nodiscard]] Status write_message(std::size_t index) {
    const Message& message = conversation_.messages[index];
    const bool is_model = message.role == "assistant" || message.role == "model";
    last_ = Last::none;
    if (!(is_model && previous_role_ == "assistant")) {
      prompt_.trusted("<|turn>");
      write_role(message.role);
      prompt_.trusted("\n");
    }
    write_reasoning(message, index);
    LAMINA_TRY(write_calls(message));
    LAMINA_TRY(write_results(message, index));
    const std::size_t before = prompt_.text().size();
    write_content(message.content, is_model);
    close(message, index, is_model, prompt_.text().size() == before);
    return Done{};
  }

  /// The usual roles belong to the template's own words; any other comes from the caller.
  void write_role(std::string_view role) {
    if (role == "user" || role == "system") {
      prompt_.trusted(role);
    } else if (role == "assistant") {
      prompt_.trusted("model");
    } else {
      prompt_.untrusted(role);
    }
  }

  void write_reasoning(const Message& message, std::size_t index) {
    const bool after_last_user = !has_user_ || index > last_user_;
    const bool kept = conversation_.preserve_thinking && !message.tool_calls.empty();
    if (message.reasoning.empty() || !(after_last_user || kept)) return;
    prompt_.trusted("<|channel>thought\n");
    prompt_.untrusted(message.reasoning);
    prompt_.trusted("\n<channel|>");
  }

  [[nodiscard]] Status write_calls(const Message& message) {
    for (const ToolCall& call : message.tool_calls) {
      LAMINA_TRY(check_depth("tool_calls", call.arguments));
      prompt_.trusted("<|tool_call>call:");
      prompt_.untrusted(call.name);
      if (call.arguments.is(Value::Kind::object)) {
        write_value(call.arguments, KeyStyle::bare, prompt_);
      } else if (call.arguments.is(Value::Kind::null)) {
        prompt_.trusted("{}");
      } else {
        return Error{ErrorCode::bad_argument,
                     "tool_calls",
                     "arguments of a call are no object",
                     "an object or null",
                     call.arguments.is(Value::Kind::string) ? "a string" : "another type",
                     "parse JSON text into an object before rendering"};
      }
      prompt_.trusted("<tool_call|>");
      last_ = Last::call;
    }
    return Done{};
  }

  [[nodiscard]] Status write_results(const Message& message, std::size_t index) {
    for (const ToolResponse& result : message.tool_responses) {
      LAMINA_TRY(check_depth("tool_responses", result.response));
      open_result(result.name.empty() ? std::string_view("unknown") : result.name);
      if (result.response.is(Value::Kind::object)) {
        write_value(result.response, KeyStyle::bare, prompt_);
      } else {
        prompt_.trusted("{value:");
        write_value(result.response, KeyStyle::bare, prompt_);
        prompt_.trusted("}");
      }
      prompt_.trusted("<tool_response|>");
    }
    if (!message.tool_responses.empty() || message.tool_calls.empty()) return Done{};
    const std::vector<Message>& messages = conversation_.messages;
    for (std::size_t i = index + 1; i < messages.size() && messages[i].role == "tool"; ++i) {
      write_tool_message(messages[i], message.tool_calls);
    }
    return Done{};
  }

  void write_tool_message(const Message& message, const std::vector<ToolCall>& calls) {
    std::string_view name = message.name.empty() ? std::string_view("unknown") : message.name;
    for (const ToolCall& call : calls) {
      if (call.id == message.tool_call_id)
        name = call.name;  // the last one that matches; two missing ids match
    }
    open_result(name);
    prompt_.trusted("{value:");
    if (message.content.kind == Content::Kind::null) {
      prompt_.trusted("null");
    } else {
      prompt_.trusted(quote_text);
      prompt_.untrusted(message.content.text);
      for (const ContentPart& part : message.content.parts) {
        if (part.kind == ContentPart::Kind::text) prompt_.untrusted(part.text);
      }
      prompt_.trusted(quote_text);
    }
    prompt_.trusted("}<tool_response|>");
    for (const ContentPart& part : message.content.parts) write_media(part);
  }

  void open_result(std::string_view name) {
    prompt_.trusted("<|tool_response>response:");
    prompt_.untrusted(name);
    last_ = Last::response;
  }

  void write_content(const Content& content, bool is_model) {
    const auto write_text = [&](std::string_view text) {
      prompt_.untrusted(is_model ? trim(without_thoughts(text)) : trim(text));
    };
    if (content.kind == Content::Kind::text) write_text(content.text);
    for (const ContentPart& part : content.parts) {
      if (part.kind == ContentPart::Kind::text) write_text(part.text);
      write_media(part);
    }
  }

  void write_media(const ContentPart& part) {
    switch (part.kind) {
      case ContentPart::Kind::text:
      case ContentPart::Kind::other:
        return;
      case ContentPart::Kind::image:
        prompt_.media("<|image|>", part.media);
        return;
      case ContentPart::Kind::audio:
        prompt_.media("<|audio|>", part.media);
        return;
      case ContentPart::Kind::video:
        prompt_.media("<|video|>", part.media);
        return;
    }
  }

  /// §6.2 f.
  void close(const Message& message, std::size_t index, bool is_model, bool content_is_empty) {
    const std::vector<Message>& messages = conversation_.messages;
    std::size_t next = index + 1;
    while (next < messages.size() && messages[next].role == "tool") ++next;
    const bool has_next = next < messages.size();
    if (last_ == Last::call) {
      prompt_.trusted("<|tool_response>");
      return;
    }
    const bool has_results = last_ == Last::response;
    const bool next_continues = is_model && has_next && messages[next].role == "assistant" &&
                                (message.tool_calls.empty() || has_results);
    const bool model_goes_on = has_results && content_is_empty && !has_next;
    if (!next_continues && !model_goes_on) prompt_.trusted("<turn|>\n");
  }

  /// §6.3.
  void write_generation_prompt() {
    if (last_ == Last::call) return;
    if (last_ == Last::response) {
      if (conversation_.enable_thinking) prompt_.trusted("<|channel>thought\n");
      return;
    }
    prompt_.trusted("<|turn>model\n");
    if (size_ == TemplateSize::large && !conversation_.enable_thinking)
      prompt_.trusted("<|channel>thought\n<channel|>");
  }

  const Conversation& conversation_;
  TemplateSize size_;
  Prompt prompt_;
  std::string_view previous_role_;
  std::size_t last_user_ = 0;
  bool has_user_ = false;
  Last last_ = Last::none;
};

}  // namespace detail

inline Result<Prompt> render_chat(const Conversation& conversation, TemplateSize size) {
  return guard_memory("prompt",
                      [&]() -> Result<Prompt> { return detail::ChatRenderer(conversation, size).render(); });
}

/// Whether the answer to a prompt begins inside a thinking channel that the prompt opened.
[[nodiscard]] inline bool starts_in_thought(std::string_view prompt_text) noexcept {
  return prompt_text.ends_with("<|channel>thought\n");
}

}  // namespace lamina
