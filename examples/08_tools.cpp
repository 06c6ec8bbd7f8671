// SPDX-License-Identifier: Apache-2.0
// Functions that the model may call: a struct says what they take, the loop runs them and gives their results
// back. What the model writes always fits the struct; here it is made to call at first, since the demo model
// was not trained to.
//   08_tools MODEL.gguf [QUESTION]
#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include <lamina/chat/tools/tool_loop.hpp>
#include <lamina/json/schema/calls.hpp>
#include <lamina/masks/calls/constraint.hpp>
#include <lamina/session.hpp>

#include "lamina/registry.hpp"
#include "print_error.hpp"

namespace {

enum class Operation : std::uint8_t { add, subtract, multiply };

struct Sum {
  int left = 0;
  int right = 0;
  Operation operation = Operation::add;
  static constexpr auto fields =
      lamina::fields(lamina::field("left", &Sum::left, "the first number"),
                     lamina::field("right", &Sum::right, "the second number"),
                     lamina::field("operation", &Sum::operation, "what is done",
                                   lamina::choices("add", "subtract", "multiply")));
};

lamina::Result<long long> calculate(const Sum& sum) {
  constexpr int most = 1'000'000'000;
  for (const int number : {sum.left, sum.right}) {
    if (number < -most || number > most)
      return lamina::Error{lamina::ErrorCode::bad_argument, "calculate", "number is too large", "", "", ""};
  }
  const long long left = sum.left, right = sum.right;
  return sum.operation == Operation::add        ? left + right
         : sum.operation == Operation::subtract ? left - right
                                                : left * right;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return std::fprintf(stderr, "usage: %s MODEL.gguf [QUESTION]\n", arguments[0]), 2;
  const auto model = lamina::Model::open(arguments[1], lamina_registry());
  if (!model) return print_error(model.error());
  auto chat = lamina::Chat::create(
      *model,
      {.context = 1024, .generation = {.sampling = lamina::SamplingOptions::greedy(), .max_tokens = 128}});
  if (!chat) return print_error(chat.error());

  std::vector<lamina::Tool> tools{lamina::tool("calculate", "Calculates with two numbers.", calculate)};
  // One call at first, of a declared tool with arguments as declared; whatever the model likes afterwards.
  const auto index = lamina::TokenIndex::create(*model->tokenizer());
  if (!index) return print_error(index.error());
  auto calls = lamina::compile_calls(std::vector{tools[0].declaration()});
  if (!calls) return print_error(calls.error());
  auto form =
      lamina::CallConstraint::create(std::make_shared<const lamina::masks::SchemaGraph>(std::move(*calls)),
                                     *index, {.must_call = true, .most_calls = 1});
  if (!form) return print_error(form.error());

  lamina::ToolLoopOptions options;
  options.rounds = 4;
  options.time = std::chrono::seconds(60);
  options.allow = [](const lamina::ToolCall& call) {
    return call.name == "calculate";
  };  // the last word is ours
  options.first_form = std::move(*form);
  lamina::ToolLoop loop(*chat, std::move(tools), options);
  const auto answer =
      loop.say(count > 2 ? arguments[2] : "What is 44 + 77?",
               lamina::On{[](const lamina::ToolCall& call) { std::printf("[%s]\n", call.name.c_str()); },
                          [](const lamina::Text& piece) { std::fputs(piece.text.c_str(), stdout); }});
  if (!answer) return print_error(answer.error());
  std::puts("");
  for (const lamina::ToolUse& use : answer->uses) {
    const auto sum = lamina::decode_struct<Sum>(use.call.arguments, use.call.name);
    if (!sum) return print_error(sum.error());
    std::printf("%d %c %d = %s\n", sum->left, "+-*"[static_cast<int>(sum->operation)], sum -> right,
                use.result.text.c_str());
  }
  return 0;
}
