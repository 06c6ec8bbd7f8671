// SPDX-License-Identifier: Apache-2.0
// Calls that the demo model is made to write, run by a loop: results, errors, vetoes and limits.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/chat/chat.hpp>
#include <lamina/chat/tools/tool_loop.hpp>
#include <lamina/engine/open_model.hpp>
#include <lamina/json/schema/calls.hpp>
#include <lamina/masks/calls/constraint.hpp>
#include <lamina/masks/constraint.hpp>
#include <lamina/masks/token_index.hpp>

#include "support/demo_path.hpp"
#include "support/expect_error.hpp"
#include "support/golden.hpp"
#include "support/loaded_model.hpp"

namespace {

using lamina::ToolCall;
using lamina::ToolLoop;
using lamina::ToolLoopEnd;
using lamina::ToolUse;
using lamina::Value;

struct Numbers {
  std::int8_t a = 0;
  std::int8_t b = 0;
  static constexpr auto fields =
      lamina::fields(lamina::field("a", &Numbers::a), lamina::field("b", &Numbers::b));
};

lamina::Tool adder() {
  return lamina::tool("add", "Adds.", [](const Numbers& given) { return given.a + given.b; });
}

/// A chat whose answers are one call each, at first or always, and "yes" otherwise.
struct Caller {
  lamina::Model model = must(lamina::Model::open(demo_path, lamina_registry()));
  lamina::TokenIndex index = must(lamina::TokenIndex::create(*model.tokenizer()));
  lamina::Chat chat = must(lamina::Chat::create(model, options()));

  static lamina::ChatOptions options() {
    lamina::ChatOptions options;
    options.context = 1024;
    options.generation.sampling = lamina::SamplingOptions::greedy();
    return options;
  }
  std::shared_ptr<lamina::TokenConstraint> calls() const {
    const Value declaration = adder().declaration();
    auto graph = must(lamina::compile_calls(std::span(&declaration, 1)));
    return must(lamina::CallConstraint::create(
        std::make_shared<const lamina::masks::SchemaGraph>(std::move(graph)), index, {true, 1}));
  }
  std::shared_ptr<lamina::TokenConstraint> yes() const {
    return std::make_shared<lamina::GrammarConstraint>(
        std::make_shared<const lamina::masks::Grammar>(lamina::masks::choice_grammar({"yes"})), index);
  }
  lamina::ToolLoopOptions once() const {
    lamina::ToolLoopOptions options;
    options.first_form = calls();
    options.next_form = yes();
    return options;
  }
};

}  // namespace

TEST_CASE("tool loop: a call is run, and its result is read before the answer") {
  Caller caller;
  ToolLoop loop(caller.chat, {adder()}, caller.once());
  std::vector<ToolCall> heard;
  std::string text;
  std::size_t stops = 0;
  const auto answer =
      must(loop.say("What is 44 + 77?", lamina::On{[&](const ToolCall& call) { heard.push_back(call); },
                                                   [&](const lamina::Text& piece) { text += piece.text; },
                                                   [&](const lamina::Stop&) { ++stops; }}));
  CHECK(answer.end == ToolLoopEnd::answered);
  CHECK(answer.rounds == 1);
  CHECK(answer.answer.text == "yes");
  CHECK(text == "yes");
  CHECK(stops == 1);
  REQUIRE(heard.size() == 1);
  REQUIRE(answer.uses.size() == 1);
  const ToolUse& use = answer.uses[0];
  CHECK(use.outcome == ToolUse::Outcome::returned);
  CHECK(use.call.name == "add");
  const auto given = must(lamina::decode_struct<Numbers>(use.call.arguments));
  CHECK(use.result.text == std::to_string(given.a + given.b));
  const auto& messages = caller.chat.conversation().messages;
  REQUIRE(messages.size() == 3);
  REQUIRE(messages[1].tool_responses.size() == 1);
  CHECK(messages[1].tool_responses[0].name == "add");
  CHECK(messages[1].tool_responses[0].response.text == use.result.text);
  CHECK(caller.chat.constraint() == nullptr);
  // What was read is read once: of the second prompt, only call and result are new.
  CHECK(answer.answer.prompt_tokens_read < answer.answer.prompt_tokens / 2);
}

TEST_CASE("tool loop: refusals, errors and unknown tools are results, too") {
  Caller caller;
  const auto outcome_of = [&](std::vector<lamina::Tool> tools, bool allowed) {
    lamina::ToolLoopOptions options = caller.once();
    options.allow = [=](const ToolCall& call) { return allowed && call.name == "add"; };
    caller.chat.reset();
    auto answer = must(ToolLoop(caller.chat, std::move(tools), options).say("What is 44 + 77?"));
    REQUIRE(answer.uses.size() == 1);
    CHECK(answer.answer.text == "yes");
    return std::move(answer.uses[0]);
  };
  const auto refused = outcome_of({adder()}, false);
  CHECK(refused.outcome == ToolUse::Outcome::refused);
  CHECK(refused.result.find("error")->text == "the call is not allowed");
  const auto failed = outcome_of(
      {lamina::tool("add", "",
                    [](const Numbers&) -> lamina::Result<int> {
                      return lamina::Error{lamina::ErrorCode::io, "adder", "is out of order", "", "", ""};
                    })},
      true);
  CHECK(failed.outcome == ToolUse::Outcome::failed);
  CHECK(failed.result.find("error")->text == "adder: is out of order");
  const auto unknown = outcome_of({lamina::tool("subtract", "", [](const Numbers&) { return 1; })}, true);
  CHECK(unknown.outcome == ToolUse::Outcome::failed);
  CHECK(unknown.result.find("error")->text == "there is no such tool");
}

TEST_CASE("tool loop: it ends by rounds, by time, and when it is stopped") {
  Caller caller;
  lamina::ToolLoopOptions options;
  options.first_form = options.next_form = caller.calls();
  options.rounds = 2;
  const auto rounds = must(ToolLoop(caller.chat, {adder()}, options).say("What is 44 + 77?"));
  CHECK(rounds.end == ToolLoopEnd::rounds);
  CHECK(rounds.rounds == 2);
  REQUIRE(rounds.uses.size() == 3);
  CHECK(rounds.uses[1].outcome == ToolUse::Outcome::returned);
  CHECK(rounds.uses[2].outcome == ToolUse::Outcome::skipped);
  CHECK(caller.chat.conversation().messages.back().tool_responses.size() == 1);

  caller.chat.reset();
  options.time = std::chrono::milliseconds(1500);
  const auto slow = lamina::tool("add", "", [](const Numbers&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1600));
    return 1;
  });
  const auto late = must(ToolLoop(caller.chat, {slow}, options).say("What is 44 + 77?"));
  CHECK(late.end == ToolLoopEnd::time);
  CHECK(late.rounds <= 1);

  caller.chat.reset();
  options.time = {};
  const auto stopping = lamina::tool("add", "", [&](const Numbers&) {
    caller.chat.stop();
    return 1;
  });
  const auto stopped = must(ToolLoop(caller.chat, {stopping}, options).say("What is 44 + 77?"));
  CHECK(stopped.end == ToolLoopEnd::interrupted);
  CHECK(stopped.rounds == 1);
  CHECK(caller.chat.conversation().messages.back().tool_responses.size() == 1);
}
