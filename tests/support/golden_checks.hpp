// SPDX-License-Identifier: Apache-2.0
// What whole models are compared with: logits within the reference's tolerance, answers to the last token.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/tokenizer/tokenizer.hpp>
#include <lamina/weights/gguf/vocabulary.hpp>

#include "support/loaded_model.hpp"
#include "support/reference.hpp"

inline const char* const demo_file = LAMINA_GOLDEN_DIR "/../../examples/lamina/demo/demo-q8_0.gguf";

inline lamina::SessionOptions exact_options(std::uint32_t chunk) {
  lamina::SessionOptions options;
  options.context = 1024;
  options.chunk = chunk;
  options.logits_rows = chunk;
  options.precision = lamina::Precision::exact;
  options.cache = lamina::CacheFormat::f32;
  return options;
}

inline std::vector<lamina::TokenId> tokens_of(const nlohmann::json& list) {
  return list.get<std::vector<lamina::TokenId>>();
}

/// The weight files of a model that are there: a GGUF file, a Hugging Face directory, or both.
inline std::vector<std::string> weight_files(const std::string& directory) {
  std::vector<std::string> files;
  if (std::filesystem::exists(directory + "/model.gguf")) files.push_back(directory + "/model.gguf");
  if (std::filesystem::exists(directory + "/model.safetensors")) files.push_back(directory);
  return files;
}

/// Exact logits within the tolerance of the model's cases.json, and its greedy continuations.
inline void check_logits(const std::string& name) {
  const std::string directory = golden_path("text/" + name);
  const nlohmann::json cases = read_json(directory + "/cases.json");
  REQUIRE(cases.is_object());
  const ReferenceArrays reference(directory + "/logits.safetensors");
  REQUIRE(reference.valid());
  const double tolerance = cases["tolerance_max_abs"].get<double>();
  const auto vocab = cases["vocab"].get<std::size_t>();
  const auto files = weight_files(directory);
  REQUIRE(!files.empty());
  for (const std::string& path : files) {
    CAPTURE(path);
    const LoadedModel model(path);
    lamina::Session session = model.session(exact_options(64));
    std::size_t compared = 0;
    std::size_t continued = 0;
    for (const nlohmann::json& one : cases["cases"]) {
      CAPTURE(one["name"].get<std::string>());
      const auto prompt = tokens_of(one["prompt"]);
      const auto want = reference.get<float>(one["logits_key"].get<std::string>());
      const auto got = all_logits(session, prompt, 64);
      const auto first = one["logits_first_position"].get<std::size_t>() * vocab;
      CHECK(distance(std::span(got).subspan(first), want).largest <= tolerance);
      const auto argmax = one["argmax"].get<std::vector<std::size_t>>();
      REQUIRE(argmax.size() * vocab == got.size());
      std::size_t wrong = 0;
      for (std::size_t row = 0; row < argmax.size(); ++row) {
        const auto begin = got.begin() + static_cast<std::ptrdiff_t>(row * vocab);
        const auto at = std::max_element(begin, begin + static_cast<std::ptrdiff_t>(vocab)) - begin;
        wrong += static_cast<std::size_t>(at) != argmax[row];
      }
      CHECK(wrong == 0);
      ++compared;
      if (!one.contains("greedy")) continue;
      const auto expected = tokens_of(one["greedy"]["tokens"]);
      CHECK(greedy(session, prompt, expected.size()) == expected);
      ++continued;
    }
    CHECK(compared == 8);
    CHECK(continued >= 3);
  }
}

/// Share of prompts whose greedy answer is the reference's to the last token; without `cache` in the usual
/// formats of a precision.
inline double equal_answers(const std::string& path, lamina::Precision precision, std::size_t count,
                            std::optional<lamina::CacheFormats> cache = std::nullopt) {
  const LoadedModel model(path);
  const LoadedModel vocabulary(demo_file);
  auto data = lamina::read_gguf_vocabulary(vocabulary.file.metadata);
  REQUIRE(static_cast<bool>(data));
  const auto tokenizer = lamina::Tokenizer::create(std::move(*data));
  REQUIRE(static_cast<bool>(tokenizer));

  lamina::SessionOptions options;
  options.context = 1024;
  options.chunk = 256;
  options.precision = precision;
  if (precision == lamina::Precision::exact) options.cache = lamina::CacheFormat::f32;
  options.cache = cache.value_or(options.cache);
  lamina::Session session = model.session(options);

  const nlohmann::json cases = read_json(golden_path("demo/text.json"));
  REQUIRE(cases.is_array());
  REQUIRE(cases.size() >= count);
  std::size_t equal = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<lamina::TokenId> prompt;
    const auto text = cases[i]["prompt"].get<std::string>();
    REQUIRE(static_cast<bool>(tokenizer->encode(text, lamina::Special::match, prompt)));
    const auto expected = cases[i]["reference_tokens"].get<std::vector<lamina::TokenId>>();
    equal += greedy(session, prompt, expected.size()) == expected;
  }
  return static_cast<double>(equal) / static_cast<double>(count);
}
