// SPDX-License-Identifier: Apache-2.0
// Prompts with pictures from their reference embeddings on: merging, per-layer inputs of the padding token,
// blocks that see each other; the same bits for any cutting, threads and company.
// Source: golden/vision/README.md (tolerances), vision.md §5.3 to §5.5.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "support/cache_formats.hpp"
#include "support/expect_error.hpp"
#include "support/golden_checks.hpp"
#include "support/loaded_model.hpp"
#include "support/reference.hpp"

namespace {

using lamina::ErrorCode;
using lamina::PromptTokens;
using lamina::SoftRows;
using lamina::TokenId;

constexpr double tolerance = 3e-3;  // logits of a float32 implementation
constexpr std::uint32_t hidden = 64;
constexpr std::size_t vocab = 512;

/// A case of the reference: a prompt with pictures, and what the model makes of it.
struct Case {
  std::vector<TokenId> ids;
  std::vector<float> rows;
  std::vector<SoftRows> soft;
  std::vector<float> logits;
  std::vector<float> logits_all_layers;  ///< where the reference has them
  std::vector<TokenId> greedy;
  std::vector<float> greedy_logits;

  Case(const std::string& model, const std::string& name) {
    const std::string folder = golden_path("vision/" + model);
    const nlohmann::json all = read_json(folder + "/cases.json");
    REQUIRE(all.is_object());
    const ReferenceArrays arrays(folder + "/" + name + ".safetensors");
    REQUIRE(arrays.valid());
    rows = arrays.get<float>("soft_tokens");
    logits = arrays.get<float>("logits");
    greedy_logits = arrays.get<float>("greedy_logits");
    if (arrays.index().contains("logits_blocks_in_all_layers"))
      logits_all_layers = arrays.get<float>("logits_blocks_in_all_layers");
    for (const nlohmann::json& one : all["cases"]) {
      if (one["name"] != name) continue;
      ids = tokens_of(one["token_ids"]);
      greedy = tokens_of(one["greedy_ids"]);
      const float* at = rows.data();
      for (const nlohmann::json& medium : one["media"]) {
        const auto count = medium["soft_tokens"].get<std::uint32_t>();
        soft.push_back({medium["first_position"].get<std::uint32_t>(), count, at, true});
        at += std::size_t{count} * hidden;
      }
      REQUIRE(at == rows.data() + rows.size());
    }
    REQUIRE(!soft.empty());
  }

  [[nodiscard]] PromptTokens prompt() const { return {ids, soft}; }
};

/// Logits of all positions, fed in pieces of at most `chunk` that cut no block.
std::vector<float> logits_of(lamina::Session& session, PromptTokens prompt, std::size_t chunk,
                             bool keeps_blocks) {
  session.reset();
  std::vector<float> logits;
  while (!prompt.empty()) {
    std::size_t count = lamina::whole_blocks(prompt, chunk, keeps_blocks);
    if (count == 0) count = prompt.soft_at(0)->count;  // a block longer than a chunk comes alone
    const auto rows = session.logits_of(prompt.first(count));
    REQUIRE_MESSAGE(static_cast<bool>(rows), message_of(rows));
    logits.insert(logits.end(), rows->begin(), rows->end());
    prompt = prompt.subspan(count);
  }
  return logits;
}

const std::vector<std::string> models{"e2b", "moe", "unified"};
const std::vector<std::string> cases{"image_mid", "two_images"};

/// Whether tests/golden has a case: a block longer than the window where blocks see each other, two blocks
/// elsewhere.
bool is_stored(const std::string& model, const std::string& name) {
  return name == "two_images" ? model != "unified" : model != "e2b";
}
/// The case of a model that is stored for all of its tests.
std::string main_case(const std::string& model) { return model == "e2b" ? "two_images" : "image_mid"; }

TEST_CASE("prompts with pictures have the reference's logits and continuations") {
  std::size_t compared = 0;
  for (const std::string& name : models) {
    const LoadedModel model(golden_path("vision/" + name));
    CHECK(model.entry->sees_blocks == (name != "e2b"));
    for (const std::string& one : cases) {
      CAPTURE(name);
      CAPTURE(one);
      if (!is_stored(name, one)) continue;
      const Case want(name, one);
      lamina::Session session = model.session(exact_options(64));
      const auto got = logits_of(session, want.prompt(), 64, model.entry->sees_blocks);
      CHECK(distance(got, want.logits).largest <= tolerance);
      // And on from there, one by one: decoding is causal.
      std::vector<float> next;
      for (const TokenId id : want.greedy) {
        const auto row = session.step(id);
        REQUIRE(static_cast<bool>(row));
        next.insert(next.end(), row->begin(), row->end());
      }
      CHECK(distance(next, want.greedy_logits).largest <= tolerance);
      ++compared;
    }
  }
  CHECK(compared == 4);
}

TEST_CASE("blocks on all layers, as some versions of the reference have them") {
  const LoadedModel model(golden_path("vision/unified"));
  std::size_t compared = 0;
  for (const std::string& one : cases) {
    if (!is_stored("unified", one)) continue;
    const Case want("unified", one);
    if (want.logits_all_layers.empty()) continue;
    lamina::SessionOptions options = exact_options(64);
    options.blocks = lamina::BlockMask::all_layers;
    lamina::Session session = model.session(options);
    const auto got = logits_of(session, want.prompt(), 64, true);
    CHECK(distance(got, want.logits_all_layers).largest <= tolerance);
    CHECK(distance(got, want.logits).largest > 1.0);  // it is another rule
    ++compared;
  }
  CHECK(compared > 0);
}

TEST_CASE("pictures give the same bits in any cutting and with any threads, in every cache format") {
  for (const std::string& name : models) {
    CAPTURE(name);
    const LoadedModel model(golden_path("vision/" + name));
    for (const lamina::Precision precision : {lamina::Precision::exact, lamina::Precision::fast}) {
      for (const lamina::CacheFormats cache : cache_formats) {
        const Case want(name, main_case(name));
        std::vector<float> first;
        for (const std::uint32_t threads : {1U, 3U}) {
          const auto pool = make_pool(threads);
          for (const std::size_t chunk : {64U, 27U, 3U, 1U}) {
            lamina::SessionOptions options = options_for(precision);
            options.chunk = options.logits_rows = 64;
            options.cache = cache;
            options.executor = pool.get();
            lamina::Session session = model.session(options);
            const auto got = logits_of(session, want.prompt(), chunk, model.entry->sees_blocks);
            if (first.empty()) first = got;
            CHECK(same_bits(got, first));
          }
        }
      }
    }
  }
}

TEST_CASE("a session cuts a prompt at the ends of blocks") {
  for (const std::string& name : models) {
    CAPTURE(name);
    const LoadedModel model(golden_path("vision/" + name));
    const Case want(name, main_case(name));
    const std::vector<float> last(want.logits.end() - static_cast<std::ptrdiff_t>(vocab), want.logits.end());
    for (const std::uint32_t chunk : {64U, 30U, 25U}) {
      lamina::SessionOptions options = exact_options(chunk);
      options.logits_rows = 1;
      lamina::Session session = model.session(options);
      const auto status = session.prompt(want.prompt());
      REQUIRE_MESSAGE(static_cast<bool>(status), message_of(status));
      CHECK(distance(session.logits(), last).largest <= tolerance);
    }
  }
}

TEST_CASE("sequences with pictures share passes with others and keep their bits") {
  for (const std::string& name : models) {
    CAPTURE(name);
    LoadedModel loaded(golden_path("vision/" + name));
    auto model = lamina::Model::create(*loaded.entry, std::move(loaded.file));
    REQUIRE(static_cast<bool>(model));
    const Case one(name, main_case(name));
    const Case two(name, name == "unified" ? "image_mid" : "two_images");
    auto engine = lamina::Engine::create(*model, {.rows = 128, .logits_rows = 128, .cache_tokens = 1024});
    REQUIRE(static_cast<bool>(engine));
    const auto alone = [&](const Case& want) {
      auto sequence = engine->sequence({.context = 128});
      REQUIRE(static_cast<bool>(sequence));
      const lamina::Feed feed{&*sequence, want.prompt(), lamina::Want::all};
      const auto pass = engine->run({&feed, 1});
      REQUIRE(static_cast<bool>(pass));
      return std::vector<float>(pass->logits(0).begin(), pass->logits(0).end());
    };
    const auto first = alone(one);
    const auto second = alone(two);
    auto a = engine->sequence({.context = 128});
    auto b = engine->sequence({.context = 128});
    REQUIRE(static_cast<bool>(a));
    REQUIRE(static_cast<bool>(b));
    const lamina::Feed feeds[] = {{&*a, one.prompt(), lamina::Want::all},
                                  {&*b, two.prompt(), lamina::Want::last}};
    const auto pass = engine->run(feeds);
    REQUIRE(static_cast<bool>(pass));
    CHECK(same_bits({pass->logits(0).begin(), pass->logits(0).end()}, first));
    CHECK(same_bits({pass->logits(1).begin(), pass->logits(1).end()},
                    {second.end() - static_cast<std::ptrdiff_t>(vocab), second.end()}));
  }
}

TEST_CASE("soft rows that cannot be are refused, and change nothing") {
  const LoadedModel model(golden_path("vision/moe"));
  const Case want("moe", "two_images");
  lamina::SessionOptions options = exact_options(64);
  lamina::Session session = model.session(options);
  const auto refuse = [&](std::vector<SoftRows> soft, std::string_view what) {
    const auto rows = session.logits_of({want.ids, soft});
    expect_error(rows, ErrorCode::bad_argument, "soft rows", what);
    CHECK(session.position() == 0);
  };
  SoftRows whole = want.soft[0];
  refuse({want.soft[1], want.soft[0]}, "rising order");
  whole.count = 0;
  refuse({whole}, "empty");
  whole = want.soft[0];
  whole.rows = nullptr;
  refuse({whole}, "empty");
  whole = want.soft[0];
  whole.count = 9;  // reaches over the second picture
  refuse({whole, want.soft[1]}, "overlap");
  whole.count = UINT32_MAX;
  refuse({whole}, "empty");
  // A block that the pass does not have as a whole.
  const auto cut = session.logits_of(want.prompt().first(want.soft[0].first + 2));
  expect_error(cut, ErrorCode::bad_argument, "soft rows", "as a whole");
  lamina::Session narrow = model.session(exact_options(4));
  expect_error(narrow.prompt(want.prompt()), ErrorCode::bad_argument, "soft rows", "as a whole");
  // An id outside the vocabulary needs a row that stands for it.
  std::vector<TokenId> ids = want.ids;
  ids[want.soft[0].first] = 0x8000'0000;
  CHECK(static_cast<bool>(session.logits_of({ids, want.soft})));
  session.reset();
  ids[0] = 0x8000'0000;
  expect_error(session.logits_of({ids, want.soft}), ErrorCode::bad_argument, "tokens", "vocabulary");
}

TEST_CASE("an embedding that is not finite is found") {
  const LoadedModel model(golden_path("vision/e2b"));
  Case want("e2b", "two_images");
  want.rows[70] = NAN;
  lamina::Session session = model.session(exact_options(64));
  const auto rows = session.logits_of(want.prompt());
  REQUIRE_FALSE(static_cast<bool>(rows));
  CHECK(rows.error().code == ErrorCode::not_finite);
}

}  // namespace
