// SPDX-License-Identifier: Apache-2.0
// From a file to answers: `Model::open` from every kind of source, and `Chat` on the demo model.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/chat/chat.hpp>
#include <lamina/huggingface/directories.hpp>
#include <lamina/session.hpp>

#include "support/demo_path.hpp"
#include "support/expect_error.hpp"
#include "support/golden.hpp"
#include "support/loaded_model.hpp"
#include "support/temporary_directory.hpp"

namespace {

using lamina::ErrorCode;
using lamina::Model;
using lamina::ModelSource;
using lamina::OpenStep;
using lamina::ResponseEvent;

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

const lamina::ChatOptions greedy_chat{.context = 256,
                                      .generation = {.sampling = lamina::SamplingOptions::greedy()}};

std::string answer_of(const Model& model, std::string_view words) {
  auto chat = must(lamina::Chat::create(model, greedy_chat));
  return must(chat.say(words)).text;
}

Model demo() { return must(Model::open(demo_path, lamina_registry())); }

}  // namespace

TEST_CASE("open: a path, bytes in memory and a part of a file are the same model") {
  const std::string file = content_of(demo_path);
  const TemporaryDirectory directory;
  CHECK(answer_of(demo(), "Reverse lamina.") == "animal");
  CHECK(answer_of(must(Model::open(ModelSource::memory(bytes_of(file), "flash"), lamina_registry())),
                  "Reverse lamina.") == "animal");
  for (const std::size_t offset : {std::size_t{0}, std::size_t{1}, std::size_t{4096}, std::size_t{5003}}) {
    CAPTURE(offset);
    const std::string archive =
        directory.write("archive", std::string(offset, 'x') + file + std::string(77, 'y'));
    const auto part = ModelSource::part(archive, offset, file.size());
    CHECK(answer_of(must(Model::open(part, lamina_registry())), "Reverse lamina.") == "animal");
    expect_error(Model::open(ModelSource::part(archive, offset + 78, file.size()), lamina_registry()),
                 ErrorCode::bad_argument, "archive", "part lies outside the file");
    expect_error(Model::open(ModelSource::part(archive, UINT64_MAX, 2), lamina_registry()),
                 ErrorCode::bad_argument, "archive", "part lies outside the file");
    expect_error(Model::open(ModelSource::part(archive, offset, file.size() - 4096), lamina_registry()),
                 ErrorCode::bad_file, "archive", "");
  }
}

TEST_CASE("open: directories with their reader, and what to do without it") {
  const std::string directory = golden_path("text/tiny-e2b");
  expect_error(Model::open(directory, lamina_registry()), ErrorCode::unsupported, "tiny-e2b",
               "not a GGUF file");
  expect_error(Model::open(directory + "/model.safetensors", lamina_registry()), ErrorCode::unsupported,
               "model.safetensors", "not a GGUF file");
  lamina::OpenOptions options;
  options.directories = &lamina::huggingface;
  const auto model = must(Model::open(directory, lamina_registry(), options));
  CHECK(model.entry().name == "tiny-e2b");
  REQUIRE(model.tokenizer() != nullptr);
  CHECK(model.template_size() == lamina::TemplateSize::small);
  const auto same = must(Model::open(demo_path, lamina_registry(), options));
  CHECK(same.template_size() == lamina::TemplateSize::small);
  options.tokenizer = false;
  const auto without = must(Model::open(directory, lamina_registry(), options));
  CHECK(without.tokenizer() == nullptr);
  expect_error(lamina::Chat::create(without), ErrorCode::unsupported, "model", "has no tokenizer");
}

TEST_CASE("open: what is not there, no model, or of no compiled-in type is an error that names it") {
  const TemporaryDirectory directory;
  expect_error(Model::open(directory.path("absent.gguf"), lamina_registry()), ErrorCode::io, "absent.gguf",
               "cannot open");
  expect_error(Model::open(directory.write("empty.gguf", ""), lamina_registry()), ErrorCode::bad_file,
               "empty.gguf", "file is empty");
  expect_error(Model::open(demo_path, std::span<const lamina::ModelEntry* const>()), ErrorCode::mismatch,
               "demo-q8_0.gguf", "");
}

TEST_CASE("open: the model keeps its file, and text parts come with it") {
  std::optional<Model> copy;
  {
    const Model model = demo();
    copy.emplace(model);
  }
  REQUIRE(copy->tokenizer() != nullptr);
  CHECK(copy->is_stop(copy->tokenizer()->special().turn_close));
  CHECK_FALSE(copy->is_stop(copy->tokenizer()->special().turn_open));
  CHECK_FALSE(copy->suppressed_tokens().empty());
  CHECK(answer_of(*copy, "Reverse lamina.") == "animal");
}

TEST_CASE("open: progress names every step, and each can be cancelled") {
  struct Watch {
    std::vector<OpenStep> steps;
    std::optional<OpenStep> stop_at;
    std::uint64_t last_done = 0;
    std::uint64_t last_total = 0;
  } watch;
  lamina::OpenOptions options;
  options.read_ahead = true;
  options.progress = {[](void* context, OpenStep step, std::uint64_t done, std::uint64_t total) {
                        auto& seen = *static_cast<Watch*>(context);
                        if (seen.steps.empty() || seen.steps.back() != step) seen.steps.push_back(step);
                        seen.last_done = done;
                        seen.last_total = total;
                        return seen.stop_at != step;
                      },
                      &watch};
  static_cast<void>(must(Model::open(demo_path, lamina_registry(), options)));
  CHECK(watch.last_done == watch.last_total);
  CHECK(watch.last_total > 100'000);
  std::vector<OpenStep> steps = std::exchange(watch.steps, {});
  // Targets of one lane have nothing to pack.
  REQUIRE(steps.size() >= 3);
  CHECK(steps.front() == OpenStep::parsing);
  CHECK(steps.back() == OpenStep::reading);
  for (const OpenStep step : steps) {
    watch.stop_at = step;
    expect_error(Model::open(demo_path, lamina_registry(), options), ErrorCode::cancelled, "demo-q8_0.gguf",
                 "opening was cancelled");
  }
}

TEST_CASE("open: a memory budget is kept, and the refusal has the numbers") {
  lamina::OpenOptions options;
  options.memory_budget = 1000;
  const auto refused = Model::open(demo_path, lamina_registry(), options);
  expect_error(refused, ErrorCode::out_of_memory, "demo-q8_0.gguf", "more memory than its budget");
  REQUIRE_FALSE(static_cast<bool>(refused));
  CHECK(refused.error().expected.view() == "at most 1000 bytes");
  const std::string found(refused.error().found.view());
  const auto needed = std::stoull(found);
  std::uint64_t sum = 0;
  for (std::size_t at = found.find(':'); at != found.npos; at = found.find_first_of(",", at + 1)) {
    const std::size_t digit = found.find_first_of("0123456789", at);
    sum += std::stoull(found.substr(digit));
  }
  CHECK(sum == needed);
  options.memory_budget = needed - 1;
  CHECK_FALSE(static_cast<bool>(Model::open(demo_path, lamina_registry(), options)));
  options.memory_budget = needed;
  CHECK(answer_of(must(Model::open(demo_path, lamina_registry(), options)), "Reverse lamina.") == "animal");
}

TEST_CASE("chat: events add up to the answer, and turns read only what is new") {
  auto chat = must(lamina::Chat::create(demo(), greedy_chat));
  std::string events;
  const auto first =
      must(chat.say("Reverse lamina.", [&](const ResponseEvent& event) { events += event.text; }));
  CHECK(first.text == "animal");
  CHECK(events == "animal");
  CHECK(first.stop == lamina::StopReason::end_of_turn);
  CHECK(first.prompt_tokens_read == first.prompt_tokens);
  const auto second = must(chat.say("Reverse lamina."));
  CHECK(second.prompt_tokens > first.prompt_tokens);
  CHECK(second.prompt_tokens_read < second.prompt_tokens - first.prompt_tokens);
  REQUIRE(chat.conversation().messages.size() == 4);
  CHECK(chat.conversation().messages[1].content.text == "animal");

  // The same conversation, read at once.
  auto again = must(lamina::Chat::create(demo(), greedy_chat));
  lamina::Conversation told = chat.conversation();
  told.messages.resize(2);
  again.load(told);
  CHECK(must(again.say("Reverse lamina.")).tokens == second.tokens);

  // Taken back, the turn has the same answer.
  CHECK(static_cast<bool>(chat.undo()));
  CHECK(must(chat.say("Reverse lamina.")).tokens == second.tokens);
  chat.reset();
  CHECK(must(chat.say("Reverse lamina.")).tokens == first.tokens);
}

TEST_CASE("chat: it can be moved, stopped by its listener, by another thread and by limits") {
  auto made = must(lamina::Chat::create(demo(), greedy_chat));
  lamina::Chat chat = std::move(made);
  const auto stopped = must(chat.say("Reverse lamina.", [](const ResponseEvent&) { return false; }));
  CHECK(stopped.stop == lamina::StopReason::interrupted);
  CHECK(stopped.tokens.size() < 4);
  CHECK(must(chat.say("Reverse lamina.")).stop == lamina::StopReason::end_of_turn);

  const auto from_outside = must(
      chat.say("Reverse lamina.", [&](const ResponseEvent&) { std::thread([&] { chat.stop(); }).join(); }));
  CHECK(from_outside.stop == lamina::StopReason::interrupted);

  lamina::ChatOptions two = greedy_chat;
  two.generation.max_tokens = 2;
  auto limited = must(lamina::Chat::create(demo(), two));
  const auto cut = must(limited.say("Reverse lamina."));
  CHECK(cut.stop == lamina::StopReason::max_tokens);
  CHECK(cut.tokens.size() == 2);
}

TEST_CASE("chat: a turn that does not fit is refused, and the conversation goes on") {
  lamina::ChatOptions small = greedy_chat;
  small.context = 40;
  auto chat = must(lamina::Chat::create(demo(), small));
  expect_error(chat.say(std::string(400, 'a')), ErrorCode::context_full, "prompt", "longer than the context");
  CHECK(chat.conversation().messages.empty());
  CHECK(must(chat.say("Reverse lamina.")).text == "animal");
  expect_error(chat.give_results({}), ErrorCode::bad_argument, "results", "the last answer made no calls");
  CHECK(static_cast<bool>(chat.undo()));
  expect_error(chat.undo(), ErrorCode::bad_argument, "undo", "there is no turn to take back");
}

TEST_CASE("chat: drawn answers repeat with their seed, other draws come without one") {
  lamina::ChatOptions options;
  options.context = 256;
  lamina::SamplingOptions hot;
  hot.temperature = 3.0F;
  options.generation.sampling = hot;
  options.generation.max_tokens = 24;
  const Model model = demo();
  const auto say = [&](std::optional<std::uint64_t> seed) {
    options.generation.seed = seed;
    auto chat = must(lamina::Chat::create(model, options));
    return must(chat.say("Reverse lamina."));
  };
  const auto first = say(std::nullopt);
  REQUIRE(first.seed.has_value());
  CHECK(say(first.seed).tokens == first.tokens);
  CHECK(say(7).tokens == say(7).tokens);
  CHECK(say(std::nullopt).seed != first.seed);
}

TEST_CASE("chat: the system's instruction, thinking and tools reach the prompt") {
  lamina::ChatOptions options = greedy_chat;
  options.system = "Be brief.";
  options.thinking = true;
  auto chat = must(lamina::Chat::create(demo(), options));
  REQUIRE(chat.conversation().messages.size() == 1);
  CHECK(chat.conversation().messages[0].role == "system");
  CHECK(chat.conversation().enable_thinking);
  const auto answer = must(chat.say("Reverse lamina."));
  auto without = must(lamina::Chat::create(demo(), greedy_chat));
  CHECK(answer.prompt_tokens > must(without.say("Reverse lamina.")).prompt_tokens);
  chat.reset();
  CHECK(chat.conversation().messages.size() == 1);
}
