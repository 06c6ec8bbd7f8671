// SPDX-License-Identifier: Apache-2.0
// What an engine promises: every sequence gets the bits it has alone, whatever shares its passes; wrong use
// is an error value that changes nothing; many engines share one model.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "support/allocation_counter.hpp"
#include "support/cache_formats.hpp"
#include "support/expect_error.hpp"
#include "support/loaded_model.hpp"
#include "support/reference.hpp"

namespace {

using lamina::Feed;
using lamina::TokenId;
using lamina::Want;

const std::vector<std::string> models{"tiny-e2b", "tiny-12b", "tiny-26b-a4b", "tiny-31b"};

/// A model that owns its file.
lamina::Model shared_model(const std::string& name) {
  LoadedModel loaded(first_file(name));
  return must(lamina::Model::create(*loaded.entry, std::move(loaded.file)));
}

std::vector<TokenId> random_tokens(std::size_t count, std::uint32_t seed, std::uint32_t vocab) {
  std::mt19937 random(seed);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random() % vocab);
  return tokens;
}

/// What one sequence is fed with, pass by pass, and the rows it got.
struct Script {
  std::vector<TokenId> tokens;
  std::vector<std::size_t> pieces;  ///< tokens in each pass
  std::vector<Want> wants;
  std::vector<float> logits;
  std::vector<float> hidden;
};

/// A prompt in pieces, then single tokens; wants nothing, the last, or all.
Script random_script(std::uint32_t seed, std::size_t passes, std::uint32_t vocab) {
  std::mt19937 random(seed);
  Script script;
  std::size_t total = 0;
  for (std::size_t pass = 0; pass < passes; ++pass) {
    const std::size_t count = random() % 3 == 0 ? 1 + random() % 9 : random() % 5 == 0 ? 0 : 1;
    script.pieces.push_back(count);
    script.wants.push_back(static_cast<Want>(random() % 3));
    total += count;
  }
  script.tokens = random_tokens(total, seed + 1, vocab);
  return script;
}

/// Runs the scripts together, one pass for all of them at a time; results are appended to each.
void run_together(lamina::Engine& engine, std::vector<Script>& scripts) {
  std::vector<lamina::Sequence> sequences;
  for (std::size_t i = 0; i < scripts.size(); ++i)
    sequences.push_back(must(engine.sequence({.context = 200})));
  std::vector<std::size_t> at(scripts.size(), 0);
  for (std::size_t pass = 0; pass < scripts.front().pieces.size(); ++pass) {
    std::vector<Feed> feeds;
    for (std::size_t i = 0; i < scripts.size(); ++i) {
      const std::size_t count = scripts[i].pieces[pass];
      feeds.push_back(
          {&sequences[i], std::span(scripts[i].tokens).subspan(at[i], count), scripts[i].wants[pass]});
      at[i] += count;
    }
    const auto result = must(engine.run(feeds));
    for (std::size_t i = 0; i < scripts.size(); ++i) {
      const auto logits = result.logits(i);
      const auto hidden = result.hidden(i);
      scripts[i].logits.insert(scripts[i].logits.end(), logits.begin(), logits.end());
      scripts[i].hidden.insert(scripts[i].hidden.end(), hidden.begin(), hidden.end());
      CHECK(sequences[i].position() == at[i]);
    }
  }
}

TEST_CASE("sequences that share passes have the bits that each has alone") {
  for (const std::string& name : models) {
    const lamina::Model model = shared_model(name);
    for (const lamina::CacheFormats cache : cache_formats) {
      std::vector<Script> alone;
      for (std::uint32_t i = 0; i < 64; ++i) alone.push_back(random_script(100 + i, 12, model.vocab()));
      auto plain = must(lamina::Engine::create(model, {.rows = 16, .logits_rows = 16, .cache = cache}));
      for (Script& script : alone) {
        std::vector<Script> one{script};
        run_together(plain, one);
        script = one.front();
      }
      for (const std::uint32_t threads : {1U, 3U}) {
        const auto pool = make_pool(threads);
        auto engine = must(lamina::Engine::create(
            model, {.rows = 640, .logits_rows = 640, .cache = cache, .executor = pool.get()}));
        for (const std::size_t count : {2U, 3U, 64U}) {
          CAPTURE(name);
          CAPTURE(threads);
          CAPTURE(count);
          std::vector<Script> together(alone.begin(), alone.begin() + static_cast<std::ptrdiff_t>(count));
          for (Script& script : together) script.logits.clear(), script.hidden.clear();
          run_together(engine, together);
          for (std::size_t i = 0; i < count; ++i) {
            CHECK(same_bits(together[i].logits, alone[i].logits));
            CHECK(same_bits(together[i].hidden, alone[i].hidden));
          }
        }
      }
    }
  }
}

TEST_CASE("memory may hold anything before: nothing is read that was not written") {
  for (const std::string& name : models) {
    CAPTURE(name);
    const LoadedModel loaded(first_file(name));
    for (const lamina::CacheFormats cache : cache_formats) {
      lamina::SessionOptions options = options_for(lamina::Precision::exact);
      options.cache = cache;
      const std::size_t bytes = lamina::Session::bytes(*loaded.entry, options);
      const std::vector<TokenId> tokens = random_tokens(150, 5, 200);
      std::vector<float> results[2];
      for (const int fill : {0x00, 0xFF}) {  // zeros; NaN in every format
        std::vector<std::byte> memory(bytes, static_cast<std::byte>(fill));
        auto session = must(lamina::Session::create(*loaded.entry, loaded.file, options, memory));
        results[fill != 0] = all_logits(session, tokens, 37);
      }
      CHECK(same_bits(results[0], results[1]));
    }
  }
}

TEST_CASE("a pass that cannot be is an error that changes nothing") {
  const lamina::Model model = shared_model("tiny-e2b");
  auto engine = must(lamina::Engine::create(model, {.rows = 8, .logits_rows = 2}));
  auto other = must(lamina::Engine::create(model, {.rows = 8}));
  auto a = must(engine.sequence({.context = 10}));
  auto b = must(engine.sequence({.context = 10}));
  auto foreign = must(other.sequence({.context = 10}));
  const std::vector<TokenId> tokens{2, 3, 4, 5, 6, 7, 8, 9, 10};
  const auto first = [&](std::size_t n) { return std::span(tokens).first(n); };
  constexpr auto bad = lamina::ErrorCode::bad_argument;

  const Feed too_long[] = {{&a, first(5)}, {&b, first(4)}};
  expect_error(engine.run(too_long), bad, "pass", "more tokens or feeds");
  const std::vector<Feed> many(9, Feed{&a, {}});
  expect_error(engine.run(many), bad, "pass", "more tokens or feeds");
  const Feed too_wanted[] = {{&a, first(3), Want::all}};
  expect_error(engine.run(too_wanted), bad, "pass", "more logits");
  const Feed twice[] = {{&a, first(1), Want::none}, {&b, first(1)}, {&a, first(1)}};
  expect_error(engine.run(twice), bad, "pass", "twice");
  expect_error(engine.run(twice), bad, "pass", "twice");  // marks were taken back
  const Feed foreigner[] = {{&foreign, first(1)}};
  expect_error(engine.run(foreigner), bad, "feed", "does not belong");
  const Feed nobody[] = {{nullptr, first(1)}};
  expect_error(engine.run(nobody), bad, "feed", "does not belong");
  const TokenId outside[] = {model.vocab()};
  const Feed unknown[] = {{&a, first(1)}, {&b, outside}};
  expect_error(engine.run(unknown), bad, "tokens", "outside the vocabulary");
  CHECK(a.position() == 0);
  CHECK(b.position() == 0);

  const Feed fill[] = {{&a, first(8), Want::none}};
  CHECK(must(engine.run(fill)).logits(0).empty());
  const Feed full[] = {{&a, first(3), Want::none}};
  expect_error(engine.run(full), lamina::ErrorCode::context_full, "sequence", "more tokens");
  CHECK(a.position() == 8);
  CHECK(std::equal(a.tokens().begin(), a.tokens().end(), tokens.begin()));

  lamina::Sequence moved = std::move(a);
  const Feed gone[] = {{&a, first(1)}};
  expect_error(engine.run(gone), bad, "feed", "does not belong");
  lamina::Engine taken = std::move(engine);
  expect_error(engine.run({}), bad, "engine", "moved from");
  expect_error(engine.sequence(), bad, "engine", "moved from");
  const Feed kept[] = {{&moved, first(2)}};
  CHECK(must(taken.run(kept)).logits(0).size() == model.vocab());
  CHECK(must(taken.run({})).logits(0).empty());
}

TEST_CASE("options out of range are refused before any memory is taken") {
  const lamina::Model model = shared_model("tiny-e2b");
  constexpr auto bad = lamina::ErrorCode::bad_argument;
  expect_error(lamina::Engine::create(model, {.rows = 0}), bad, "rows", "out of range");
  expect_error(lamina::Engine::create(model, {.rows = 8193}), bad, "rows", "out of range");
  expect_error(lamina::Engine::create(model, {.rows = 4, .logits_rows = 5}), bad, "logits_rows",
               "out of range");
  auto engine = must(lamina::Engine::create(model, {}));
  expect_error(engine.sequence({.context = 0}), bad, "context", "outside");
  expect_error(engine.sequence({.context = model.max_context() + 1}), bad, "context", "outside");
  std::byte little[16];
  expect_error(lamina::Engine::create(model, {}, little), lamina::ErrorCode::out_of_memory, "engine",
               "too small");
  expect_error(engine.sequence({.context = 64}, little), lamina::ErrorCode::out_of_memory, "sequence",
               "too small");
}

TEST_CASE("pages come from the engine, are counted before a pass, and go back") {
  const lamina::Model model = shared_model("tiny-31b");
  std::vector<TokenId> tokens = random_tokens(130, 9, model.vocab());
  const auto first = [&](std::size_t n) { return std::span(tokens).first(n); };
  // Three pages of 64 positions for all.
  std::optional<lamina::Engine> engine =
      must(lamina::Engine::create(model, {.rows = 130, .logits_rows = 2, .cache_tokens = 130}));
  std::optional<lamina::Sequence> a = must(engine->sequence({.context = 256}));
  lamina::Sequence b = must(engine->sequence({.context = 256}));
  const Feed both[] = {{&*a, first(65)}, {&b, first(65)}};
  expect_error(engine->run(both), lamina::ErrorCode::out_of_memory, "pages", "more tokens");
  CHECK(a->position() == 0);
  const Feed fits[] = {{&*a, first(65)}, {&b, first(64)}};
  must(engine->run(fits));
  const Feed one_more[] = {{&b, first(1)}};
  expect_error(engine->run(one_more), lamina::ErrorCode::out_of_memory, "pages", "more tokens");
  CHECK(b.position() == 64);
  a.reset();  // its two pages are free now
  const auto after = must(engine->run(one_more));
  const std::vector<float> logits(after.logits(0).begin(), after.logits(0).end());
  b.reset();
  std::vector<TokenId> again(tokens.begin(), tokens.begin() + 64);
  again.push_back(tokens[0]);
  const Feed whole[] = {{&b, again}};
  const auto fresh = must(engine->run(whole));
  CHECK(same_bits(logits, {fresh.logits(0).begin(), fresh.logits(0).end()}));
  engine.reset();  // a sequence may live longer
  CHECK(b.position() == 65);
}

TEST_CASE("branches go on from what was read, with the bits of sequences that read it themselves") {
  for (const std::string& name : models) {
    CAPTURE(name);
    const lamina::Model model = shared_model(name);
    for (const lamina::CacheFormats cache : cache_formats) {
      for (const std::size_t read : {0U, 1U, 63U, 64U, 65U, 150U}) {
        CAPTURE(read);
        auto engine = must(lamina::Engine::create(
            model, {.rows = 150, .logits_rows = 150, .cache_tokens = 2048, .cache = cache}));
        const std::vector<TokenId> start = random_tokens(read, 3, model.vocab());
        const std::vector<TokenId> ends[] = {random_tokens(70, 4, model.vocab()),
                                             random_tokens(70, 5, model.vocab())};
        std::optional<lamina::Sequence> trunk = must(engine.sequence({.context = 256}));
        const Feed beginning[] = {{&*trunk, start, Want::none}};
        must(engine.run(beginning));
        lamina::Sequence branch = must(engine.branch(*trunk));
        CHECK(std::equal(branch.tokens().begin(), branch.tokens().end(), start.begin(), start.end()));
        const Feed both[] = {{&*trunk, ends[0], Want::all}, {&branch, ends[1], Want::all}};
        const auto apart = must(engine.run(both));
        std::vector<float> logits[2];
        for (std::size_t i = 0; i < 2; ++i) logits[i].assign(apart.logits(i).begin(), apart.logits(i).end());
        for (std::size_t i = 0; i < 2; ++i) {
          auto fresh = must(engine.sequence({.context = 256}));
          const Feed again[] = {{&fresh, start, Want::none}};
          must(engine.run(again));
          const Feed end[] = {{&fresh, ends[i], Want::all}};
          const auto expected = must(engine.run(end)).logits(0);
          CHECK(same_bits(logits[i], {expected.begin(), expected.end()}));
        }
        trunk.reset();  // the branch keeps what it shares
        const Feed on[] = {{&branch, std::span(start).first(read > 0 ? 1 : 0)}};
        must(engine.run(on));
      }
    }
  }
}

TEST_CASE("branches share pages until they write to them") {
  const lamina::Model model = shared_model("tiny-31b");
  // Four pages of 64 positions for all.
  auto engine = must(lamina::Engine::create(model, {.rows = 130, .cache_tokens = 256}));
  const std::vector<TokenId> tokens = random_tokens(130, 9, model.vocab());
  auto a = must(engine.sequence({.context = 256}));
  const Feed first[] = {{&a, std::span(tokens).first(130)}};
  must(engine.run(first));  // three pages
  std::vector<lamina::Sequence> branches;
  for (int i = 0; i < 5; ++i) branches.push_back(must(engine.branch(a)));
  const Feed one[] = {{&branches[0], std::span(tokens).first(1)}};
  must(engine.run(one));  // the fourth page: a copy of the third
  const Feed another[] = {{&branches[1], std::span(tokens).first(1)}};
  expect_error(engine.run(another), lamina::ErrorCode::out_of_memory, "pages", "more tokens");
  CHECK(branches[1].position() == 130);
  branches.erase(branches.begin());  // gives its copy back
  const Feed now[] = {{&branches[0], std::span(tokens).first(1)}};
  must(engine.run(now));
  branches.clear();
  const Feed last[] = {{&a, std::span(tokens).first(60)}};
  must(engine.run(last));  // alone again: nothing to copy
  auto other = must(lamina::Engine::create(model, {.rows = 8}));
  expect_error(other.branch(a), lamina::ErrorCode::bad_argument, "branch", "does not belong");
}

/// An executor that tries to start a pass inside a pass.
struct Meddler final : lamina::Executor {
  lamina::Engine* engine = nullptr;
  std::optional<lamina::ErrorCode> answer;
  [[nodiscard]] std::uint32_t width() const noexcept override { return 2; }
  void run(Job job, void* context, std::uint32_t parts) noexcept override {
    if (engine != nullptr && !answer) {
      const auto second = engine->run({});
      answer = second ? lamina::ErrorCode::io : second.error().code;
    }
    for (std::uint32_t part = 0; part < parts; ++part) job(context, part, parts);
  }
};

TEST_CASE("a second pass at the same time is refused") {
  Meddler meddler;
  auto engine = must(lamina::Engine::create(shared_model("tiny-e2b"), {.rows = 16, .executor = &meddler}));
  auto sequence = must(engine.sequence({.context = 32}));
  meddler.engine = &engine;
  const std::vector<TokenId> tokens(12, 3);
  const Feed feed[] = {{&sequence, tokens}};
  must(engine.run(feed));
  REQUIRE(meddler.answer.has_value());
  CHECK(*meddler.answer == lamina::ErrorCode::bad_argument);
  must(engine.run({}));
}

TEST_CASE("threads with an engine each share one model, and it lives as long as the last of them") {
  std::vector<std::vector<float>> results(4);
  {
    std::optional<lamina::Model> model = shared_model("tiny-26b-a4b");
    std::vector<lamina::Session> sessions;
    for (std::size_t i = 0; i < results.size(); ++i) {
      sessions.push_back(must(lamina::Session::create(*model, options_for(lamina::Precision::fast))));
    }
    model.reset();
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < results.size(); ++i) {
      threads.emplace_back([&, i] {
        for (TokenId token = 1; token < 40; ++token) {
          if (auto logits = sessions[i].step(token)) results[i].assign(logits->begin(), logits->end());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  CHECK(!results[0].empty());
  for (const auto& result : results) CHECK(same_bits(result, results[0]));
}

TEST_CASE("passes allocate nothing, and engines and sequences take what they announce") {
  const lamina::Model model = shared_model("tiny-31b");
  const auto pool = make_pool(2);
  const lamina::EngineOptions options{.rows = 32, .logits_rows = 4, .executor = pool.get()};
  auto engine = must(lamina::Engine::create(model, options));
  CHECK(engine.memory_bytes() == lamina::Engine::bytes(model.entry(), options));
  auto a = must(engine.sequence({.context = 64}));
  auto b = must(engine.sequence({.context = 128}));
  CHECK(a.memory_bytes() == lamina::Engine::sequence_bytes(model.entry(), options, {.context = 64}));
  CHECK(b.memory_bytes() > a.memory_bytes());
  const std::vector<TokenId> tokens(20, 7);
  const lamina_test::AllocationCounter allocations;
  bool fine = true;
  for (int i = 0; i < 3; ++i) {
    const Feed feeds[] = {{&a, tokens}, {&b, std::span(tokens).first(3), Want::all}};
    const auto result = engine.run(feeds);
    fine = fine && result && result->logits(1).size() == 3 * std::size_t{model.vocab()};
  }
  const std::size_t count = allocations.count();
  CHECK(fine);
  CHECK(count == 0);
}

}  // namespace
