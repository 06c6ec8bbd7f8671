// SPDX-License-Identifier: Apache-2.0
// A model in memory that the linker lays out: the plan is a constant of the compiler, to the byte, so that a
// configuration that does not fit does not compile. After it is opened nothing is allocated.
//   05_static_memory DEMO.gguf
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include <lamina/chat/chat_template.hpp>
#include <lamina/lamina.hpp>

#include "models/demo.hpp"
#include "print_error.hpp"

namespace {

using Model = lamina::models::Demo;

constexpr lamina::SessionOptions options{.context = 128, .chunk = 16, .cache = lamina::CacheFormat::int8};
constexpr lamina::MemoryPlan plan = lamina::native::plan<Model>(options);
static_assert(plan.total_bytes < 512 * 1024, "does not fit this device: plan a shorter context or chunk");
static_assert(plan.total_bytes == plan.vectors + plan.cache + plan.ring_slack + plan.page_rounding +
                                      plan.scratch + plan.bookkeeping);

alignas(lamina::arena_alignment) std::byte memory[plan.total_bytes];

lamina::Status answer(const char* path) {
  const auto file = lamina::open_gguf(path);  // of flash: lamina::read_gguf(bytes, "flash")
  if (!file) return file.error();
  auto vocabulary = lamina::read_gguf_vocabulary(file->metadata);
  if (!vocabulary) return vocabulary.error();
  const auto tokenizer = lamina::Tokenizer::create(std::move(*vocabulary));
  if (!tokenizer) return tokenizer.error();
  lamina::Conversation conversation;
  conversation.messages.push_back({.role = "user", .content = "Reverse lamina."});
  const auto prompt = render_chat(conversation, file->description.template_size());
  if (!prompt) return prompt.error();
  std::vector<lamina::TokenId> ids;
  LAMINA_TRY(tokenizer->encode(prompt->spans(), ids, lamina::Bos::once));

  const auto& entry = lamina::native::make_model_entry<Model>();
  auto session = lamina::Session::create(entry, *file, options, memory);  // from here on nothing allocates
  if (!session) return session.error();
  LAMINA_TRY(session->prompt(ids));
  for (;;) {
    const auto logits = session->logits();
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    const auto id = static_cast<lamina::TokenId>(best);
    if (tokenizer->is_stop(id)) break;
    const auto piece = tokenizer->piece(id);
    std::printf("%.*s", static_cast<int>(piece.size()), piece.data());
    LAMINA_TRY(session->step(id));
  }
  std::printf(
      "\n%zu bytes: vectors %zu, cache %zu, ring slack %zu, page rounding %zu, scratch %zu, rest %zu\n",
      sizeof memory, plan.vectors, plan.cache, plan.ring_slack, plan.page_rounding, plan.scratch,
      plan.bookkeeping);
  return lamina::Done{};
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return std::fprintf(stderr, "usage: %s DEMO.gguf\n", arguments[0]), 2;
  const auto status = answer(arguments[1]);
  return status ? 0 : print_error(status.error());
}
