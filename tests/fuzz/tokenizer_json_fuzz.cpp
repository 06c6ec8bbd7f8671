// SPDX-License-Identifier: Apache-2.0
// Any bytes as tokenizer.json; an accepted tokenizer must encode and decode without leaving its vocabulary.
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <lamina/huggingface/tokenizer_json.hpp>
#include <lamina/tokenizer/tokenizer.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  auto vocabulary = lamina::read_tokenizer_json(bytes, "tokenizer.json");
  if (!vocabulary) return 0;
  const auto tokenizer = lamina::Tokenizer::create(std::move(*vocabulary));
  if (!tokenizer) return 0;
  std::vector<lamina::TokenId> ids;
  constexpr std::string_view text = "ab <mine>late\xC3\xA4\xFF\n\n  b";
  if (!tokenizer->encode(text, lamina::Special::ignore, ids)) __builtin_trap();
  // Refused only where the vocabulary lacks the token.
  if (!tokenizer->encode("<eos>a<|turn>", lamina::Special::match, ids) &&
      tokenizer->special().eos != lamina::no_token) {
    __builtin_trap();
  }
  for (const lamina::TokenId id : ids) {
    if (id >= tokenizer->size()) __builtin_trap();
  }
  ids.push_back(lamina::TokenId{0xFFFF'FFFF});
  (void)tokenizer->decode(ids);
  return 0;
}
