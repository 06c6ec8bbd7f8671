// SPDX-License-Identifier: Apache-2.0
// Rows of per-layer embeddings read from disk: the bits of mapped ones, in memory that the plan counts.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/engine/memory_plan.hpp>

#include "support/golden.hpp"
#include "support/on_disk.hpp"

namespace {

using lamina::PerLayerRows;
using lamina::TokenId;

const char* const files[] = {"quant/q-e2b-q4_0.gguf", "quant/q-e2b-q4_k_m.gguf"};

lamina::SessionOptions rows_on_disk(lamina::SessionOptions options, std::size_t bytes) {
  options.per_layer_rows = PerLayerRows::disk;
  options.row_cache_bytes = bytes;
  return options;
}

std::vector<TokenId> some_tokens(const LoadedModel& model) {
  std::vector<TokenId> tokens;
  const auto vocab = static_cast<TokenId>(model.file.description.vocab);
  for (TokenId i = 0; i < 60; ++i) tokens.push_back((i * i * 37 + 11) % vocab);
  for (TokenId i = 0; i < 20; ++i) tokens.push_back(tokens[i]);
  return tokens;
}

TEST_CASE("rows of per-layer embeddings from disk give the bits of mapped ones") {
  const auto pool = make_pool(2);
  for (const char* name : files) {
    CAPTURE(std::string(name));
    const OnDisk model(golden_path(name));
    const auto tokens = some_tokens(model);
    for (const auto precision : {lamina::Precision::fast, lamina::Precision::exact}) {
      auto options = options_for(precision);
      auto mapped = model.session(options);
      const auto want = all_logits(mapped, tokens, 80);
      const auto want_text = greedy(mapped, tokens, 12);
      CHECK(model.disk->reads == 0);
      for (const std::size_t bytes : {std::size_t{3000}, std::size_t{20'000}, std::size_t{1} << 20}) {
        for (lamina::Executor* executor :
             {static_cast<lamina::Executor*>(nullptr), static_cast<lamina::Executor*>(pool.get())}) {
          CAPTURE(bytes);
          options.executor = executor;
          auto session = model.session(rows_on_disk(options, bytes));
          for (const std::size_t chunk : {80U, 7U, 1U}) CHECK(all_logits(session, tokens, chunk) == want);
          CHECK(greedy(session, tokens, 12) == want_text);
          CHECK(model.disk->reads > 0);
          CHECK(model.disk->expected > 0);
          model.disk->reads = 0;
        }
      }
    }
  }
}

TEST_CASE("rows of per-layer embeddings that are kept are read once") {
  const OnDisk model(golden_path(files[0]));
  auto session = model.session(rows_on_disk(options_for(lamina::Precision::fast), std::size_t{1} << 20));
  const auto tokens = some_tokens(model);
  std::vector<TokenId> distinct = tokens;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  REQUIRE(static_cast<bool>(session.prompt(tokens)));
  CHECK(model.disk->reads == distinct.size());
  session.reset();
  REQUIRE(static_cast<bool>(session.prompt(tokens)));
  CHECK(model.disk->reads == distinct.size());
}

TEST_CASE("rows of per-layer embeddings that cannot be read are an error, and the session goes on") {
  const OnDisk model(golden_path(files[0]));
  const auto options = options_for(lamina::Precision::fast);
  const auto tokens = some_tokens(model);
  auto whole = model.session(options);
  const auto want = all_logits(whole, tokens, 40);
  auto session = model.session(rows_on_disk(options, 20'000));
  std::vector<float> got;
  for (std::size_t begin = 0; begin < tokens.size(); begin += 40) {
    const std::span<const TokenId> piece = std::span(tokens).subspan(begin, 40);
    model.disk->fails = true;
    const auto failed = session.logits_of(piece);
    REQUIRE(!failed);
    CHECK(failed.error().code == lamina::ErrorCode::io);
    CHECK(session.position() == begin);
    model.disk->fails = false;
    const auto rows = session.logits_of(piece);
    REQUIRE(static_cast<bool>(rows));
    got.insert(got.end(), rows->begin(), rows->end());
  }
  CHECK(got == want);
}

TEST_CASE("the plan counts the rows that are kept, and refuses too little room for one") {
  const OnDisk model(golden_path(files[0]));
  const auto mapped = options_for(lamina::Precision::fast);
  const auto disk = rows_on_disk(mapped, 20'000);
  const auto without = lamina::plan_memory(*model.entry, mapped);
  const auto with = lamina::plan_memory(*model.entry, disk);
  CHECK(without.row_cache == 0);
  CHECK(with.row_cache >= 20'000);
  CHECK(with.row_cache <= 20'000 + 64 + 2 * (4 * disk.chunk + 64));
  CHECK(with.total_bytes == without.total_bytes + with.row_cache);
  CHECK(with.total_bytes == with.vectors + with.cache + with.ring_slack + with.page_rounding +
                                with.row_cache + with.scratch + with.bookkeeping);
  CHECK(model.session(disk).memory_bytes() == with.total_bytes);
  const auto refused = lamina::Session::create(*model.entry, model.file, rows_on_disk(mapped, 16));
  REQUIRE(!refused);
  CHECK(refused.error().code == lamina::ErrorCode::bad_argument);
  CHECK(refused.error().where.view() == "row_cache_bytes");

  // Models without such rows need no room, and models in memory have no disk.
  const LoadedModel other(golden_path("quant/q-moe-q4_k_m.gguf"));
  CHECK(lamina::plan_memory(*other.entry, disk).row_cache == 0);
  CHECK(static_cast<bool>(lamina::Session::create(*other.entry, other.file, disk)));
}

}  // namespace
