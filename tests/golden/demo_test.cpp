// SPDX-License-Identifier: Apache-2.0
// The trained demo model: answers as the reference gives them, token by token.
// Figures: golden/demo/README.md, "What rounding does": shares of equal answers, minus 1 %.
#include <cstddef>
#include <filesystem>

#include <doctest/doctest.h>

#include "support/golden_checks.hpp"
#include "support/reference.hpp"

namespace {

// Sanitizers look for other errors than wrong answers, and multiply the time of this test by ten.
#if defined(LAMINA_SANITIZED)
constexpr std::size_t fewer = 4;
#else
constexpr std::size_t fewer = 1;
#endif

TEST_CASE("Q8_0 weights with float32 activations answer as the reference does") {
  CHECK(equal_answers(demo_file, lamina::Precision::exact, 300 / fewer) >= 298.0 / 300 - 0.01);
}

TEST_CASE("Q8_0 weights with int8 activations answer as the reference does") {
  CHECK(equal_answers(demo_file, lamina::Precision::fast, 1200 / fewer) >= 299.0 / 300 - 0.01);
}

TEST_CASE("caches of global layers in int8 beside local ones in bf16 change no more answers") {
  constexpr lamina::CacheFormats usual;
  CHECK(equal_answers(demo_file, lamina::Precision::fast, 300 / fewer,
                      usual.with_global(lamina::CacheFormat::int8)) >= 299.0 / 300 - 0.01);
}

TEST_CASE("bf16 weights with float32 activations give every answer of the reference") {
  for (const char* name : {"demo/demo-bf16.gguf", "demo/hf"}) {  // in the full set of reference data only
    if (std::filesystem::exists(golden_path(name))) {
      CHECK(equal_answers(golden_path(name), lamina::Precision::exact, 300) == 1.0);
    }
  }
}

}  // namespace
