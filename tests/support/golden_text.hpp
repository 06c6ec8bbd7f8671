// SPDX-License-Identifier: Apache-2.0
// Loads the reference tokenizers and JSON files that the tests of this folder compare with.
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <lamina/huggingface/tokenizer_json.hpp>
#include <lamina/tokenizer/tokenizer.hpp>
#include <lamina/weights/gguf/file.hpp>
#include <lamina/weights/gguf/vocabulary.hpp>

#include "support/golden.hpp"

inline std::span<const std::byte> as_bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// A JSON file of the golden folder; null (and a failed check) if it cannot be read.
inline nlohmann::json golden_json(const std::string& relative) {
  nlohmann::json document = nlohmann::json::parse(read_bytes(golden_path(relative)), nullptr, false);
  INFO(relative);
  REQUIRE(!document.is_discarded());
  return document;
}

inline std::vector<lamina::TokenId> golden_ids(const nlohmann::json& list) {
  std::vector<lamina::TokenId> ids;
  for (const auto& id : list) ids.push_back(id.get<lamina::TokenId>());
  return ids;
}

/// A reference tokenizer from "small.tokenizer.json" or "small.gguf".
inline lamina::Tokenizer golden_tokenizer(const std::string& file) {
  INFO(file);
  const std::string bytes = read_bytes(golden_path("tokenizer/" + file));
  REQUIRE(!bytes.empty());
  const auto fail = [](const lamina::Error& error) -> lamina::Result<lamina::VocabularyData> {
    return error;
  };
  auto data = [&] {
    if (!file.ends_with(".gguf")) return lamina::read_tokenizer_json(as_bytes_of(bytes), file);
    auto gguf = lamina::read_gguf_file(as_bytes_of(bytes), file);
    return gguf ? lamina::read_gguf_vocabulary(gguf->metadata) : fail(gguf.error());
  }();
  if (!data) FAIL(lamina::describe(data.error()).c_str());
  auto tokenizer = lamina::Tokenizer::create(std::move(*data));
  if (!tokenizer) FAIL(lamina::describe(tokenizer.error()).c_str());
  return std::move(*tokenizer);
}

inline std::vector<lamina::TokenId> encode(const lamina::Tokenizer& tokenizer, std::string_view text,
                                           lamina::Special special) {
  std::vector<lamina::TokenId> ids;
  REQUIRE(static_cast<bool>(tokenizer.encode(text, special, ids)));
  return ids;
}
