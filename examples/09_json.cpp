// SPDX-License-Identifier: Apache-2.0
// Answers that are data: a struct says what is wanted, its schema becomes a mask over the vocabulary, and
// what the model writes becomes the struct. It always parses and fits; whether it is true is the model's
// business.
//   09_json MODEL.gguf [QUESTION]
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <lamina/chat/chat.hpp>
#include <lamina/chat/tools/decode_struct.hpp>
#include <lamina/json/schema/compiler.hpp>
#include <lamina/json/value.hpp>
#include <lamina/masks/constraint.hpp>
#include <lamina/session.hpp>

#include "lamina/registry.hpp"
#include "print_error.hpp"

namespace {

struct Word {
  std::string kind;
  std::uint8_t letters = 0;
  bool is_palindrome = false;
  std::optional<std::string> language;
  static constexpr auto fields = lamina::fields(
      lamina::field("kind", &Word::kind, "", lamina::choices("noun", "verb", "adjective", "other")),
      lamina::field("letters", &Word::letters), lamina::field("is_palindrome", &Word::is_palindrome),
      lamina::field("language", &Word::language, "", lamina::choices("de", "en", "fr", "it", "la")));
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return std::fprintf(stderr, "usage: %s MODEL.gguf [QUESTION]\n", arguments[0]), 2;
  const auto model = lamina::Model::open(arguments[1], lamina_registry());
  if (!model) return print_error(model.error());
  const auto index = lamina::TokenIndex::create(*model->tokenizer());
  if (!index) return print_error(index.error());
  auto schema = lamina::compile_schema(lamina::schema_of<Word>());
  if (!schema) return print_error(schema.error());

  lamina::ChatOptions options;
  options.context = 1024;
  options.generation.sampling = lamina::SamplingOptions::greedy();
  options.generation.constraint = std::make_shared<lamina::SchemaConstraint>(
      std::make_shared<const lamina::masks::SchemaGraph>(std::move(*schema)), *index,
      lamina::masks::JsonTextLimits::for_writing());
  auto chat = lamina::Chat::create(*model, options);
  if (!chat) return print_error(chat.error());

  const auto answer = chat->say(count > 2 ? arguments[2] : "What is lamina?");
  if (!answer) return print_error(answer.error());
  const auto value = lamina::parse_json_value(answer->text);
  if (!value) return print_error(value.error());
  const auto word = lamina::decode_struct<Word>(*value, "answer");
  if (!word) return print_error(word.error());
  std::printf("%s\n%zu of %zu tokens left no choice\n", answer->text.c_str(), answer->forced_tokens,
              answer->tokens.size());
  std::printf("a %s of %d letters%s\n", word->kind.c_str(), word->letters,
              word->is_palindrome ? ", a palindrome" : "");
  return 0;
}
