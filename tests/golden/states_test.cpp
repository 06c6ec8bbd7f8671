// SPDX-License-Identifier: Apache-2.0
// Sequences that are kept, taken back, branched, saved and loaded go on with the bits of a fresh reading: by
// random programs over all small models and cache formats. LAMINA_STATE_PROGRAMS says how many,
// LAMINA_STATE_FIRST the number of the first (0), so that a long run can be cut in pieces.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/state/prefix_store.hpp>

#include "support/expect_error.hpp"
#include "support/loaded_model.hpp"
#include "support/reference.hpp"

namespace {

using lamina::CacheFormat;
using lamina::CacheFormats;
using lamina::ErrorCode;
using lamina::Feed;
using lamina::PrefixStore;
using lamina::Sequence;
using lamina::Snapshot;
using lamina::Status;
using lamina::TokenId;
using lamina::Want;

constexpr std::uint32_t state_window = 16;  ///< of all small models

lamina::Model state_model(const std::string& name) {
  LoadedModel loaded(first_file(name));
  return must(lamina::Model::create(*loaded.entry, std::move(loaded.file)));
}

/// What a sequence has read, and the logits that it gave on the way.
struct History {
  std::vector<TokenId> tokens;
  std::map<std::uint32_t, std::vector<float>> logits;  ///< by index of the token

  void cut(std::uint32_t position) {
    tokens.resize(position);
    logits.erase(logits.lower_bound(position), logits.end());
  }
};

struct Reader {
  Sequence sequence;
  History history;
};

struct Kept {
  Snapshot snapshot;
  History history;
};

struct Saved {
  std::vector<std::byte> bytes;
  History history;
};

/// Engines that programs run on, made once for a model and a format: one with few pages, one with other
/// rings, and one that reads afresh.
struct Machine {
  lamina::Model model;
  lamina::Engine engine;
  lamina::Engine other;
  lamina::Engine fresh;

  static constexpr std::uint32_t context = 200;  ///< three pages, a dozen windows

  static Machine make(const std::string& name, CacheFormats cache) {
    lamina::Model model = state_model(name);
    auto engine = must(lamina::Engine::create(
        model, {.rows = 70, .logits_rows = 70, .cache_tokens = 10 * lamina::kv_block, .cache = cache}));
    auto other = must(lamina::Engine::create(
        model, {.rows = 5, .logits_rows = 5, .cache_tokens = 10 * lamina::kv_block, .cache = cache}));
    auto fresh = must(lamina::Engine::create(
        model, {.rows = 230, .logits_rows = 230, .cache_tokens = 512, .cache = cache}));
    return {std::move(model), std::move(engine), std::move(other), std::move(fresh)};
  }
};

/// Logits of all tokens of a list, from an empty sequence.
struct FreshReading {
  std::vector<TokenId> tokens;
  std::vector<float> logits;  ///< [tokens, vocab]
};

class StateProgram {
 public:
  StateProgram(Machine& machine, std::uint64_t seed)
      : machine_(machine),
        random_(seed),
        store_(30'000 + pick(1'000'000), machine.model.entry().page_bytes(machine.engine.options().cache)) {
    for (int i = 0; i < 3; ++i)
      readers_.push_back({must(machine.engine.sequence({.context = Machine::context})), {}});
  }

  /// Returns what went wrong; nothing if all is well.
  std::string run() {
    if (pick(4) != 0) feed(readers_.size());
    const std::size_t steps = 3 + pick(12);
    for (std::size_t step = 0; step < steps && problem_.empty(); ++step) one_step();
    for (Reader& reader : readers_) verify(reader.history);
    return problem_;
  }

 private:
  std::uint32_t pick(std::size_t below) { return static_cast<std::uint32_t>(random_() % below); }
  void expect(bool holds, const std::string& what) {
    if (!holds && problem_.empty()) problem_ = what;
  }
  /// True if it worked; false if memory was short, which must have changed nothing.
  bool done(const Status& status, const char* what) {
    if (status) return true;
    expect(status.error().code == ErrorCode::out_of_memory, what + (": " + message_of(status)));
    return false;
  }
  Reader& any() { return readers_[pick(readers_.size())]; }

  /// Lengths around the edges of windows, pages and passes.
  std::uint32_t length() {
    constexpr std::array<std::uint32_t, 13> lengths{1, 1, 2, 5, 15, 16, 17, 31, 33, 48, 63, 64, 70};
    return lengths[pick(lengths.size())];
  }
  std::uint32_t place(std::uint32_t end) {
    if (end == 0) return 0;
    const std::uint32_t edge = pick(3) == 0 ? lamina::kv_block : state_window;
    const std::uint32_t near = edge * pick(end / edge + 1) + pick(3);
    const std::uint32_t back = end - std::min(end, pick(4));
    const std::uint32_t chosen = pick(3) == 0 ? back : pick(2) == 0 ? pick(end + 1) : near > 0 ? near - 1 : 0;
    return std::min(chosen, end);
  }

  void one_step() {
    switch (pick(14)) {
      case 0:
      case 1:
      case 2:
        return feed(1 + pick(3));
      case 3:
      case 4:
        return keep();
      case 5:
        return restore();
      case 6:
        return branch();
      case 7:
      case 8:
        return rewind(any());
      case 9:
        return save();
      case 10:
        return load();
      case 11:
        return find();
      case 12:
        return void(store_.evict());
      default:
        if (pick(4) == 0) {
          Reader& reader = any();
          reader.sequence.reset();
          reader.history.cut(0);
        }
        return feed(1);
    }
  }

  void feed(std::size_t count) {
    std::vector<Feed> feeds;
    std::vector<std::vector<TokenId>> tokens(count);
    std::size_t rows = 0;
    for (std::size_t i = 0; i < count; ++i) {
      Reader& reader = readers_[i];
      const std::uint32_t room = Machine::context - reader.sequence.position();
      const auto n = static_cast<std::uint32_t>(
          std::min({std::size_t{length()}, std::size_t{room}, std::size_t{70} - rows}));
      for (std::uint32_t k = 0; k < n; ++k) tokens[i].push_back(pick(machine_.model.vocab()));
      feeds.push_back({&reader.sequence, tokens[i], static_cast<Want>(pick(3))});
      rows += n;
    }
    const auto result = machine_.engine.run(feeds);
    if (!result) return void(done(result.error(), "feed"));
    for (std::size_t i = 0; i < count; ++i) {
      take(readers_[i].history, feeds[i], result->logits(i));
      Sequence& sequence = readers_[i].sequence;
      const auto before = static_cast<std::uint32_t>(sequence.position() - tokens[i].size());
      expect(sequence.rewind_start(before) == before, "what one pass has fed can be taken back");
    }
    std::swap(readers_[0], readers_[pick(readers_.size())]);
  }

  void take(History& history, const Feed& feed, std::span<const float> logits) {
    const std::size_t vocab = machine_.model.vocab();
    history.tokens.insert(history.tokens.end(), feed.tokens.ids.begin(), feed.tokens.ids.end());
    auto index = static_cast<std::uint32_t>(history.tokens.size() - logits.size() / vocab);
    for (; !logits.empty(); logits = logits.subspan(vocab), ++index)
      history.logits[index].assign(logits.begin(), logits.begin() + static_cast<std::ptrdiff_t>(vocab));
  }

  void keep() {
    Reader& reader = any();
    auto snapshot = reader.sequence.snapshot();
    if (!snapshot) return void(done(snapshot.error(), "snapshot"));
    expect(snapshot->memory_bytes() == reader.sequence.snapshot_bytes(), "bytes of a snapshot");
    expect(snapshot->memory_bytes() == lamina::Engine::snapshot_bytes(machine_.model.entry(),
                                                                      machine_.engine.options().cache,
                                                                      reader.sequence.position()),
           "planned bytes of a snapshot");
    must(store_.put(*snapshot));
    expect(store_.bytes() <= store_.budget(), "a store's budget");
    if (kept_.size() == 3) kept_.erase(kept_.begin());
    kept_.push_back({std::move(*snapshot), reader.history});
  }

  void restore() {
    if (kept_.empty()) return;
    const Kept& kept = kept_[pick(kept_.size())];
    Reader& reader = any();
    if (pick(4) == 0) verify(reader.history);
    if (done(reader.sequence.restore(kept.snapshot), "restore")) {
      reader.history = kept.history;
      go_back_and_on(reader);
    }
  }

  void branch() {
    const std::size_t from = pick(readers_.size());
    Reader& to = readers_[(from + 1) % readers_.size()];
    if (pick(2) == 0 || kept_.empty()) {
      to.sequence = must(machine_.engine.branch(readers_[from].sequence));
      to.history = readers_[from].history;
      return go_back_and_on(to);
    }
    const Kept& kept = kept_[pick(kept_.size())];
    // Another context has rings of another length.
    const std::uint32_t contexts[] = {Machine::context, Machine::context + 20};
    auto made = machine_.engine.branch(kept.snapshot, {.context = contexts[pick(2)]});
    if (!made) return void(done(made.error(), "branch"));
    to.sequence = std::move(*made);
    to.history = kept.history;
    go_back_and_on(to);
  }

  /// Goes on from the longest beginning of what somebody has read that the store still has.
  void find() {
    const History& wanted = kept_.empty() || pick(2) == 0 ? any().history : kept_[pick(kept_.size())].history;
    const auto end = static_cast<std::uint32_t>(wanted.tokens.size());
    const auto match = store_.find(std::span(wanted.tokens).first(pick(2) == 0 ? end : place(end)));
    if (!match.snapshot) return;
    const auto found = match.snapshot->tokens();
    expect(found.size() <= match.common && match.common <= wanted.tokens.size(), "length of a beginning");
    expect(std::equal(found.begin(), found.end(), wanted.tokens.begin()), "tokens of a beginning");
    History history = wanted;
    history.cut(match.snapshot->position());
    Reader& to = any();
    if (!done(to.sequence.restore(*match.snapshot), "restore")) return;
    to.history = std::move(history);
    go_back_and_on(to);
  }

  /// Goes back from where a reader has just got to, and on: the rows behind must be as whole as it says.
  void go_back_and_on(Reader& reader) {
    if (pick(2) == 0) rewind(reader);
    const std::uint32_t room = Machine::context - reader.sequence.position();
    std::vector<TokenId> tokens(std::min(room, 1 + pick(3)));
    for (TokenId& token : tokens) token = pick(machine_.model.vocab());
    const Feed feed[] = {{&reader.sequence, tokens, Want::all}};
    const auto result = machine_.engine.run(feed);
    if (!result) return void(done(result.error(), "feed"));
    take(reader.history, feed[0], result->logits(0));
  }

  void rewind(Reader& reader) {
    const std::uint32_t before = reader.sequence.position();
    const std::uint32_t wanted = place(before);
    const std::uint32_t start = reader.sequence.rewind_start(wanted);
    if (pick(4) == 0) verify(reader.history);
    const Status status = reader.sequence.rewind(wanted);
    expect(static_cast<bool>(status) == (start == wanted), "rewind does what rewind_start says");
    if (!status) {
      expect(reader.sequence.position() == before, "a refused rewind changes nothing");
      expect(static_cast<bool>(reader.sequence.rewind(start)), "rewinding to where it says");
    }
    reader.history.cut(std::min(wanted, reader.sequence.position()));
  }

  std::vector<std::byte> bytes_of(const Sequence& sequence) {
    std::vector<std::byte> bytes;
    must(sequence.save([&](std::span<const std::byte> piece) -> Status {
      bytes.insert(bytes.end(), piece.begin(), piece.end());
      return lamina::Done{};
    }));
    expect(bytes.size() == sequence.state_bytes(), "bytes of a state");
    return bytes;
  }

  void save() {
    Reader& reader = any();
    if (saved_.size() == 3) saved_.erase(saved_.begin());
    saved_.push_back({bytes_of(reader.sequence), reader.history});
  }

  void load() {
    if (saved_.empty()) return;
    const Saved& saved = saved_[pick(saved_.size())];
    Reader& reader = any();
    if (pick(3) == 0) {
      // Through an engine with other rings and back.
      auto sequence = must(machine_.other.sequence({.context = 210}));
      if (!done(sequence.load(std::span<const std::byte>(saved.bytes)), "load elsewhere")) return;
      expect(bytes_of(sequence) == saved.bytes, "a state that was loaded is saved as it was");
    }
    Status status = lamina::Done{};
    if (pick(2) == 0) {
      status = reader.sequence.load(std::span<const std::byte>(saved.bytes));
    } else {
      std::span<const std::byte> rest = saved.bytes;
      status = reader.sequence.load([&](std::span<std::byte> bytes) -> Status {
        std::copy_n(rest.begin(), bytes.size(), bytes.begin());
        rest = rest.subspan(bytes.size());
        return lamina::Done{};
      });
    }
    if (done(status, "load")) {
      reader.history = saved.history;
      go_back_and_on(reader);
    }
  }

  /// Reads a history afresh, or finds where that was done, and compares what is known of it.
  void verify(const History& history) {
    const std::size_t count = history.logits.empty() ? 0 : history.logits.rbegin()->first + 1;
    if (count == 0 || !problem_.empty()) return;
    const auto tokens = std::span(history.tokens).first(count);
    const std::size_t vocab = machine_.model.vocab();
    const FreshReading& fresh = fresh_reading(tokens);
    for (const auto& [index, row] : history.logits) {
      expect(std::memcmp(row.data(), &fresh.logits[index * vocab], vocab * sizeof(float)) == 0,
             "logits of token " + std::to_string(index) + " of " + std::to_string(history.tokens.size()));
    }
  }

  /// A fresh reading of a list that begins with `tokens`: no logits depend on what follows.
  const FreshReading& fresh_reading(std::span<const TokenId> tokens) {
    for (const FreshReading& one : fresh_) {
      if (one.tokens.size() >= tokens.size() && std::equal(tokens.begin(), tokens.end(), one.tokens.begin()))
        return one;
    }
    auto sequence = must(machine_.fresh.sequence({.context = 230}));
    const Feed all[] = {{&sequence, tokens, Want::all}};
    const auto result = must(machine_.fresh.run(all));
    const auto logits = result.logits(0);
    fresh_.push_back({{tokens.begin(), tokens.end()}, {logits.begin(), logits.end()}});
    return fresh_.back();
  }

  Machine& machine_;
  std::mt19937_64 random_;
  std::vector<Reader> readers_;
  std::vector<Kept> kept_;
  std::vector<Saved> saved_;
  PrefixStore store_;
  std::vector<FreshReading> fresh_;
  std::string problem_;
};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST_CASE("random programs of feeding, keeping, branching, rewinding, saving, loading and letting go") {
#if defined(LAMINA_SANITIZED)
  const std::uint64_t usual = 300;
  const std::vector<std::string> names{"tiny-e2b", "tiny-12b", "tiny-26b-a4b", "tiny-31b"};
#else
  const std::uint64_t usual = 10'000;
  const std::vector<std::string> names{"tiny-e2b", "tiny-e4b", "tiny-12b", "tiny-26b-a4b", "tiny-31b"};
#endif
  const std::uint64_t first = number_from("LAMINA_STATE_FIRST", 0);
  const std::uint64_t last = first + number_from("LAMINA_STATE_PROGRAMS", usual);
  constexpr CacheFormats bf16{};
  const std::array formats{bf16, CacheFormats(CacheFormat::int8), bf16.with_global(CacheFormat::int8),
                           CacheFormats(CacheFormat::int8).with_global(CacheFormat::f32),
                           CacheFormats(CacheFormat::f32).with_global(CacheFormat::bf16)};
  const std::uint64_t machines = names.size() * formats.size();
  std::uint64_t run = 0;
  std::uint64_t failed = 0;
  // Programs go round the machines by their numbers, but each machine is made once.
  for (std::uint64_t turn = 0; turn < machines; ++turn) {
    const std::string& name = names[turn / formats.size()];
    const CacheFormats cache = formats[turn % formats.size()];
    Machine machine = Machine::make(name, cache);
    for (std::uint64_t i = first + (turn + machines - first % machines) % machines; i < last; i += machines) {
      ++run;
      const std::string problem = StateProgram(machine, i).run();
      if (problem.empty()) continue;
      if (++failed < 10) FAIL_CHECK(name, " ", name_of(cache), " program ", i, ": ", problem);
    }
  }
  MESSAGE(run, " programs from number ", first, " on: ", failed, " went wrong");
  CHECK(run == last - first);
  CHECK(failed == 0);
}

// --- Saved states that do not fit ---

std::vector<std::byte> state_of(const Sequence& sequence) {
  std::vector<std::byte> bytes;
  must(sequence.save([&](std::span<const std::byte> piece) -> Status {
    bytes.insert(bytes.end(), piece.begin(), piece.end());
    return lamina::Done{};
  }));
  return bytes;
}

Status load_bytes(Sequence& sequence, std::span<const std::byte> bytes) {
  return sequence.load(bytes, "talk.state");
}

std::vector<TokenId> counted_tokens(std::size_t count) {
  std::vector<TokenId> tokens(count);
  for (std::size_t i = 0; i < count; ++i) tokens[i] = static_cast<TokenId>(i * 37 % 500);
  return tokens;
}

void feed_tokens(lamina::Engine& engine, Sequence& sequence, std::size_t count) {
  const std::vector<TokenId> tokens = counted_tokens(count);
  const Feed feed[] = {{&sequence, tokens, Want::none}};
  must(engine.run(feed));
}

/// Gives a header that was changed its checksum, as somebody who writes files by hand would.
void seal_header(std::vector<std::byte>& state, const lamina::StateHeader& header) {
  lamina::StateHeader sealed = header;
  sealed.checksum = lamina::detail::header_checksum(sealed);
  std::memcpy(state.data(), &sealed, sizeof sealed);
}

TEST_CASE("every bit of a state and every cut of it is noticed, and nothing is changed then") {
  const lamina::Model model = state_model("tiny-e2b");
  const CacheFormats mix = CacheFormats(CacheFormat::int8).with_global(CacheFormat::bf16);
  auto engine = must(lamina::Engine::create(model, {.rows = 64, .cache = mix}));
  auto sequence = must(engine.sequence({.context = 100}));
  feed_tokens(engine, sequence, 20);
  const std::vector<std::byte> state = state_of(sequence);
  auto other = must(engine.sequence({.context = 100}));
  feed_tokens(engine, other, 7);
  const std::vector<std::byte> before = state_of(other);
  std::size_t loaded = 0;
  for (std::size_t bit = 0; bit < 8 * state.size(); ++bit) {
    std::vector<std::byte> damaged = state;
    damaged[bit / 8] ^= std::byte{1} << bit % 8;
    if (load_bytes(other, damaged)) ++loaded;
  }
  for (std::size_t size = 0; size < state.size(); ++size) {
    const Status status = load_bytes(other, std::span(state).first(size));
    if (status) ++loaded;
    if (size >= 96) CHECK(status.error().what.view().find("cut off") != std::string_view::npos);
  }
  CHECK(loaded == 0);
  CHECK(state_of(other) == before);
  std::vector<std::byte> longer = state;
  longer.push_back({});
  expect_error(load_bytes(other, longer), ErrorCode::bad_file, "talk.state", "bytes follow");
  must(load_bytes(other, state));
  CHECK(state_of(other) == state);
}

// The byte of one format is what it was before classes of attention could have two.
static_assert(lamina::detail::byte_of(CacheFormat::bf16) == 0 &&
              lamina::detail::byte_of(CacheFormat::int8) == 1 &&
              lamina::detail::byte_of(CacheFormat::f32) == 2);
static_assert(lamina::detail::byte_of(CacheFormats().with_global(CacheFormat::int8)) == 0x20);

TEST_CASE("a state that does not fit is refused by name") {
  const lamina::Model model = state_model("tiny-e2b");
  auto engine = must(lamina::Engine::create(model, {.rows = 64}));
  auto sequence = must(engine.sequence({.context = 100}));
  feed_tokens(engine, sequence, 40);
  std::vector<std::byte> state = state_of(sequence);

  const auto refused = [&](const lamina::Model& by, const lamina::EngineOptions& options,
                           std::uint32_t context) {
    auto one = must(lamina::Engine::create(by, options));
    auto to = must(one.sequence({.context = context}));
    Status status = load_bytes(to, state);
    CHECK(to.position() == (status ? 40 : 0));
    return status;
  };
  expect_error(refused(state_model("tiny-12b"), {}, 100), ErrorCode::mismatch, "talk.state", "another model");
  expect_error(refused(model, {.cache = CacheFormat::int8}, 100), ErrorCode::mismatch, "talk.state",
               "cache format");
  const Status mixed = refused(model, {.cache = CacheFormats().with_global(CacheFormat::int8)}, 100);
  expect_error(mixed, ErrorCode::mismatch, "talk.state", "cache format");
  CHECK(mixed.error().expected.view() == "local=bf16,global=int8");
  CHECK(mixed.error().found.view() == "bf16");
  expect_error(refused(model, {.precision = lamina::Precision::exact}, 100), ErrorCode::mismatch,
               "talk.state", "precision");
  expect_error(refused(model, {.embedding_scale = lamina::EmbeddingScale::float32}, 100), ErrorCode::mismatch,
               "talk.state", "embedding scale");
  expect_error(refused(model, {.blocks = lamina::BlockMask::all_layers}, 100), ErrorCode::mismatch,
               "talk.state", "see each other");
  expect_error(refused(model, {}, 39), ErrorCode::context_full, "talk.state", "longer than the context");
  {
    auto one = must(lamina::Engine::create(model, {.rows = 64, .cache_tokens = 64}));
    auto holder = must(one.sequence({.context = 100}));
    feed_tokens(one, holder, 3);
    auto to = must(one.sequence({.context = 100}));
    expect_error(load_bytes(to, state), ErrorCode::out_of_memory, "pages", "too few");
    must(load_bytes(holder, state));  // takes the place of its own
  }
  must(refused(model, {.rows = 3}, 40));

  lamina::StateHeader header;
  std::memcpy(&header, state.data(), sizeof header);
  const auto changed = [&](auto&& change) {
    std::vector<std::byte> other = state;
    lamina::StateHeader one = header;
    change(one);
    seal_header(other, one);
    return load_bytes(sequence, other);
  };
  expect_error(changed([](auto& h) { h.version = 2; }), ErrorCode::unsupported, "talk.state", "version");
  expect_error(changed([](auto& h) { h.version = 0; }), ErrorCode::unsupported, "talk.state", "version");
  expect_error(changed([](auto& h) { h.weights ^= 1; }), ErrorCode::mismatch, "talk.state", "other weights");
  expect_error(changed([](auto& h) { h.tokens = 41; }), ErrorCode::bad_file, "talk.state", "another size");
  expect_error(changed([](auto& h) { h.tokens = 0xFFFF'FFFF; }), ErrorCode::context_full, "talk.state",
               "longer");
  expect_error(changed([](auto& h) { h.total_bytes = UINT64_MAX; }), ErrorCode::bad_file, "talk.state",
               "another size");
  expect_error(changed([](auto& h) { h.cache = 200; }), ErrorCode::mismatch, "talk.state", "cache format");
  const Status other_mix = changed([](auto& h) { h.cache = 0x12; });
  expect_error(other_mix, ErrorCode::mismatch, "talk.state", "cache format");
  CHECK(other_mix.error().found.view() == "local=f32,global=bf16");
  expect_error(changed([](auto& h) { h.floor = 1; }), ErrorCode::bad_file, "talk.state", "damaged");
  CHECK(sequence.position() == 40);
}

TEST_CASE("a state that says to be whole further back than it can be is not believed") {
  const lamina::Model model = state_model("tiny-e2b");
  auto engine = must(lamina::Engine::create(model, {.rows = 64}));
  auto sequence = must(engine.sequence({.context = 100}));
  feed_tokens(engine, sequence, 40);
  std::vector<std::byte> state = state_of(sequence);
  lamina::StateHeader header;
  std::memcpy(&header, state.data(), sizeof header);
  for (const std::uint32_t floor : {0U, 20U, 0xFFFF'FFFFU}) {
    header.floor = floor;
    seal_header(state, header);
    lamina::Checksum sum;
    sum.add(std::span(state).first(state.size() - 8));
    const std::uint64_t digest = sum.digest();
    std::memcpy(state.data() + state.size() - 8, &digest, 8);
    must(load_bytes(sequence, state));
    CHECK(sequence.rewind_start(38) == 0);
    CHECK(sequence.rewind_start(39) == (floor == 0xFFFF'FFFF ? 0 : 39));
  }
}

TEST_CASE("a source that ends midway leaves everything as it was, and a sink's refusal is told") {
  const lamina::Model model = state_model("tiny-12b");
  auto engine = must(lamina::Engine::create(model, {.rows = 200, .cache_tokens = 1024}));
  auto sequence = must(engine.sequence({.context = 200}));
  feed_tokens(engine, sequence, 150);
  const std::vector<std::byte> state = state_of(sequence);
  auto other = must(engine.sequence({.context = 200}));
  feed_tokens(engine, other, 70);
  const std::vector<std::byte> before = state_of(other);
  const lamina::Error broken{ErrorCode::io, "line", "went dead", "", "", ""};
  std::size_t calls = 0;
  for (bool whole = false; !whole; ++calls) {
    std::span<const std::byte> rest = state;
    std::size_t left = calls;
    const Status status = other.load([&](std::span<std::byte> bytes) -> Status {
      if (left-- == 0) return broken;
      std::copy_n(rest.begin(), bytes.size(), bytes.begin());
      rest = rest.subspan(bytes.size());
      return lamina::Done{};
    });
    whole = static_cast<bool>(status);
    if (!whole) {
      expect_error(status, ErrorCode::io, "line", "went dead");
      REQUIRE(state_of(other) == before);
    }
  }
  CHECK(calls > 5);
  CHECK(state_of(other) == state);
  // No page was lost on the way: as many as there are can be used.
  sequence.reset();
  other.reset();
  auto all = must(engine.sequence({.context = 1024}));
  for (int i = 0; i < 5; ++i) feed_tokens(engine, all, 200);
  feed_tokens(engine, all, 24);

  std::size_t refused = 0;
  for (std::size_t granted = 0;; ++granted) {
    std::size_t left = granted;
    const Status status = all.save([&](std::span<const std::byte>) -> Status {
      if (left-- == 0) return broken;
      return lamina::Done{};
    });
    if (status) break;
    expect_error(status, ErrorCode::io, "line", "went dead");
    ++refused;
    if (refused > 40) granted += 97;
  }
  CHECK(refused > 40);
}

TEST_CASE("however a prompt was cut, its state has the same bytes") {
  const lamina::Model model = state_model("tiny-31b");
  std::vector<std::byte> states[3];
  const std::vector<TokenId> tokens = counted_tokens(200);
  for (std::size_t i = 0; i < 3; ++i) {
    const std::uint32_t piece = std::array<std::uint32_t, 3>{200, 7, 64}[i];
    auto engine = must(lamina::Engine::create(model, {.rows = piece}));
    auto sequence = must(engine.sequence({.context = 256}));
    for (std::size_t at = 0; at < tokens.size(); at += piece) {
      const Feed feed[] = {{&sequence,
                            std::span(tokens).subspan(at, std::min<std::size_t>(piece, tokens.size() - at)),
                            Want::none}};
      must(engine.run(feed));
    }
    states[i] = state_of(sequence);
  }
  CHECK(states[0] == states[1]);
  CHECK(states[0] == states[2]);
}

TEST_CASE("a model and its packed form have one identity, other weights another") {
  for (const std::string name : {"tiny-e2b"}) {
    LoadedModel loaded(first_file(name));
    const lamina::ModelIdentity plain = lamina::identity_of(loaded.file);
    LoadedModel again(first_file(name));
    CHECK(lamina::identity_of(again.file) == plain);
    for (lamina::TensorView& tensor : again.file.tensors) {
      if (tensor.dims[1] == 1) continue;
      // As if it had been trained further: the same names and shapes.
      std::vector<std::byte> bytes(tensor.bytes.begin(), tensor.bytes.end());
      bytes[1] ^= std::byte{1};
      const auto original = std::exchange(tensor.bytes, bytes);
      CHECK(lamina::identity_of(again.file).structure == plain.structure);
      CHECK(lamina::identity_of(again.file).weights != plain.weights);
      tensor.bytes = original;
    }
    again.file.description.rope_base_global *= 2;
    CHECK(lamina::identity_of(again.file) != plain);
  }
}

// --- Limits of going back ---

TEST_CASE("a rewind that cannot be says from where to read, and reading from there is right") {
  const lamina::Model model = state_model("tiny-26b-a4b");
  auto engine = must(lamina::Engine::create(model, {.rows = 64}));
  auto sequence = must(engine.sequence({.context = 600}));
  for (int i = 0; i < 8; ++i) feed_tokens(engine, sequence, 64);
  // Rings of 2 blocks: the last 128 positions, of which the window needs 15 before the next.
  CHECK(sequence.rewind_start(512 - 128 + 15) == 512 - 128 + 15);
  CHECK(sequence.rewind_start(512 - 128 + 14) == 0);
  expect_error(sequence.rewind(300), ErrorCode::bad_argument, "rewind", "moved on");
  CHECK(std::string(sequence.rewind(300).error().hint.view()).find("rewind to 0") != std::string::npos);
  expect_error(sequence.rewind(513), ErrorCode::bad_argument, "rewind", "ahead");
  CHECK(sequence.position() == 512);
  must(sequence.rewind(511));
  must(sequence.rewind(0));
  CHECK(sequence.position() == 0);
  auto foreign = must(lamina::Engine::create(model, {.rows = 64}));
  auto other = must(foreign.sequence({.context = 600}));
  expect_error(other.restore(must(sequence.snapshot())), ErrorCode::bad_argument, "restore",
               "another engine");
  auto little = must(engine.sequence({.context = 10}));
  feed_tokens(engine, sequence, 11);
  expect_error(little.restore(must(sequence.snapshot())), ErrorCode::context_full, "restore", "longer");
  std::byte memory[16];
  expect_error(sequence.snapshot(memory), ErrorCode::out_of_memory, "snapshot", "too small");
  const Sequence moved = std::move(sequence);
  expect_error(sequence.snapshot(), ErrorCode::bad_argument, "sequence", "moved from");
  expect_error(sequence.restore(must(moved.snapshot())), ErrorCode::bad_argument, "sequence", "moved from");
  expect_error(load_bytes(sequence, {}), ErrorCode::bad_argument, "sequence", "moved from");
}

TEST_CASE("a pass that fails takes nothing that can still be gone back to") {
  // Damaged weights would do it as well; too few pages refuse the pass before it starts.
  const lamina::Model model = state_model("tiny-12b");
  auto engine = must(lamina::Engine::create(model, {.rows = 64, .cache_tokens = 64}));
  auto sequence = must(engine.sequence({.context = 200}));
  feed_tokens(engine, sequence, 60);
  const std::vector<std::byte> before = state_of(sequence);
  const std::vector<TokenId> tokens = counted_tokens(10);
  const Feed feed[] = {{&sequence, tokens}};
  expect_error(engine.run(feed), ErrorCode::out_of_memory, "pages", "more tokens");
  CHECK(state_of(sequence) == before);
}

TEST_CASE("keeping costs windows, not contexts, and takes no page from anybody") {
  const lamina::Model model = state_model("tiny-31b");
  // 256 positions for all: exactly those of the sequence.
  auto engine = must(lamina::Engine::create(model, {.rows = 64, .cache_tokens = 256}));
  auto sequence = must(engine.sequence({.context = 256}));
  std::vector<Snapshot> kept;
  for (int i = 0; i < 25; ++i) {
    feed_tokens(engine, sequence, 10);
    kept.push_back(must(sequence.snapshot()));
    CHECK(kept.back().memory_bytes() < 80'000);
  }
  // Going back needs one page for what does not fill one: the sequence's own, if there is no other.
  must(sequence.restore(kept[20]));
  CHECK(sequence.position() == 210);
  feed_tokens(engine, sequence, 46);
}

}  // namespace
