// SPDX-License-Identifier: Apache-2.0
// /v1/chat/completions.
#include "chat.hpp"

#include <memory>
#include <string>
#include <utility>

#include <lamina/chat/chat_template.hpp>
#include <lamina/chat/prompt.hpp>
#include <lamina/engine/check_options.hpp>

#include "../transcript.hpp"
#include "choices_format.hpp"
#include "endpoints.hpp"
#include "form.hpp"

namespace program::serving {

using lamina::Done;
using lamina::Result;
using lamina::Status;

Result<Orders> order_chat(Service& service, const Exchange& exchange, ChatWish& wish) {
  LAMINA_TRY(service.encode_media(wish.conversation));
  const lamina::Model& model = service.model();
  if (wish.tool_choice.kind == ToolChoice::Kind::none) wish.conversation.tools.clear();
  const auto rendered = lamina::render_chat(wish.conversation, model.template_size());
  if (!rendered) return rendered.error();
  auto encoded = lamina::encode_prompt(*rendered, service.tokenizer(), model.hidden());
  if (!encoded) return encoded.error();
  LAMINA_TRY(
      lamina::check_length(encoded->ids.size(), service.scheduler().options().context, model.max_context()));
  auto constraints = constraints_of(service, wish);
  if (!constraints) return constraints.error();
  const auto start = lamina::starts_in_thought(rendered->text()) ? lamina::ResponseStart::thought
                                                                 : lamina::ResponseStart::answer;
  Orders orders;
  add_orders(service, exchange, wish, std::make_shared<const lamina::EncodedPrompt>(std::move(*encoded)),
             lamina::AnswerForm::parsed, start, wish.conversation.enable_thinking, std::move(*constraints),
             orders);
  return orders;
}

namespace {

/// The words of /v1/chat/completions.
class ChatFormat final : public ChoicesFormat {
 public:
  ChatFormat(Service& service, const ChatWish& wish, std::size_t prompt_tokens)
      : ChoicesFormat(service, wish, prompt_tokens, "chatcmpl-", "chat.completion", "chat.completion.chunk"),
        calls_(wish.choices, 0) {}

  void begin(EventWriter& writer) override {
    for (std::size_t i = 0; i < calls_.size(); ++i)
      chunk(writer, i, {{"role", "assistant"}, {"content", ""}}, nullptr);
  }
  void piece(EventWriter& writer, const News& news) override {
    using Kind = lamina::ResponseEvent::Kind;
    const lamina::ResponseEvent& event = news.event;
    if (event.kind == Kind::thought)
      return chunk(writer, news.index, {{"reasoning_content", event.text}}, nullptr);
    if (event.kind == Kind::text)
      return chunk(writer, news.index, {{"content", event.text}}, nullptr, choices_json(news.choices));
    if (!event.call.well_formed)
      return chunk(writer, news.index, {{"content", unread_call(event.call)}}, nullptr);
    Json call = call_json_of(event.call);
    call["index"] = calls_[news.index]++;
    chunk(writer, news.index, {{"tool_calls", Json::array({std::move(call)})}}, nullptr);
  }
  void ended(EventWriter& writer, const News& news, const lamina::Answer& answer) override {
    chunk(writer, news.index, Json::object(), finish_reason(answer), choices_json(news.choices));
  }

 private:
  [[nodiscard]] Json whole_choice(std::size_t index, const EndedAnswer& ended) override {
    const lamina::Answer& answer = *ended.answer;
    std::string content = answer.text;
    Json message{{"role", "assistant"}, {"content", nullptr}, {"refusal", nullptr}};
    if (!answer.thought.empty()) message["reasoning_content"] = answer.thought;
    for (const lamina::ParsedCall& call : answer.calls) {
      if (call.well_formed) {
        message["tool_calls"].push_back(call_json_of(call));
      } else {
        content += unread_call(call);
      }
    }
    if (!content.empty() || !message.contains("tool_calls")) message["content"] = content;
    return {{"index", index},
            {"message", std::move(message)},
            {"logprobs", choices_json(ended.choices)},
            {"finish_reason", finish_reason(answer)}};
  }
  void chunk(EventWriter& writer, std::size_t index, Json delta, Json finish,
             Json log_probabilities = {}) const {
    write_choice(writer, {{"index", index},
                          {"delta", std::move(delta)},
                          {"logprobs", std::move(log_probabilities)},
                          {"finish_reason", std::move(finish)}});
  }
  [[nodiscard]] Json choices_json(const std::vector<lamina::TokenChoice>& choices) const {
    if (!top_) return nullptr;
    Json content = Json::array();
    for (const lamina::TokenChoice& choice : choices)
      content.push_back(choice_json(choice, *top_, service_.tokenizer()));
    return {{"content", std::move(content)}, {"refusal", nullptr}};
  }
  [[nodiscard]] Json call_json_of(const lamina::ParsedCall& call) {
    return {{"id", service_.new_id("call_")},
            {"type", "function"},
            {"function", {{"name", call.name}, {"arguments", dump(value_json(call.arguments))}}}};
  }

  std::vector<std::size_t> calls_;  ///< [choices] that were written
};

}  // namespace

void chat_completions(Service& service, Exchange& exchange) {
  with_request(service, exchange, [&](lamina::Value request) -> Status {
    auto wish = read_chat_wish(std::move(request), service.defaults());
    if (!wish) return wish.error();
    auto orders = order_chat(service, exchange, *wish);
    if (!orders) return orders.error();
    auto format = std::make_unique<ChatFormat>(service, *wish, orders->prompt_tokens);
    deliver(service, exchange, std::move(*orders), *wish, std::move(format));
    return Done{};
  });
}

}  // namespace program::serving
