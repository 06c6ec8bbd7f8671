// SPDX-License-Identifier: Apache-2.0
// The shortest way from a file to an answer: open a model, say something, print what it says. Runs the file
// of any published model: the build compiles their types in units of their own (cmake/LaminaModels.cmake).
//   01_generate MODEL.gguf ["What to ask."]
#include <cstdio>

#include <lamina/chat/chat.hpp>
#include <lamina/session.hpp>

#include "lamina/registry.hpp"
#include "print_error.hpp"

int main(int count, char** arguments) {
  if (count < 2) return std::fprintf(stderr, "usage: %s MODEL.gguf [QUESTION]\n", arguments[0]), 2;
  const auto model = lamina::Model::open(arguments[1], lamina_registry());
  if (!model) return print_error(model.error());
  auto chat = lamina::Chat::create(
      *model, {.context = 1024, .generation = {.sampling = lamina::SamplingOptions::greedy()}});
  if (!chat) return print_error(chat.error());
  const auto answer = chat->say(count > 2 ? arguments[2] : "Reverse lamina.", [](const lamina::Text& piece) {
    std::fputs(piece.text.c_str(), stdout);
    std::fflush(stdout);
  });
  std::puts("");
  return answer ? 0 : print_error(answer.error());
}
