// SPDX-License-Identifier: Apache-2.0
// A session without a heap has the bits of one with a heap, in memory of exactly the planned size.
//   static_session DEMO.gguf
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <lamina/forward/static_session-inl.hpp>
#include <lamina/lamina.hpp>

#include "models/demo.hpp"

namespace {

using Model = lamina::models::Demo;
using Static = lamina::native::StaticSession<Model>;

int fail(const char* what) { return std::fprintf(stderr, "%s\n", what), 1; }

int compare(const std::string& content, const lamina::SessionOptions& options) {
  const auto bytes = std::as_bytes(std::span(content));
  const auto file = lamina::read_gguf(bytes, "demo");
  if (!file) return fail("cannot read");
  const auto& entry = lamina::native::make_model_entry<Model>();
  auto session = lamina::Session::create(entry, *file, options);
  std::vector<std::byte> memory(Static::bytes(options) + lamina::arena_alignment, std::byte{0xFF});
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  const auto aligned = std::span(memory).subspan((64 - address % 64) % 64, Static::bytes(options));
  const auto made = Static::open(bytes, "flash", options, aligned);
  if (!session || !made) return fail("cannot open");
  if (Static::open(bytes, "flash", options, aligned.first(aligned.size() / 2)))
    return fail("half the memory is enough");
  const auto again = Static::open(bytes, "flash", options, aligned);  // the half was written to
  if (!again) return fail("cannot open again");
  Static& other = **again;

  std::vector<lamina::TokenId> prompt{2};
  for (lamina::TokenId i = 0; i < 99; ++i) prompt.push_back(i * 37 % 700 + 60);
  for (int turn = 0; turn < 2; ++turn) {
    session->reset();
    other.reset();
    if (!session->prompt(prompt)) return fail("cannot read the prompt");
    auto logits = other.feed(prompt);
    for (lamina::TokenId next = 300; next < 320; ++next) {
      if (!logits || !std::ranges::equal(*logits, session->logits())) return fail("other bits");
      if (!session->step(next)) return fail("cannot go on");
      logits = other.feed({&next, 1});
    }
  }
  if (other.feed({}) || other.feed(std::vector<lamina::TokenId>{768}) || other.position() != 120)
    return fail("wrong tokens were fed");
  if (other.feed(prompt) || other.position() != 120) return fail("more than the context was fed");
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return 2;
  std::ifstream in(arguments[1], std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  for (const std::uint32_t chunk : {1U, 7U, 128U}) {
    for (const auto cache :
         {lamina::CacheFormat::bf16, lamina::CacheFormat::int8, lamina::CacheFormat::f32}) {
      if (compare(content, {.context = 150, .chunk = chunk, .cache = cache}) != 0) return 1;
    }
  }
  return 0;
}
