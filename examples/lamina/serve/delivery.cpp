// SPDX-License-Identifier: Apache-2.0
// Orders, waiting for answers, and what all interfaces write alike.
#include "delivery.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace program::serving {

namespace {

/// Answers that are on their way. Its end waits for them: they look at the connection.
class Delivery {
 public:
  Delivery(Service& service, Orders orders, bool tells_progress, std::unique_ptr<AnswerFormat> format)
      : service_(service),
        mailbox_(std::move(orders.mailbox)),
        prompt_tokens_(orders.prompt_tokens),
        tells_progress_(tells_progress),
        format_(std::move(format)),
        answers_(orders.count),
        left_(orders.count) {}
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;
  ~Delivery() {
    mailbox_->cancel();
    while (left_ > 0) take_in(mailbox_->take(std::chrono::hours(1)));
  }

  /// Those that were not ordered after all do not come.
  void forget(std::size_t count) { left_ -= count; }

  void write_whole(Exchange& exchange) {
    while (left_ > 0) take_in(mailbox_->take(std::chrono::hours(1)));
    if (const auto error = first_error()) {
      service_.counts().add(error->status);
      return refuse(exchange, *error);
    }
    service_.counts().add(200);
    answer_json(exchange, format_->whole(ended_answers()));
  }

  void write_events(EventSink& sink) {
    EventWriter writer(sink);
    format_->begin(writer);
    const std::chrono::milliseconds silence(service_.flags().keep_alive_milliseconds);
    bool failed = false;
    while (left_ > 0) {
      const auto news = take_in(mailbox_->take(silence));
      if (failed) continue;
      if (!news) {
        writer.raw(comment());
      } else if (news->kind == News::Kind::piece) {
        format_->piece(writer, *news);
      } else if (news->kind == News::Kind::read) {
        if (tells_progress_) format_->progress(writer, *news, prompt_tokens_);
      } else if (const auto error = error_of(*answers_[news->index])) {
        format_->error(writer, *error);
        mailbox_->cancel();
        failed = true;
      } else {
        format_->ended(writer, *news, *answers_[news->index]->answer);
      }
    }
    const auto error = first_error();
    service_.counts().add(error ? error->status : 200);
    if (!error) format_->finish(writer, ended_answers());
  }

 private:
  /// Notes what is new, and gives it back.
  std::optional<News> take_in(std::optional<News> news) {
    if (!news) return news;
    if (news->kind == News::Kind::read) {
      done_ = news->done;
      total_ = news->total;
      return news;
    }
    auto& choices = choices_of(news->index);
    choices.insert(choices.end(), news->choices.begin(), news->choices.end());
    if (news->kind != News::Kind::ended) return news;
    --left_;
    answers_[news->index].emplace(
        EndedAnswer{std::move(*news->answer), std::move(choices), news->thought_tokens});
    news->answer.reset();
    return news;
  }
  std::vector<lamina::TokenChoice>& choices_of(std::size_t index) {
    if (choices_.size() <= index) choices_.resize(index + 1);
    return choices_[index];
  }
  [[nodiscard]] std::vector<EndedAnswer> ended_answers() {
    std::vector<EndedAnswer> all;
    for (auto& answer : answers_) all.push_back(std::move(*answer));
    return all;
  }
  [[nodiscard]] std::optional<ApiError> error_of(const EndedAnswer& ended) const {
    if (!ended.answer) return api_error(ended.answer.error());
    if (ended.answer->stop != lamina::StopReason::interrupted) return std::nullopt;
    if (service_.stopping())
      return ApiError{503, "the server is stopping: the answer was cut off", "server_error", "", "stopping"};
    return ApiError{499, "the client went away", "server_error", "", "client_closed_request"};
  }
  [[nodiscard]] std::optional<ApiError> first_error() const {
    for (const auto& answer : answers_) {
      if (!answer) continue;
      if (auto error = error_of(*answer)) return error;
    }
    return std::nullopt;
  }
  [[nodiscard]] std::string comment() const {
    if (total_ == 0) return ": waiting\n\n";
    if (done_ == total_) return ": writing\n\n";
    return ": reading the prompt, " + std::to_string(done_) + " of " + std::to_string(total_) + " tokens\n\n";
  }

  Service& service_;
  std::shared_ptr<Mailbox> mailbox_;
  std::size_t prompt_tokens_;
  bool tells_progress_;
  std::unique_ptr<AnswerFormat> format_;
  std::vector<std::optional<EndedAnswer>> answers_;
  std::vector<std::vector<lamina::TokenChoice>> choices_;
  std::size_t left_;
  std::size_t done_ = 0;
  std::size_t total_ = 0;
};

}  // namespace

void EventWriter::event(const Json& data, std::string_view name) {
  std::string text;
  if (!name.empty()) text.append("event: ").append(name).append("\n");
  text.append("data: ").append(dump(data)).append("\n\n");
  raw(text);
}

void EventWriter::raw(std::string_view text) {
  if (!failed_) failed_ = !sink_.write(text);
}

void add_orders(Service& service, const Exchange& exchange, const AnswerWish& wish,
                std::shared_ptr<const lamina::EncodedPrompt> prompt, lamina::AnswerForm form,
                lamina::ResponseStart start, bool thinks,
                std::vector<std::shared_ptr<lamina::TokenConstraint>> constraints, Orders& orders) {
  std::vector<lamina::AnswerOrder>& group = orders.groups.emplace_back();
  orders.prompt_tokens += prompt->ids.size();
  for (std::uint32_t i = 0; i < wish.choices; ++i) {
    lamina::AnswerOrder order;
    order.prompt = prompt;
    order.options = wish.options;
    if (wish.top_log_probabilities)
      order.options.log_probabilities = std::max(1U, *wish.top_log_probabilities);
    if (!constraints.empty()) order.options.constraint = std::move(constraints[i]);
    order.form = form;
    order.start = start;
    order.turn = i;
    order.thinks = thinks;
    order.listener = std::make_shared<MailListener>(orders.mailbox, orders.count++, service.tokenizer(),
                                                    start, exchange.presence(), service.cut(),
                                                    wish.top_log_probabilities.has_value());
    group.push_back(std::move(order));
  }
}

void deliver(Service& service, Exchange& exchange, Orders orders, const AnswerWish& wish,
             std::unique_ptr<AnswerFormat> format) {
  auto groups = std::move(orders.groups);
  std::size_t left = orders.count;
  const auto delivery =
      std::make_shared<Delivery>(service, std::move(orders), wish.wants_progress, std::move(format));
  for (auto& group : groups) {
    const std::size_t count = group.size();
    const auto taken = service.scheduler().submit(std::move(group));
    if (taken && *taken == lamina::Submission::taken) {
      left -= count;
      continue;
    }
    delivery->forget(left);
    ApiError error =
        !taken ? api_error(taken.error())
        : *taken == lamina::Submission::full
            ? ApiError{429, "too many requests wait: try again later", "rate_limit_error", "", "queue_full"}
            : ApiError{503, "the server is stopping", "server_error", "", "stopping"};
    service.counts().add(error.status);
    return refuse(exchange, error);
  }
  if (!wish.streams) return delivery->write_whole(exchange);
  exchange.stream("text/event-stream; charset=utf-8",
                  [delivery](EventSink& sink) { delivery->write_events(sink); });
}

std::string_view finish_reason(const lamina::Answer& answer) {
  if (answer.stop == lamina::StopReason::max_tokens || answer.stop == lamina::StopReason::context)
    return "length";
  for (const lamina::ParsedCall& call : answer.calls) {
    if (call.well_formed) return "tool_calls";
  }
  return "stop";
}

Json usage_json(const std::vector<EndedAnswer>& answers, std::size_t prompt_tokens) {
  std::size_t written = 0;
  std::size_t thought = 0;
  std::size_t read = 0;
  bool drafts = false;
  std::uint64_t drafted = 0;
  std::uint64_t accepted = 0;
  for (const EndedAnswer& one : answers) {
    written += one.answer->tokens.size();
    thought += one.thought_tokens;
    read += one.answer->prompt_tokens_read;
    if (!one.answer->drafts) continue;
    drafts = true;
    drafted += one.answer->drafts->drafted;
    accepted += one.answer->drafts->accepted;
  }
  Json details{{"reasoning_tokens", thought}};
  if (drafts) {
    details["accepted_prediction_tokens"] = accepted;
    details["rejected_prediction_tokens"] = drafted - accepted;
  }
  const std::size_t cached = prompt_tokens > read ? prompt_tokens - read : 0;
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", written},
          {"total_tokens", prompt_tokens + written},
          {"prompt_tokens_details", {{"cached_tokens", cached}}},
          {"completion_tokens_details", std::move(details)}};
}

Json timings_json(const std::vector<EndedAnswer>& answers) {
  const lamina::Answer& first = *answers.front().answer;
  const auto per_second = [](std::size_t count, double seconds) {
    return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
  };
  Json timings{{"cache_n", first.prompt_tokens - first.prompt_tokens_read},
               {"prompt_n", first.prompt_tokens_read},
               {"prompt_ms", first.prompt_seconds * 1000},
               {"prompt_per_second", per_second(first.prompt_tokens_read, first.prompt_seconds)},
               {"predicted_n", first.tokens.size()},
               {"predicted_ms", first.decode_seconds * 1000},
               {"predicted_per_second", per_second(first.tokens.size(), first.decode_seconds)}};
  if (first.drafts) {
    timings["draft_n"] = first.drafts->drafted;
    timings["draft_n_accepted"] = first.drafts->accepted;
  }
  return timings;
}

Json progress_json(const News& news, std::size_t prompt_tokens) {
  const std::size_t cached = prompt_tokens > news.total ? prompt_tokens - news.total : 0;
  return {{"total", prompt_tokens}, {"cache", cached}, {"processed", cached + news.done}};
}

std::string unread_call(const lamina::ParsedCall& call) {
  return "<|tool_call>" + call.body + "<tool_call|>";
}

std::string fingerprint() { return "lamina-" LAMINA_VERSION_STRING; }

std::int64_t now_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

std::string token_text(lamina::TokenId id, const lamina::Tokenizer& tokenizer) {
  if (!tokenizer.is_byte(id)) return std::string(tokenizer.piece(id));
  const std::uint8_t byte = tokenizer.byte_of(id);
  return byte < 0x80 ? std::string(1, static_cast<char>(byte)) : std::string("\xEF\xBF\xBD");
}

namespace {

Json probability_json(const lamina::TokenLogProbability& token, const lamina::Tokenizer& tokenizer) {
  const std::string text = token_text(token.id, tokenizer);
  Json bytes = Json::array();
  if (tokenizer.is_byte(token.id)) {
    bytes.push_back(tokenizer.byte_of(token.id));
  } else {
    for (const char c : text) bytes.push_back(static_cast<std::uint8_t>(c));
  }
  // JSON has no infinity; the interface says so by a very low number.
  return {{"token", text},
          {"id", token.id},
          {"logprob", std::isfinite(token.log_probability) ? token.log_probability : -9999.0},
          {"bytes", std::move(bytes)}};
}

}  // namespace

Json choice_json(const lamina::TokenChoice& choice, std::size_t most, const lamina::Tokenizer& tokenizer) {
  Json out = probability_json(choice.chosen, tokenizer);
  out["top_logprobs"] = Json::array();
  for (const auto& other : choice.likeliest) {
    if (out["top_logprobs"].size() < most) out["top_logprobs"].push_back(probability_json(other, tokenizer));
  }
  return out;
}

}  // namespace program::serving
