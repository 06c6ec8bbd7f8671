// SPDX-License-Identifier: Apache-2.0
// A weight file with the model type it fits, for tests of whole models.
#pragma once

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/huggingface/directory.hpp>
#include <lamina/engine/session.hpp>
#include <lamina/core/threads.hpp>
#include <lamina/weights/gguf/file.hpp>

/// All models compiled into this program (generated).
std::span<const lamina::ModelEntry* const> lamina_registry();

struct LoadedModel {
  lamina::WeightFile file;
  const lamina::ModelEntry* entry = nullptr;

  /// Opens a GGUF file or a Hugging Face directory; the test stops if that fails.
  explicit LoadedModel(const std::string& path) {
    auto opened =
        std::filesystem::is_directory(path) ? lamina::open_huggingface(path) : lamina::open_gguf(path);
    const std::string problem = opened ? "" : lamina::describe(opened.error()).c_str();
    REQUIRE_MESSAGE(static_cast<bool>(opened), problem);
    file = std::move(*opened);
    for (const lamina::ModelEntry* one : lamina_registry()) {
      if (entry == nullptr && one->describe().same_structure(file.description)) entry = one;
    }
    REQUIRE_MESSAGE(entry != nullptr, path, " fits no compiled-in model");
  }

  [[nodiscard]] lamina::Session session(const lamina::SessionOptions& options) const {
    auto made = lamina::Session::create(*entry, file, options);
    const std::string problem = made ? "" : lamina::describe(made.error()).c_str();
    REQUIRE_MESSAGE(static_cast<bool>(made), problem);
    return std::move(*made);
  }
};

/// Options for tests that want the logits of up to 128 tokens at a time.
inline lamina::SessionOptions options_for(lamina::Precision precision) {
  lamina::SessionOptions options;
  options.context = 512;
  options.chunk = 128;
  options.logits_rows = 128;
  options.precision = precision;
  return options;
}

/// A pool of `threads` that have all started (AddressSanitizer allocates when a thread starts); the test
/// stops if the system refuses.
inline std::unique_ptr<lamina::ThreadPool> make_pool(std::uint32_t threads) {
  auto pool = lamina::ThreadPool::create(threads);
  REQUIRE(static_cast<bool>(pool));
  std::atomic<std::uint32_t> arrived{0};
  (*pool)->run(
      [](void* context, std::uint32_t part, std::uint32_t parts) noexcept {
        auto& others = *static_cast<std::atomic<std::uint32_t>*>(context);
        if (part != 0) ++others;
        while (part == 0 && others != parts - 1) sched_yield();  // the caller may not do their parts itself
      },
      &arrived, threads);
  return std::move(*pool);
}

/// Logits of all positions, fed in pieces of `chunk` (at most `options.logits_rows`).
inline std::vector<float> all_logits(lamina::Session& session, std::span<const lamina::TokenId> tokens,
                                     std::size_t chunk) {
  session.reset();
  std::vector<float> logits;
  for (std::size_t begin = 0; begin < tokens.size(); begin += chunk) {
    const auto rows = session.logits_of(tokens.subspan(begin, std::min(chunk, tokens.size() - begin)));
    const std::string problem = rows ? "" : lamina::describe(rows.error()).c_str();
    REQUIRE_MESSAGE(static_cast<bool>(rows), problem);
    logits.insert(logits.end(), rows->begin(), rows->end());
  }
  return logits;
}

/// The likeliest token after `prompt`, then after itself, `count` times.
inline std::vector<lamina::TokenId> greedy(lamina::Session& session, std::span<const lamina::TokenId> prompt,
                                           std::size_t count) {
  session.reset();
  REQUIRE(static_cast<bool>(session.prompt(prompt)));
  std::vector<lamina::TokenId> tokens;
  while (tokens.size() < count) {
    const auto logits = session.logits();
    tokens.push_back(
        static_cast<lamina::TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
    if (tokens.size() < count) REQUIRE(static_cast<bool>(session.step(tokens.back())));
  }
  return tokens;
}
