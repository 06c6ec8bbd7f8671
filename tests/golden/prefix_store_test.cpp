// SPDX-License-Identifier: Apache-2.0
// A store of prefixes: the longest beginning is found, what many go on from stays, budgets are kept, threads
// may share it; and nothing that is in it is read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/state/prefix_store.hpp>

#include "support/expect_error.hpp"
#include "support/loaded_model.hpp"
#include "support/reference.hpp"

namespace {

using lamina::PrefixStore;
using lamina::Snapshot;
using lamina::TokenId;

/// An engine with many pages, and snapshots of whatever was read with it.
struct Library {
  lamina::Model model;
  lamina::Engine engine;

  static Library open() {
    LoadedModel loaded(first_file("tiny-12b"));
    lamina::Model model = must(lamina::Model::create(*loaded.entry, std::move(loaded.file)));
    auto engine = must(lamina::Engine::create(
        model, {.rows = 128, .logits_rows = 2, .cache_tokens = 1024 * lamina::kv_block}));
    return {std::move(model), std::move(engine)};
  }
  [[nodiscard]] std::size_t page_bytes() const { return model.entry().page_bytes(lamina::CacheFormat::bf16); }

  void feed(lamina::Sequence& sequence, std::span<const TokenId> tokens) {
    while (!tokens.empty()) {
      const std::size_t count = std::min<std::size_t>(tokens.size(), 128);
      const lamina::Feed feed[] = {{&sequence, tokens.first(count), lamina::Want::none}};
      must(engine.run(feed));
      tokens = tokens.subspan(count);
    }
  }
  Snapshot read(const std::vector<TokenId>& tokens) {
    auto sequence = must(engine.sequence({.context = 600}));
    feed(sequence, tokens);
    return must(sequence.snapshot());
  }
};

std::vector<TokenId> story(std::uint32_t seed, std::size_t count) {
  std::mt19937 random(seed);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random() % 500);
  return tokens;
}

std::vector<TokenId> joined(std::vector<TokenId> a, const std::vector<TokenId>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST_CASE("the longest beginning is found, and where others went another way") {
  Library library = Library::open();
  PrefixStore store(std::size_t{1} << 30, library.page_bytes());
  CHECK_FALSE(store.find(story(1, 10)).snapshot.has_value());
  const auto system = story(1, 100);
  const auto first = joined(system, story(2, 50));
  const auto second = joined(system, story(3, 70));
  must(store.put(library.read(first)));
  auto match = store.find(second);
  CHECK_FALSE(match.snapshot.has_value());
  CHECK(match.common == 100);  // worth a snapshot
  must(store.put(library.read(second)));
  must(store.put(library.read(system)));
  must(store.put(library.read(system)));  // it has that
  CHECK(store.count() == 3);
  match = store.find(joined(system, story(4, 20)));
  REQUIRE(match.snapshot.has_value());
  CHECK(match.snapshot->position() == 100);
  CHECK(match.common == 100);
  CHECK(store.find(joined(second, story(5, 5))).snapshot->position() == 170);
  CHECK(store.find(second).snapshot->position() == 170);
  CHECK(store.find(std::span(second).first(169)).snapshot->position() == 100);
  CHECK(store.find(std::span(second).first(169)).common == 169);
  CHECK_FALSE(store.find(std::span(system).first(99)).snapshot.has_value());
  CHECK_FALSE(store.find({}).snapshot.has_value());
  store.clear();
  CHECK(store.count() == 0);
  CHECK(store.bytes() == 0);
  CHECK(store.find(second).common == 0);
}

TEST_CASE("the least recently used leaf goes first, and what it goes on from when it is one") {
  Library library = Library::open();
  const auto trunk = library.read(story(1, 20));
  const std::size_t each = library.read(joined(story(1, 20), story(2, 20))).memory_bytes() + 80;
  PrefixStore store(trunk.memory_bytes() + 80 + 3 * each, library.page_bytes());
  must(store.put(trunk));
  for (std::uint32_t i = 2; i < 5; ++i) must(store.put(library.read(joined(story(1, 20), story(i, 20)))));
  CHECK(store.count() == 4);
  CHECK(store.find(joined(story(1, 20), story(2, 20))).snapshot->position() == 40);  // used now
  must(store.put(library.read(joined(story(1, 20), story(5, 20)))));
  CHECK(store.count() == 4);
  CHECK(store.bytes() <= store.budget());
  CHECK(store.find(joined(story(1, 20), story(2, 20))).snapshot->position() == 40);
  CHECK(store.find(joined(story(1, 20), story(3, 20))).snapshot->position() == 20);  // its leaf went
  CHECK(store.find(joined(story(1, 20), story(4, 20))).snapshot->position() == 40);
  std::size_t evicted = 0;
  while (store.evict()) ++evicted;
  CHECK(evicted == 4);
  CHECK(store.bytes() == 0);

  PrefixStore nothing(10, library.page_bytes());
  must(nothing.put(trunk));
  CHECK(nothing.count() == 0);
}

TEST_CASE("a store agrees with a plain list, whatever is put and let go") {
  Library library = Library::open();
  PrefixStore store(300'000, library.page_bytes());
  std::mt19937 random(4);
  std::map<std::vector<TokenId>, Snapshot> known;
  for (int i = 0; i < 60; ++i) {
    // Few tokens, so that many begin alike.
    std::vector<TokenId> tokens(1 + random() % 12);
    for (TokenId& token : tokens) token = static_cast<TokenId>(random() % 2);
    known.emplace(tokens, library.read(tokens));
  }
  const std::vector<std::pair<std::vector<TokenId>, Snapshot>> all(known.begin(), known.end());
  for (int round = 0; round < 3000; ++round) {
    const auto& [tokens, snapshot] = all[random() % all.size()];
    if (random() % 3 == 0) must(store.put(snapshot));
    if (random() % 50 == 0) store.evict();
    const auto match = store.find(tokens);
    CHECK(match.common <= tokens.size());
    if (!match.snapshot) continue;
    const auto found = match.snapshot->tokens();
    REQUIRE(found.size() <= match.common);
    CHECK(std::equal(found.begin(), found.end(), tokens.begin()));
    CHECK(store.bytes() <= store.budget());
  }
  CHECK(store.count() > 5);
}

TEST_CASE("a talk of thousands of turns is no recursion") {
  Library library = Library::open();
  auto sequence = must(library.engine.sequence({.context = 600}));
  PrefixStore store(std::size_t{1} << 30, library.page_bytes());
  const auto tokens = story(9, 500);
  for (const TokenId token : tokens) {
    library.feed(sequence, {&token, 1});
    must(store.put(must(sequence.snapshot())));
  }
  CHECK(store.count() == 500);
  CHECK(store.find(tokens).snapshot->position() == 500);
  // Pages are counted once: seven full ones, though later snapshots hold them all.
  CHECK(store.bytes() < 500 * (must(sequence.snapshot()).memory_bytes() + 100) + 8 * library.page_bytes());
}

TEST_CASE("threads share a store, and sequences go on with the bits of a fresh reading") {
  Library library = Library::open();
  PrefixStore store(2'000'000, library.page_bytes());
  const auto system = story(1, 70);
  std::vector<std::uint32_t> read(4, 0);
  const auto serve = [&](std::size_t user) {
    for (std::uint32_t turn = 0; turn < 50; ++turn) {
      const auto tokens = joined(system, story(static_cast<std::uint32_t>(user * 7 + turn % 5), 30));
      const auto match = store.find(tokens);
      read[user] +=
          static_cast<std::uint32_t>(tokens.size()) - (match.snapshot ? match.snapshot->position() : 0);
    }
  };
  for (std::size_t user = 0; user < 4; ++user) {
    for (std::uint32_t turn = 0; turn < 5; ++turn) {
      const auto tokens = joined(system, story(static_cast<std::uint32_t>(user * 7 + turn), 30));
      const auto match = store.find(tokens);
      auto sequence = match.snapshot ? must(library.engine.branch(*match.snapshot, {.context = 600}))
                                     : must(library.engine.sequence({.context = 600}));
      if (match.common > sequence.position()) {
        library.feed(sequence,
                     std::span(tokens).subspan(sequence.position(), match.common - sequence.position()));
        must(store.put(must(sequence.snapshot())));
      }
      library.feed(sequence, std::span(tokens).subspan(sequence.position()));
      must(store.put(must(sequence.snapshot())));
      const TokenId last = 7;
      const lamina::Feed step[] = {{&sequence, {&last, 1}}};
      const auto logits = must(library.engine.run(step)).logits(0);
      auto fresh = must(library.engine.sequence({.context = 600}));
      const std::vector<float> kept(logits.begin(), logits.end());
      library.feed(fresh, tokens);
      const lamina::Feed again[] = {{&fresh, {&last, 1}}};
      const auto expected = must(library.engine.run(again)).logits(0);
      CHECK(same_bits(kept, {expected.begin(), expected.end()}));
    }
  }
  CHECK(store.find(system).snapshot->position() == 70);
  std::vector<std::thread> threads;
  for (std::size_t user = 0; user < 4; ++user) threads.emplace_back([&, user] { serve(user); });
  for (int i = 0; i < 200; ++i)
    must(store.put(library.read(story(100 + static_cast<std::uint32_t>(i) % 3, 30))));
  for (std::thread& thread : threads) thread.join();
  for (const std::uint32_t count : read) CHECK(count == 0);  // all was in the store
}

}  // namespace
