// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <lamina/weights/recognise.hpp>

#include "support/expect_error.hpp"
#include "support/gguf_builder.hpp"

using lamina::Candidate;
using lamina::ErrorCode;

TEST_CASE("recognise: exact structure, whatever the run-time scalars") {
  const auto a = builder::small_description();
  const auto b = builder::small_moe_description();
  const std::vector<Candidate> candidates{{"a", &a}, {"b", &b}};
  CHECK(*lamina::recognise(a, candidates, "f.gguf") == 0);
  auto found = b;
  found.max_context = 7;
  found.norm_epsilon = 1e-5F;
  CHECK(*lamina::recognise(found, candidates, "f.gguf") == 1);
}

TEST_CASE("recognise: the error shows the numbers that differ from the nearest candidate") {
  const auto a = builder::small_description();
  const auto b = builder::small_moe_description();
  const std::vector<Candidate> candidates{{"model-a", &a}, {"model-b", &b}};
  auto found = a;
  found.hidden = 10;
  found.layers[0].ffn_width = found.layers[1].ffn_width = 9;
  found.layers[2].heads = 1;
  const auto result = lamina::recognise(found, candidates, "/x/f.gguf");
  expect_error(result, ErrorCode::mismatch, "f.gguf", "nearest is model-a");
  CHECK(result.error().expected.view() == "hidden 8, layer 2 heads 2, layers 0-1 ffn_width 8");
  CHECK(result.error().found.view() == "hidden 10, layer 2 heads 1, layers 0-1 ffn_width 9");
  CHECK(result.error().hint.view().find("lamina::as_header") != std::string_view::npos);
  CHECK(result.error().hint.view().ends_with("/x/f.gguf"));
  CHECK(lamina::differences(a, found).size() == 3);
}

TEST_CASE("recognise: another number of layers, every field of a layer, no candidates") {
  const auto a = builder::small_description();
  auto longer = a;
  longer.layer_count = 4;
  const auto list = lamina::differences(a, longer);
  REQUIRE(list.size() == 1);
  CHECK(list[0].field == "layers");
  CHECK(list[0].place_text().view() == "layers");
  auto other = a;
  other.layers[1] = {lamina::AttentionClass::local, false, true, 9, 9, 9, 9, 9, 9, 9, 9};
  CHECK(lamina::differences(a, other).size() == 11);
  expect_error(lamina::recognise(a, {}, "f.gguf"), ErrorCode::mismatch, "f.gguf", "no model is compiled in");
  CHECK(lamina::differences(a, a).empty());
}

TEST_CASE("recognise: very different models give a message that is cut, not overrun") {
  auto a = builder::small_description();
  auto found = a;
  a.layer_count = found.layer_count = 512;
  for (std::size_t i = 0; i < 512; ++i) found.layers[i].ffn_width = static_cast<int>(100 + i);
  const std::vector<Candidate> candidates{{"a", &a}};
  const auto result = lamina::recognise(found, candidates, "f.gguf");
  REQUIRE_FALSE(static_cast<bool>(result));
  CHECK(result.error().found.view().ends_with("..."));
}
