// SPDX-License-Identifier: Apache-2.0
// /v1/completions: a raw prompt, without a template, goes on.
#include <memory>
#include <string>
#include <utility>

#include <lamina/engine/check_options.hpp>

#include "chat.hpp"
#include "choices_format.hpp"
#include "endpoints.hpp"

namespace program::serving {
namespace {

using lamina::Done;
using lamina::Result;
using lamina::Status;

/// The words of /v1/completions.
class CompletionFormat final : public ChoicesFormat {
 public:
  CompletionFormat(Service& service, const CompletionWish& wish, std::vector<std::string> echoes,
                   std::size_t prompt_tokens)
      : ChoicesFormat(service, wish, prompt_tokens, "cmpl-", "text_completion", "text_completion"),
        echoes_(std::move(echoes)) {}

  void begin(EventWriter& writer) override {
    for (std::size_t i = 0; i < echoes_.size(); ++i) {
      if (!echoes_[i].empty()) write_choice(writer, choice(i, echoes_[i], {}, nullptr));
    }
  }
  void piece(EventWriter& writer, const News& news) override {
    write_choice(writer, choice(news.index, news.event.text, news.choices, nullptr));
  }
  void ended(EventWriter& writer, const News& news, const lamina::Answer& answer) override {
    write_choice(writer, choice(news.index, "", news.choices, finish_reason(answer)));
  }

 private:
  [[nodiscard]] Json whole_choice(std::size_t index, const EndedAnswer& ended) override {
    return choice(index, echoes_[index] + ended.answer->text, ended.choices, finish_reason(*ended.answer));
  }
  [[nodiscard]] Json choice(std::size_t index, const std::string& text,
                            const std::vector<lamina::TokenChoice>& choices, Json finish) const {
    return {{"index", index},
            {"text", text},
            {"logprobs", choices_json(choices)},
            {"finish_reason", std::move(finish)}};
  }
  /// The older form of log-probabilities: lists side by side.
  [[nodiscard]] Json choices_json(const std::vector<lamina::TokenChoice>& choices) const {
    if (!top_) return nullptr;
    Json out{{"tokens", Json::array()}, {"token_logprobs", Json::array()}, {"top_logprobs", Json::array()}};
    for (const lamina::TokenChoice& choice : choices) {
      const Json one = choice_json(choice, *top_, service_.tokenizer());
      out["tokens"].push_back(one["token"]);
      out["token_logprobs"].push_back(one["logprob"]);
      Json top = Json::object();
      for (const Json& other : one["top_logprobs"]) top[other["token"].get<std::string>()] = other["logprob"];
      out["top_logprobs"].push_back(std::move(top));
    }
    return out;
  }

  std::vector<std::string> echoes_;  ///< [answers]
};

/// The ids of a prompt. In its text special tokens count, as in a rendered one.
Result<lamina::EncodedPrompt> encode_raw(Service& service, const RawPrompt& prompt) {
  lamina::EncodedPrompt encoded;
  encoded.ids = prompt.ids;
  if (prompt.is_text) {
    const lamina::TextSpan span{prompt.text, lamina::Special::match};
    LAMINA_TRY(service.tokenizer().encode(std::span(&span, 1), encoded.ids, lamina::Bos::once));
  }
  if (encoded.ids.empty()) return field_error("prompt", "there are no tokens", "at least one", "none");
  LAMINA_TRY(lamina::check_length(encoded.ids.size(), service.scheduler().options().context,
                                  service.model().max_context()));
  return encoded;
}

}  // namespace

void completions(Service& service, Exchange& exchange) {
  with_request(service, exchange, [&](const lamina::Value& request) -> Status {
    const auto wish = read_completion_wish(request, service.defaults());
    if (!wish) return wish.error();
    Orders orders;
    std::vector<std::string> echoes;
    for (const RawPrompt& prompt : wish->prompts) {
      auto encoded = encode_raw(service, prompt);
      if (!encoded) return encoded.error();
      const std::string text = prompt.is_text ? prompt.text : service.tokenizer().decode(prompt.ids);
      echoes.insert(echoes.end(), wish->choices, wish->echo ? text : std::string());
      add_orders(service, exchange, *wish, std::make_shared<const lamina::EncodedPrompt>(std::move(*encoded)),
                 lamina::AnswerForm::raw, lamina::ResponseStart::answer, false, {}, orders);
    }
    auto format = std::make_unique<CompletionFormat>(service, *wish, std::move(echoes), orders.prompt_tokens);
    deliver(service, exchange, std::move(orders), *wish, std::move(format));
    return Done{};
  });
}

}  // namespace program::serving
