// SPDX-License-Identifier: Apache-2.0
// What applications do with a conversation, on the demo model: typed events, heard and pulled; candidates
// from one reading; room for the answer behind thoughts.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/chat/chat.hpp>
#include <lamina/engine/open_model.hpp>
#include <lamina/masks/constraint.hpp>
#include <lamina/masks/token_index.hpp>

#include "support/demo_path.hpp"
#include "support/expect_error.hpp"
#include "support/golden.hpp"
#include "support/loaded_model.hpp"

namespace {

using lamina::Answer;
using lamina::Chat;
using lamina::ErrorCode;
using lamina::Event;
using lamina::On;
using lamina::StopReason;

lamina::ChatOptions greedy_options() {
  lamina::ChatOptions options;
  options.context = 256;
  options.generation.sampling = lamina::SamplingOptions::greedy();
  return options;
}
lamina::ChatOptions drawing_options(std::uint64_t seed) {
  lamina::ChatOptions options;
  options.context = 256;
  options.generation.sampling = lamina::SamplingOptions::greedy();
  options.generation.sampling->temperature = 3.0F;
  options.generation.seed = seed;
  options.generation.max_tokens = 12;
  return options;
}
lamina::Model conversing_model() { return must(lamina::Model::open(demo_path, lamina_registry())); }

/// What a stream still gives.
std::vector<Event> all_of(lamina::AnswerStream& stream) {
  std::vector<Event> events;
  for (std::optional<Event> event = must(stream.next()); event; event = must(stream.next()))
    events.push_back(std::move(*event));
  return events;
}
std::string text_of(const std::vector<Event>& events) {
  std::string text;
  for (const Event& event : events) {
    if (const auto* piece = std::get_if<lamina::Text>(&event)) text += piece->text;
  }
  return text;
}

}  // namespace

TEST_CASE("conversation: functions are told of the events that they take, and of the end once") {
  auto chat = must(Chat::create(conversing_model(), greedy_options()));
  std::string text;
  std::vector<StopReason> ends;
  const auto answer =
      must(chat.say("Reverse lamina.", On{[&](const lamina::Text& piece) { text += piece.text; },
                                          [&](const lamina::Stop& stop) { ends.push_back(stop.reason); }}));
  CHECK(text == "animal");
  CHECK(ends == std::vector<StopReason>{StopReason::end_of_turn});

  std::size_t events = 0;
  CHECK(must(chat.say("Reverse lamina.", [&](const Event&) { ++events; })).text == "animal");
  CHECK(events > 1);
  // The end of an answer that a function has ended.
  const auto cut = must(chat.regenerate(On{[](const lamina::Text&) { return false; },
                                           [&](const lamina::Stop& stop) { ends.push_back(stop.reason); }}));
  CHECK(cut.stop == StopReason::interrupted);
  CHECK(ends.back() == StopReason::interrupted);
  CHECK(must(chat.edit("Reverse lamina.", [](const lamina::ToolCall&) {})).tokens.size() >=
        answer.tokens.size());
}

TEST_CASE("conversation: a call and one that cannot be read are events of their own") {
  lamina::ResponseEvent piece;
  piece.kind = lamina::ResponseEvent::Kind::tool_call;
  piece.call.name = "f";
  piece.call.body = "call:f{";
  const Event malformed = lamina::event_of(piece);
  REQUIRE(std::holds_alternative<lamina::MalformedCall>(malformed));
  CHECK(std::get<lamina::MalformedCall>(malformed).body == "call:f{");
  piece.call.well_formed = true;
  REQUIRE(std::holds_alternative<lamina::ToolCall>(lamina::event_of(piece)));
  CHECK(std::get<lamina::ToolCall>(lamina::event_of(piece)).name == "f");
  piece.kind = lamina::ResponseEvent::Kind::thought;
  CHECK(std::holds_alternative<lamina::Thought>(lamina::event_of(piece)));
}

TEST_CASE("conversation: pulled events are those that are told, and the turn joins with the last one") {
  const lamina::Model model = conversing_model();
  auto told = must(Chat::create(model, greedy_options()));
  const auto expected = must(told.say("Reverse lamina."));

  auto made = must(Chat::create(model, greedy_options()));
  auto stream = must(made.stream("Reverse lamina."));
  const std::optional<Event> first = must(stream.next());
  REQUIRE(first.has_value());
  CHECK(made.conversation().messages.empty());
  Chat chat = std::move(made);  // a stream does not mind
  const auto rest = all_of(stream);
  CHECK(text_of({*first}) + text_of(rest) == "animal");
  REQUIRE(std::holds_alternative<lamina::Stop>(rest.back()));
  CHECK(std::get<lamina::Stop>(rest.back()).reason == StopReason::end_of_turn);
  CHECK_FALSE(must(stream.next()).has_value());
  CHECK(stream.answer().tokens == expected.tokens);
  CHECK(chat.conversation().messages.size() == 2);
  CHECK(must(chat.say("Write abc in capitals.")).tokens == must(told.say("Write abc in capitals.")).tokens);

  // Dropped, it leaves no trace; another turn ends it.
  {
    auto dropped = must(chat.stream("Reverse abc."));
    must(dropped.next());
  }
  CHECK(chat.conversation().messages.size() == 4);
  auto late = must(chat.stream("Reverse abc."));
  CHECK(must(chat.say("Reverse abc.")).text == "cba");
  expect_error(late.next(), ErrorCode::bad_argument, "stream", "another turn has begun");

  auto stopped = must(chat.stream("Reverse lamina."));
  must(stopped.next());
  std::thread([&] { chat.stop(); }).join();
  const auto end = all_of(stopped);
  CHECK(std::get<lamina::Stop>(end.back()).reason == StopReason::interrupted);
  CHECK(chat.conversation().messages.size() == 8);
  expect_error(chat.stream_results({}), ErrorCode::bad_argument, "results", "made no calls");
  expect_error(chat.stream(std::string(400, 'a')), ErrorCode::context_full, "prompt",
               "longer than the context");
}

TEST_CASE(
    "conversation: candidates are the answers of their seeds, from one reading, however many go together") {
  const lamina::Model model = conversing_model();
  std::vector<std::vector<lamina::TokenId>> alone;
  for (std::uint64_t seed = 7; seed < 11; ++seed) {
    auto chat = must(Chat::create(model, drawing_options(seed)));
    alone.push_back(must(chat.say("Reverse lamina.")).tokens);
  }
  for (const std::uint32_t width : {1U, 3U, 4U}) {
    CAPTURE(width);
    lamina::ChatOptions options = drawing_options(7);
    options.candidates = width;
    auto chat = must(Chat::create(model, options));
    const auto candidates = must(chat.propose("Reverse lamina.", 4));
    REQUIRE(candidates.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(candidates[i].tokens == alone[i]);
      CHECK(candidates[i].prompt_tokens_read == (i == 0 ? candidates[i].prompt_tokens : 0));
    }
    CHECK(chat.conversation().messages.empty());
    expect_error(chat.take(4), ErrorCode::bad_argument, "candidate", "no such candidate");
    const std::string taken = candidates[2].text;
    must(chat.take(2));
    expect_error(chat.take(2), ErrorCode::bad_argument, "candidate", "no such candidate");
    REQUIRE(chat.conversation().messages.size() == 2);
    CHECK(chat.conversation().messages[1].content.text == taken);
    // The branch that was taken is not read again.
    const auto next = must(chat.say("Reverse abc."));
    CHECK(next.prompt_tokens_read < next.prompt_tokens / 2);
    CHECK(must(chat.propose(2)).size() == 2);
  }
  auto chat = must(Chat::create(model, greedy_options()));
  expect_error(chat.propose(2), ErrorCode::bad_argument, "propose", "no turn of the user");
  expect_error(chat.propose("Reverse abc.", 0), ErrorCode::bad_argument, "propose", "no answers");
}

TEST_CASE("conversation: candidates keep a form one after the other") {
  const lamina::Model model = conversing_model();
  const auto index = must(lamina::TokenIndex::create(*model.tokenizer()));
  lamina::ChatOptions options = drawing_options(7);
  options.candidates = 4;
  auto chat = must(Chat::create(model, options));
  chat.set_constraint(std::make_shared<lamina::GrammarConstraint>(
      std::make_shared<const lamina::masks::Grammar>(lamina::masks::choice_grammar({"yes", "no"})), index));
  for (const Answer& answer : must(chat.propose("Reverse lamina.", 4)))
    CHECK((answer.text == "yes" || answer.text == "no"));
  chat.set_constraint(nullptr);
}

TEST_CASE("conversation: thoughts leave the answer its tokens unless they count") {
  const lamina::Model model = conversing_model();
  const lamina::Tokenizer& tokenizer = *model.tokenizer();
  lamina::GenerationOptions options;
  options.sampling = lamina::SamplingOptions::greedy();
  options.max_tokens = 5;
  for (lamina::TokenId id = 0; id < model.vocab(); ++id) {  // thoughts and answers without end
    if (model.is_stop(id) || id == tokenizer.special().channel_close) options.bias.push_back({id, -1000.0F});
  }
  std::vector<lamina::TokenId> prompt;
  must(tokenizer.encode("Reverse lamina.", lamina::Special::ignore, prompt));
  lamina::Question question;
  question.prompt = lamina::PromptTokens{prompt};
  question.start = lamina::ResponseStart::thought;
  question.thinks = true;
  lamina::SessionOptions plan;
  plan.context = 64;
  lamina::NoEvents nothing;
  lamina::detail::EventTeller<lamina::NoEvents> nobody(nothing);
  const auto answer_with = [&](bool count, std::uint32_t most) {
    options.thoughts_count = count;
    options.max_tokens = most;
    auto session = must(lamina::Session::create(model, plan));
    auto generator = must(lamina::Generator::create(model, options));
    return must(generator.answer(session, question, nobody));
  };
  const auto behind_thought = [&](const Answer& answer) {
    std::size_t left = 0;
    bool closed = false;
    for (const lamina::TokenId id : answer.tokens) {
      left += closed ? 1U : 0U;
      closed = closed || id == tokenizer.special().channel_close;
    }
    return left;
  };
  const auto apart = answer_with(false, 5);
  CHECK(apart.stop == StopReason::max_tokens);
  CHECK(behind_thought(apart) == 5);
  CHECK(apart.tokens.size() > 20);  // thoughts take what there is beside
  const auto together = answer_with(true, 5);
  CHECK(together.stop == StopReason::max_tokens);
  CHECK(together.tokens.size() == 5);
  const auto half = answer_with(false, 0);
  CHECK(half.stop == StopReason::context);
  CHECK(behind_thought(half) >= (plan.context - prompt.size()) / 2);
  CHECK(answer_with(true, 0).stop == StopReason::context);
  CHECK(behind_thought(answer_with(true, 0)) == 0);
}
