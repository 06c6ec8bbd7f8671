// SPDX-License-Identifier: Apache-2.0
// How much memory files can make their readers ask for: a few times their own size, whatever they claim (ADR
// 4).
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include <lamina/tokenizer/tokenizer.hpp>
#include <lamina/weights/gguf/file.hpp>
#include <lamina/weights/gguf/vocabulary.hpp>
#include <lamina/weights/make_weight_file.hpp>
#include <lamina/weights/safetensors.hpp>

#include "support/allocation_counter.hpp"
#include "support/gguf_builder.hpp"

namespace {

/// Bytes asked for while a file is read as far as it goes: container, model, tokenizer.
std::size_t asked_for(const std::string& bytes) {
  const lamina_test::AllocationCounter counter;
  auto file = lamina::read_gguf_file(builder::bytes_of(bytes), "hostile.gguf");
  if (file) {
    auto vocabulary = lamina::read_gguf_vocabulary(file->metadata);
    if (vocabulary) static_cast<void>(lamina::Tokenizer::create(std::move(*vocabulary)));
    static_cast<void>(lamina::make_weight_file(std::move(*file)));
  }
  return counter.bytes();
}

constexpr std::size_t times = 24;                     // what ADR 4 promises
constexpr std::size_t always = std::size_t{1} << 20;  // tables of a fixed size

void check(std::string_view what, const std::string& bytes) {
  CAPTURE(std::string(what));
  const std::size_t asked = asked_for(bytes);
  CAPTURE(bytes.size());
  CHECK(asked <= times * bytes.size() + always);
}

/// Merges and tokens as short as they can be: most entries to a byte.
builder::Gguf vocabulary(std::size_t letters) {
  builder::Gguf file;
  std::vector<std::string> tokens{"<pad>", "<eos>", "<bos>", "<unk>", "<|turn>", "<turn|>"};
  std::vector<std::string> merges;
  for (std::size_t i = 0; i < letters; ++i) {
    std::string letter;
    lamina::append_utf8(letter, static_cast<char32_t>(0x4E00 + i));
    tokens.push_back(letter);
  }
  for (std::size_t i = 0; i + 1 < letters; ++i) {
    tokens.push_back(tokens[6 + i] + tokens[7 + i]);
    merges.push_back(tokens[6 + i] + " " + tokens[7 + i]);
  }
  file.string("general.architecture", "gemma4").string("tokenizer.ggml.model", "gemma4");
  file.strings("tokenizer.ggml.tokens", tokens).strings("tokenizer.ggml.merges", merges);
  return file;
}

}  // namespace

TEST_CASE("memory: a GGUF file cannot ask for much more than its own size") {
  builder::Gguf entries;
  for (int i = 0; i < 60'000; ++i) entries.add("k" + std::to_string(i), 0, std::string(1, '\0'));
  check("many entries", entries.build());

  builder::Gguf tensors;
  for (int i = 0; i < 60'000; ++i) tensors.tensor("t" + std::to_string(i), {}, 0, std::string(4, '\0'));
  check("many tensors", tensors.build());

  builder::Gguf empty;
  empty.string("tokenizer.ggml.model", "gemma4");
  empty.strings("tokenizer.ggml.tokens", std::vector<std::string>(200'000));
  check("many empty strings", empty.build());

  check("a vocabulary", vocabulary(20'000).build());
}

TEST_CASE("memory: sizes that a GGUF file only claims are never asked for") {
  builder::Gguf file = builder::model_file(builder::small_description());
  file.strings("tokenizer.ggml.merges", {"a b"}).array("tokenizer.ggml.scores", 6, std::vector<float>(6));
  const std::string whole = file.build();
  for (const builder::Field& field : file.fields) {
    for (const std::uint64_t claim :
         {std::uint64_t{1} << 20, std::uint64_t{1} << 31, ~std::uint64_t{0} >> 1}) {
      std::string bytes = whole;
      for (std::size_t i = 0; i < field.size; ++i)
        bytes[field.offset + i] = static_cast<char>(claim >> (8 * i));
      check(field.name, bytes);
    }
  }
}
