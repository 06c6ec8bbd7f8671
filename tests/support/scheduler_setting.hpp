// SPDX-License-Identifier: Apache-2.0
// A scheduler on the demo model that tests step by step, and who listens to its answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/chat/chat_template.hpp>
#include <lamina/chat/conversation.hpp>
#include <lamina/chat/prompt.hpp>
#include <lamina/chat/scheduling/scheduler.hpp>
#include <lamina/session.hpp>

#include "support/demo_path.hpp"
#include "support/expect_error.hpp"
#include "support/loaded_model.hpp"

/// Remembers what it was told.
class Ear final : public lamina::AnswerListener {
 public:
  void take(const lamina::ResponseEvent& event) override {
    text += event.text;
    ++pieces;
  }
  void prompt_read(std::size_t done, std::size_t total) override { read.emplace_back(done, total); }
  bool goes_on() override { return listens && pieces < most_pieces; }
  void ended(lamina::Result<lamina::Answer> made) override {
    CHECK_FALSE(answer.has_value());
    answer.emplace(std::move(made));
  }

  std::string text;
  std::size_t pieces = 0;
  std::size_t most_pieces = SIZE_MAX;
  bool listens = true;
  std::vector<std::pair<std::size_t, std::size_t>> read;
  std::optional<lamina::Result<lamina::Answer>> answer;
};

inline const lamina::Answer& heard(const Ear& ear) {
  REQUIRE(ear.answer.has_value());
  REQUIRE(static_cast<bool>(*ear.answer));
  return **ear.answer;
}

struct Setting {
  lamina::Model model = must(lamina::Model::open(demo_path, lamina_registry()));
  std::unique_ptr<lamina::Scheduler> scheduler;

  explicit Setting(const lamina::SchedulerOptions& options, std::uint32_t cache_tokens = 0) {
    const std::uint32_t drafts = options.drafter ? options.drafts.rows(options.parallel) : 0;
    auto engine = must(lamina::Engine::create(
        model, {.rows = 64,
                .logits_rows = options.parallel + drafts,
                .context = options.context,
                .cache_tokens = cache_tokens > 0 ? cache_tokens : 4 * options.parallel * options.context}));
    scheduler = must(lamina::Scheduler::create(std::move(engine), options));
  }

  [[nodiscard]] std::shared_ptr<const lamina::EncodedPrompt> prompt(std::string_view words) const {
    lamina::Conversation talk;
    talk.messages.push_back({"user", words});
    const auto rendered = must(lamina::render_chat(talk, model.template_size()));
    return std::make_shared<const lamina::EncodedPrompt>(
        must(lamina::encode_prompt(rendered, *model.tokenizer(), model.hidden())));
  }
  [[nodiscard]] lamina::AnswerOrder order(std::string_view words, std::shared_ptr<Ear> ear) const {
    lamina::AnswerOrder order;
    order.prompt = prompt(words);
    order.options.sampling = lamina::SamplingOptions::greedy();
    order.listener = std::move(ear);
    return order;
  }
  std::shared_ptr<Ear> ask(std::string_view words) {
    auto ear = std::make_shared<Ear>();
    submit(order(words, ear));
    return ear;
  }
  void submit(lamina::AnswerOrder order) {
    std::vector<lamina::AnswerOrder> orders;
    orders.push_back(std::move(order));
    CHECK(must(scheduler->submit(std::move(orders))) == lamina::Submission::taken);
  }
  void finish() {
    for (int i = 0; i < 10'000 && scheduler->step(); ++i) continue;
    CHECK_FALSE(scheduler->step());
  }
};
