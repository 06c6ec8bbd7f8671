// SPDX-License-Identifier: Apache-2.0
// Many answers from one engine on the demo model: each as it would be alone, prompts read once, places that
// come free, who leaves, who waits.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/chat/chat.hpp>
#include <lamina/chat/scheduling/scheduler.hpp>
#include <lamina/session.hpp>

#include "support/expect_error.hpp"
#include "support/scheduler_setting.hpp"

namespace {

using lamina::Scheduler;
using lamina::StopReason;
using lamina::Submission;

const lamina::SchedulerOptions four{.parallel = 4, .queue = 100, .context = 256, .prompt_rows = 16};

std::string alone(const lamina::Model& model, std::string_view words) {
  lamina::ChatOptions options;
  options.context = 256;
  options.generation.sampling = lamina::SamplingOptions::greedy();
  auto chat = must(lamina::Chat::create(model, options));
  return must(chat.say(words)).text;
}

}  // namespace

TEST_CASE("answers of many are those of one") {
  Setting setting(four);
  const std::vector<std::string> questions = {"Reverse lamina.", "Write 612 in words.", "12 * 10",
                                              "87 minus 23",     "Write 229 in Roman.", "Hello",
                                              "Sort 5 3 9 1."};
  std::vector<std::shared_ptr<Ear>> ears;
  for (int round = 0; round < 3; ++round) {
    for (const std::string& question : questions) ears.push_back(setting.ask(question));
  }
  setting.finish();
  for (std::size_t i = 0; i < ears.size(); ++i) {
    CAPTURE(i);
    REQUIRE(ears[i]->answer.has_value());
    const lamina::Answer& answer = heard(*ears[i]);
    CHECK(answer.text == alone(setting.model, questions[i % questions.size()]));
    CHECK(ears[i]->text == answer.text);
    CHECK(answer.stop == StopReason::end_of_turn);
    CHECK(ears[i]->read.back().first == ears[i]->read.back().second);
  }
  const auto counts = setting.scheduler->counts();
  CHECK(counts.answers == ears.size());
  CHECK(counts.errors == 0);
  CHECK(counts.running == 0);
  CHECK(counts.waiting == 0);
  // What was read is read once.
  CHECK(counts.prompt_tokens_read < counts.prompt_tokens / 2);
  CHECK(counts.kept_bytes > 0);
}

TEST_CASE("several answers to one prompt read it once, and differ") {
  Setting setting({.parallel = 2, .queue = 10, .context = 256, .prompt_rows = 16, .cache_bytes = 0});
  std::vector<std::shared_ptr<Ear>> ears;
  std::vector<lamina::AnswerOrder> orders;
  for (std::uint64_t i = 0; i < 5; ++i) {
    ears.push_back(std::make_shared<Ear>());
    orders.push_back(setting.order("Who are you?", ears.back()));
    orders.back().options.sampling = lamina::SamplingOptions{.temperature = 3, .top_k = 0, .top_p = 1};
    orders.back().options.seed = 7;
    orders.back().options.max_tokens = 20;
    orders.back().turn = i;
  }
  CHECK(must(setting.scheduler->submit(std::move(orders))) == Submission::taken);
  setting.finish();
  const auto& first = heard(*ears[0]);
  for (std::size_t i = 1; i < ears.size(); ++i) {
    const auto& answer = heard(*ears[i]);
    CHECK(answer.tokens != first.tokens);
    CHECK(answer.prompt_tokens_read == 1);
  }
  CHECK(setting.scheduler->counts().prompt_tokens_read == first.prompt_tokens + 4);
}

TEST_CASE("who leaves frees a place before the next pass; who waits moves up") {
  Setting setting({.parallel = 1, .queue = 2, .context = 256, .prompt_rows = 16});
  const auto leaver = setting.ask("Write 612 in words.");
  const auto waiter = setting.ask("Reverse lamina.");
  const auto gone = setting.ask("12 * 10");
  {
    std::vector<lamina::AnswerOrder> orders;
    orders.push_back(setting.order("Hello", std::make_shared<Ear>()));
    CHECK(must(setting.scheduler->submit(std::move(orders))) == Submission::full);
  }
  gone->listens = false;
  leaver->most_pieces = 1;
  while (leaver->pieces == 0) REQUIRE(setting.scheduler->step());
  CHECK(setting.scheduler->slots()[0].busy);
  setting.scheduler->step();
  REQUIRE(leaver->answer.has_value());
  CHECK(heard(*leaver).stop == StopReason::interrupted);
  REQUIRE(gone->answer.has_value());
  CHECK(heard(*gone).tokens.empty());
  setting.finish();
  CHECK(heard(*waiter).text == "animal");
}

TEST_CASE("a long prompt does not stop those who write") {
  Setting setting({.parallel = 2, .queue = 2, .context = 2048, .prompt_rows = 8});
  const auto writer = setting.ask("Write 612 in words.");
  while (writer->pieces == 0) REQUIRE(setting.scheduler->step());
  std::string words;
  for (int i = 0; i < 400; ++i) words += "lamina ";
  const auto reader = setting.ask(words);
  // Every pass brings the writer a token, and the reader some of its prompt.
  while (!writer->answer) {
    const std::size_t read = reader->read.size();
    const auto before = setting.scheduler->slots()[0].answer_tokens;
    REQUIRE(setting.scheduler->step());
    if (writer->answer) break;
    CHECK(setting.scheduler->slots()[0].answer_tokens == before + 1);
    CHECK(reader->read.size() == read + 1);
    CHECK(reader->read.back().first <= (read + 1) * 8);
  }
  setting.finish();
  CHECK(reader->answer.has_value());
}

TEST_CASE("prompts that part are kept where they do") {
  Setting setting({.parallel = 1, .queue = 10, .context = 512, .prompt_rows = 16});
  const std::string shared(200, 'a');
  static_cast<void>(setting.ask(shared + " Reverse lamina."));
  setting.finish();
  static_cast<void>(setting.ask(shared + " 12 * 10"));  // reads what is shared again, and keeps it
  setting.finish();
  const auto before = setting.scheduler->counts().prompt_tokens_read;
  const auto third = setting.ask(shared + " Hello");
  setting.finish();
  const auto& answer = heard(*third);
  CHECK(setting.scheduler->counts().prompt_tokens_read - before == answer.prompt_tokens_read);
  CHECK(answer.prompt_tokens_read < answer.prompt_tokens / 2);
}

TEST_CASE("pages that only snapshots hold are for those who are here") {
  // Room for the slots alone.
  Setting setting({.parallel = 2, .queue = 10, .context = 256, .prompt_rows = 16, .cache_bytes = 1U << 28},
                  512);
  for (int i = 0; i < 12; ++i) {
    const auto ear =
        setting.ask("Write " + std::to_string(100 + 37 * i) + " in words. " + std::string(150, 'b'));
    setting.finish();
    CHECK(heard(*ear).stop != StopReason::interrupted);
  }
}

TEST_CASE("orders that cannot be answered are refused before they wait") {
  Setting setting(four);
  const auto submit = [&](lamina::AnswerOrder order) {
    std::vector<lamina::AnswerOrder> orders;
    orders.push_back(std::move(order));
    return setting.scheduler->submit(std::move(orders));
  };
  const auto ear = std::make_shared<Ear>();
  auto hot = setting.order("Hello", ear);
  hot.options.sampling->temperature = -1;
  expect_error(submit(std::move(hot)), lamina::ErrorCode::bad_argument, "temperature", "");
  expect_error(submit(setting.order(std::string(2000, 'x'), ear)), lamina::ErrorCode::context_full, "prompt",
               "");
  auto wrong = setting.order("Hello", ear);
  auto prompt = *wrong.prompt;
  prompt.ids.push_back(setting.model.vocab());
  wrong.prompt = std::make_shared<const lamina::EncodedPrompt>(std::move(prompt));
  expect_error(submit(std::move(wrong)), lamina::ErrorCode::bad_argument, "prompt", "outside the vocabulary");
  auto empty = setting.order("Hello", ear);
  empty.prompt = std::make_shared<const lamina::EncodedPrompt>();
  expect_error(submit(std::move(empty)), lamina::ErrorCode::bad_argument, "prompt", "no tokens");
  CHECK_FALSE(setting.scheduler->step());
  CHECK_FALSE(ear->answer.has_value());
}

TEST_CASE("a thread runs it until it is stopped; those who wait are told") {
  Setting setting({.parallel = 1, .queue = 10, .context = 256, .prompt_rows = 16});
  struct Position final : lamina::SlotTask {
    void run(lamina::Sequence& sequence, bool) override { position = sequence.position(); }
    std::uint32_t position = 0;
  } task;
  std::thread runner([&] { setting.scheduler->run(); });
  const auto first = setting.ask("Reverse lamina.");
  CHECK(setting.scheduler->with_slot(0, task));
  CHECK_FALSE(static_cast<bool>(setting.scheduler->with_slot(1, task)));
  setting.scheduler->stop();
  runner.join();
  REQUIRE(first->answer.has_value());
  CHECK_FALSE(static_cast<bool>(setting.scheduler->with_slot(0, task)));
  std::vector<lamina::AnswerOrder> orders;
  orders.push_back(setting.order("Hello", std::make_shared<Ear>()));
  CHECK(must(setting.scheduler->submit(std::move(orders))) == Submission::stopped);
}
