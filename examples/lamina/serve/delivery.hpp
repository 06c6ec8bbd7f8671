// SPDX-License-Identifier: Apache-2.0
// From ordered answers to bytes for the client: as a whole, or as events while they come; in the words of one
// of the interfaces.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/chat/answer.hpp>
#include <lamina/core/error.hpp>

#include "../report.hpp"
#include "answers.hpp"
#include "api_error.hpp"
#include "http.hpp"
#include "service.hpp"

namespace program::serving {

/// An answer that ended, or why there is none.
struct EndedAnswer {
  lamina::Result<lamina::Answer> answer;
  std::vector<lamina::TokenChoice> choices;  ///< of its tokens of text
  std::size_t thought_tokens = 0;
};

/// Writes server-sent events. After a failure nothing more is written.
class EventWriter {
 public:
  explicit EventWriter(EventSink& sink) : sink_(sink) {}
  /// An event without a name, or with one.
  void event(const Json& data, std::string_view name = {});
  void raw(std::string_view text);

 private:
  EventSink& sink_;
  bool failed_ = false;
};

/// The words of one interface.
class AnswerFormat {
 public:
  virtual ~AnswerFormat() = default;
  /// The document of answers that all ended well.
  [[nodiscard]] virtual Json whole(const std::vector<EndedAnswer>& answers) = 0;
  /// Before anything comes.
  virtual void begin(EventWriter& writer) = 0;
  virtual void piece(EventWriter& writer, const News& news) = 0;
  /// One answer ended well; `news` may have tokens that were not told yet.
  virtual void ended(EventWriter& writer, const News& news, const lamina::Answer& answer) = 0;
  virtual void progress(EventWriter& writer, const News& news, std::size_t prompt_tokens) = 0;
  virtual void error(EventWriter& writer, const ApiError& error) = 0;
  /// After all ended well.
  virtual void finish(EventWriter& writer, const std::vector<EndedAnswer>& answers) = 0;
};

/// What is ordered for a request.
struct Orders {
  std::vector<std::vector<lamina::AnswerOrder>> groups{};  ///< those of a group share a prompt
  std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>();
  std::size_t count = 0;
  std::size_t prompt_tokens = 0;
};

/// Adds `choices` answers to a prompt. `constraints` has one for each, or none.
void add_orders(Service& service, const Exchange& exchange, const AnswerWish& wish,
                std::shared_ptr<const lamina::EncodedPrompt> prompt, lamina::AnswerForm form,
                lamina::ResponseStart start, bool thinks,
                std::vector<std::shared_ptr<lamina::TokenConstraint>> constraints, Orders& orders);

/// Hands orders to the engine and the answers to the client; or refuses, where too many wait.
void deliver(Service& service, Exchange& exchange, Orders orders, const AnswerWish& wish,
             std::unique_ptr<AnswerFormat> format);

/// "stop", "length" or "tool_calls".
[[nodiscard]] std::string_view finish_reason(const lamina::Answer& answer);
/// {"prompt_tokens", "completion_tokens", …} of all answers to `prompt_tokens` tokens of prompts.
[[nodiscard]] Json usage_json(const std::vector<EndedAnswer>& answers, std::size_t prompt_tokens);
/// How long what took, in the words of llama.cpp.
[[nodiscard]] Json timings_json(const std::vector<EndedAnswer>& answers);
/// {"total", "cache", "processed", "time_ms"} of a prompt that is being read, in the words of llama.cpp.
[[nodiscard]] Json progress_json(const News& news, std::size_t prompt_tokens);
/// A call that cannot be read, as the model wrote it.
[[nodiscard]] std::string unread_call(const lamina::ParsedCall& call);
/// Which program wrote an answer.
[[nodiscard]] std::string fingerprint();
/// Seconds since 1970.
[[nodiscard]] std::int64_t now_seconds();
/// A token in the words of `logprobs`; `most` of the likeliest beside it.
[[nodiscard]] Json choice_json(const lamina::TokenChoice& choice, std::size_t most,
                               const lamina::Tokenizer& tokenizer);
/// What a token adds to a text, as valid UTF-8.
[[nodiscard]] std::string token_text(lamina::TokenId id, const lamina::Tokenizer& tokenizer);

}  // namespace program::serving
