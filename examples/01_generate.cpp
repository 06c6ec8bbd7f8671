// SPDX-License-Identifier: Apache-2.0
// The shortest way from a file to an answer: load a model, ask it, print what it says. Runs the file of any
// published model: the build compiles their types in units of their own (cmake/LaminaModels.cmake).
//   01_generate MODEL.gguf ["What to ask."]
#include <algorithm>
#include <cstdio>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <lamina/session.hpp>
#include <lamina/chat/chat_template.hpp>
#include <lamina/tokenizer/stream_decoder.hpp>
#include <lamina/tokenizer/tokenizer.hpp>
#include <lamina/weights/gguf/vocabulary.hpp>

#include "lamina/registry.hpp"
#include "print_error.hpp"

namespace {

using lamina::Result;

/// The compiled-in model whose file this is.
Result<const lamina::ModelEntry*> model_of(const lamina::WeightFile& file) {
  std::vector<lamina::Candidate> candidates;
  for (const lamina::ModelEntry* model : lamina_registry())
    candidates.push_back({model->name, &model->describe()});
  const auto found = lamina::recognise(file.description, candidates, file.path);
  if (!found) return found.error();
  return lamina_registry()[*found];
}

/// The prompt of one user turn, as the published chat template writes it.
Result<std::vector<lamina::TokenId>> ask(const lamina::Tokenizer& tokenizer, const char* question) {
  lamina::Message message;
  message.role = "user";
  message.content = question;
  lamina::Conversation chat;
  chat.messages.push_back(message);
  const auto prompt = render_chat(chat, lamina::TemplateSize::small);
  if (!prompt) return prompt.error();
  std::vector<lamina::TokenId> ids;
  LAMINA_TRY(tokenizer.encode(prompt->spans(), ids, lamina::Bos::once));
  return ids;
}

/// The likeliest token.
lamina::TokenId best(std::span<const float> logits) {
  return static_cast<lamina::TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

// This is all there is to it: open, make a session, feed the prompt, then token after token.
lamina::Status generate(const std::string& path, const char* question) {
  auto file = lamina::open_gguf(path);
  if (!file) return file.error();
  auto vocabulary = lamina::read_gguf_vocabulary(file->metadata);
  if (!vocabulary) return vocabulary.error();
  const auto tokenizer = lamina::Tokenizer::create(std::move(*vocabulary));
  if (!tokenizer) return tokenizer.error();
  const auto model = model_of(*file);
  if (!model) return model.error();
  LAMINA_TRY(lamina::pack_weights(**model, *file));
  auto session = lamina::Session::create(**model, *file, {.context = 1024});
  if (!session) return session.error();
  const auto prompt = ask(*tokenizer, question);
  if (!prompt) return prompt.error();

  LAMINA_TRY(session->prompt(*prompt));
  lamina::StreamDecoder decoder(*tokenizer);  // a character may take several tokens
  std::string text;
  for (auto token = best(session->logits()); !tokenizer->is_stop(token); token = best(session->logits())) {
    text.clear();
    decoder.push(token, text);
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
    if (const auto logits = session->step(token); !logits) return logits.error();
  }
  text.clear();
  decoder.finish(text);
  std::puts(text.c_str());
  return lamina::Done{};
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: %s MODEL.gguf [QUESTION]\n", arguments[0]);
    return 2;
  }
  const auto status = generate(arguments[1], count > 2 ? arguments[2] : "Reverse lamina.");
  return status ? 0 : print_error(status.error());
}
