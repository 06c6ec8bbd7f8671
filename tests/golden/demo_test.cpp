// SPDX-License-Identifier: Apache-2.0
// The trained demo model: answers as the reference gives them, token by token.
// Figures: golden/demo/README.md, "What rounding does": shares of equal answers, minus 1 %.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/tokenizer/tokenizer.hpp>
#include <lamina/weights/gguf/vocabulary.hpp>

#include "support/loaded_model.hpp"
#include "support/reference.hpp"

namespace {

using lamina::TokenId;

const char* const embedded = LAMINA_GOLDEN_DIR "/../../examples/lamina/demo/demo-q8_0.gguf";

// Sanitizers look for other errors than wrong answers, and multiply the time of this test by ten.
#if defined(LAMINA_SANITIZED)
constexpr std::size_t fewer = 4;
#else
constexpr std::size_t fewer = 1;
#endif

/// Share of prompts whose greedy answer is the reference's to the last token.
double equal_answers(const std::string& path, lamina::Precision precision, std::size_t count) {
  const LoadedModel model(path);
  const LoadedModel vocabulary(embedded);
  auto data = lamina::read_gguf_vocabulary(vocabulary.file.metadata);
  REQUIRE(static_cast<bool>(data));
  const auto tokenizer = lamina::Tokenizer::create(std::move(*data));
  REQUIRE(static_cast<bool>(tokenizer));

  lamina::SessionOptions options;
  options.context = 1024;
  options.chunk = 256;
  options.precision = precision;
  if (precision == lamina::Precision::exact) options.cache = lamina::CacheFormat::f32;
  lamina::Session session = model.session(options);

  const nlohmann::json cases = read_json(golden_path("demo/text.json"));
  REQUIRE(cases.is_array());
  REQUIRE(cases.size() >= count);
  std::size_t equal = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<TokenId> prompt;
    const auto text = cases[i]["prompt"].get<std::string>();
    REQUIRE(static_cast<bool>(tokenizer->encode(text, lamina::Special::match, prompt)));
    const auto expected = cases[i]["reference_tokens"].get<std::vector<TokenId>>();
    equal += greedy(session, prompt, expected.size()) == expected;
  }
  return static_cast<double>(equal) / static_cast<double>(count);
}

TEST_CASE("Q8_0 weights with float32 activations answer as the reference does") {
  CHECK(equal_answers(embedded, lamina::Precision::exact, 300 / fewer) >= 298.0 / 300 - 0.01);
}

TEST_CASE("Q8_0 weights with int8 activations answer as the reference does") {
  CHECK(equal_answers(embedded, lamina::Precision::fast, 1200 / fewer) >= 299.0 / 300 - 0.01);
}

TEST_CASE("bf16 weights with float32 activations give every answer of the reference") {
  for (const char* name : {"demo/demo-bf16.gguf", "demo/hf"}) {  // in the full set of reference data only
    if (std::filesystem::exists(golden_path(name))) {
      CHECK(equal_answers(golden_path(name), lamina::Precision::exact, 300) == 1.0);
    }
  }
}

}  // namespace
