// SPDX-License-Identifier: Apache-2.0
// What a session keeps and refuses: moved files and sessions, options of no meaning, one pool for two of
// them, passes that are too large, and own kinds of attention that do not keep the rules. With models made
// for it.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/lamina.hpp>
#include <lamina/testing/random_weights.hpp>

#include "support/cache_formats.hpp"

namespace {

using namespace lamina;

/// Sees the tokens of its own block of `window`; a correct kind.
template <AttnShape S>
struct BlockAttention {
  static constexpr AttnShape shape = S;
  static constexpr bool owns_kv = true;
  static constexpr KeyRange visible(std::uint32_t position) {
    return {position / S.window * S.window, position + 1};
  }
};

/// What `LateAttention` sees at position 40, after the compiler has looked; changed by the tests.
KeyRange at_position_40;

/// Its range is not known to the compiler.
template <AttnShape S>
struct LateAttention {
  static constexpr AttnShape shape = S;
  static constexpr bool owns_kv = true;
  static KeyRange visible(std::uint32_t position) {
    return position == 40 ? at_position_40 : causal_keys(position, S.window);
  }
};

/// The last that owns keys and values, with a kernel that does not drop rows (below).
template <AttnShape S>
struct KeepingAttention {
  static constexpr AttnShape shape = S;
  static constexpr bool owns_kv = true;
};

constexpr AttnShape local_4{.heads = 3, .kv_heads = 1, .head_dim = 4, .window = 8};
constexpr AttnShape local_12{.heads = 4, .kv_heads = 2, .head_dim = 12, .window = 8};
constexpr AttnShape global_16{.heads = 2, .kv_heads = 1, .head_dim = 16, .key_is_value = true};
constexpr AttnShape global_8{.heads = 2, .kv_heads = 2, .head_dim = 8};

template <class... Attentions>
struct Model {
  static constexpr std::string_view name = "session-test";
  static constexpr Dims dims{.hidden = 32, .vocab = 96, .max_context = 4096};
  using Layers = Schedule<Layer<Attentions, DenseFfn<32>>...>;
};

using Plain = Model<LocalAttention<local_4>, GlobalAttention<global_8>, SharedKv<LocalAttention<local_4>>>;
using Small = Model<LocalAttention<local_4>, LocalAttention<local_12>, GlobalAttention<global_16>,
                    GlobalAttention<global_8>>;
using Blocks = Model<BlockAttention<local_12>, SharedKv<BlockAttention<local_12>>>;
using Late = Model<LateAttention<local_4>, SharedKv<LateAttention<local_4>>>;
using Keeping =
    Model<GlobalAttention<global_8>, KeepingAttention<local_4>, SharedKv<KeepingAttention<local_4>>>;
using Dropping = Model<GlobalAttention<global_8>, LocalAttention<local_4>, SharedKv<LocalAttention<local_4>>>;

}  // namespace

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
/// As the library's, but it cannot store keys and values apart.
template <AttnShape S>
struct AttentionKernel<KeepingAttention<S>> {
  static void run(Pass& pass, const AttentionWeights& weights, const AttentionSite& site) noexcept {
    AttentionKernel<LocalAttention<S>>::run(pass, weights, site);
  }
};
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

namespace {

template <class V>
const ModelEntry& entry_of() {
  return native::make_model_entry<V>();
}

SessionOptions small_options() {
  SessionOptions options;
  options.context = 96;
  options.chunk = 16;
  options.logits_rows = 4;
  options.precision = Precision::exact;
  return options;
}

template <class V>
Session make(const WeightFile& file, const SessionOptions& options) {
  auto session = Session::create(entry_of<V>(), file, options);
  const std::string problem = session ? "" : describe(session.error()).c_str();
  REQUIRE_MESSAGE(static_cast<bool>(session), problem);
  return std::move(*session);
}

std::vector<TokenId> some_tokens(std::size_t count) {
  std::vector<TokenId> tokens(count);
  for (std::size_t i = 0; i < count; ++i) tokens[i] = static_cast<TokenId>((i * 37 + 5) % 96);
  return tokens;
}

std::vector<float> copy_of(std::span<const float> logits) { return {logits.begin(), logits.end()}; }

/// Logits after all tokens, fed as prompt.
std::vector<float> logits_after(Session& session, std::span<const TokenId> tokens) {
  session.reset();
  REQUIRE(static_cast<bool>(session.prompt(tokens)));
  return copy_of(session.logits());
}

// --- Lifetimes ---

TEST_CASE("a weight file may be moved while sessions read it") {
  auto file = std::make_unique<WeightFile>(testing::random_weights<Plain>(Format::f32, 1));
  file->description.final_softcap = 3.0F;
  file->description.norm_epsilon = 1e-3F;
  Session session = make<Plain>(*file, small_options());
  const std::vector<TokenId> tokens = some_tokens(20);
  const std::vector<float> before = logits_after(session, tokens);
  const WeightFile moved = std::move(*file);
  file->description.final_softcap = 1e-6F;
  file->description.norm_epsilon = 1e6F;
  CHECK(logits_after(session, tokens) == before);
  file.reset();
  CHECK(logits_after(session, tokens) == before);
}

TEST_CASE("a session that was moved from refuses to be fed and touches nothing of the new one") {
  const WeightFile file = testing::random_weights<Plain>(Format::f32, 1);
  const std::vector<TokenId> tokens = some_tokens(20);
  Session first = make<Plain>(file, small_options());
  Session second = make<Plain>(file, small_options());
  const std::vector<float> expected = logits_after(second, tokens);
  second.reset();

  REQUIRE(static_cast<bool>(first.prompt(std::span(tokens).first(10))));
  Session taken(std::move(first));
  const auto is_inert = [](Session& session) {
    const Status prompted = session.prompt(std::vector<TokenId>{1, 2});
    CHECK(!prompted);
    CHECK((!prompted && prompted.error().code == ErrorCode::bad_argument));
    CHECK(!session.prompt({}));
    CHECK(!session.step(1));
    CHECK(!session.logits_of(std::vector<TokenId>{1}));
    CHECK(session.logits().empty());
    CHECK(session.position() == 0);
    CHECK(session.memory_bytes() == 0);
    session.reset();
    CHECK(!session.step(1));
  };
  is_inert(first);  // NOLINT(bugprone-use-after-move)
  REQUIRE(static_cast<bool>(taken.prompt(std::span(tokens).subspan(10))));
  CHECK(copy_of(taken.logits()) == expected);

  second = std::move(taken);
  is_inert(taken);  // NOLINT(bugprone-use-after-move)
  CHECK(copy_of(second.logits()) == expected);
  CHECK(second.position() == 20);
  first = std::move(second);  // one that was moved from can be used again
  is_inert(second);           // NOLINT(bugprone-use-after-move)
  CHECK(logits_after(first, tokens) == expected);
  Session& same = first;
  first = std::move(same);
  CHECK(logits_after(first, tokens) == expected);
}

TEST_CASE("nothing was fed, nothing is sampled") {
  const WeightFile file = testing::random_weights<Plain>(Format::f32, 1);
  Session session = make<Plain>(file, small_options());
  auto sampler = Sampler::create({}, session.vocab(), {});
  REQUIRE(static_cast<bool>(sampler));
  REQUIRE(static_cast<bool>(session.prompt({})));
  CHECK(session.logits().empty());
  CHECK(!sampler->sample(session.logits()));
  REQUIRE(static_cast<bool>(session.step(3)));
  CHECK(static_cast<bool>(sampler->sample(session.logits())));
  const auto rows = session.logits_of(std::vector<TokenId>{1, 2, 3});
  REQUIRE(static_cast<bool>(rows));
  CHECK(!sampler->sample(*rows));  // three rows are no row
  session.reset();
  CHECK(!sampler->sample(session.logits()));
}

// --- Options ---

TEST_CASE("options without a meaning are refused by name") {
  struct NoThreads final : Executor {
    [[nodiscard]] std::uint32_t width() const noexcept override { return 0; }
    void run(Job, void*, std::uint32_t) noexcept override {}
  };
  const WeightFile file = testing::random_weights<Plain>(Format::f32, 1);
  NoThreads nobody;
  const auto where = [&file](auto change) {
    SessionOptions options = small_options();
    change(options);
    const auto session = Session::create(entry_of<Plain>(), file, options);
    if (session) return std::string("accepted");
    CHECK(session.error().code == ErrorCode::bad_argument);
    CHECK(session.error().hint.view().find("-c") == std::string_view::npos);
    return std::string(session.error().where.view());
  };
  CHECK(where([](auto&) {}) == "accepted");
  for (const int value : {3, 17, 255}) {
    CHECK(where([=](auto& o) { o.precision = static_cast<Precision>(value - 1); }) == "precision");
    CHECK(where([=](auto& o) { o.cache = static_cast<CacheFormat>(value); }) == "cache");
    CHECK(where([=](auto& o) { o.cache.global = static_cast<CacheFormat>(value); }) == "cache");
    CHECK(where([=](auto& o) { o.embedding_scale = static_cast<EmbeddingScale>(value); }) ==
          "embedding_scale");
  }
  CHECK(where([](auto& o) { o.context = 0; }) == "context");
  CHECK(where([](auto& o) { o.context = 4097; }) == "context");
  CHECK(where([](auto& o) { o.chunk = 0; }) == "chunk");
  CHECK(where([](auto& o) { o.logits_rows = 17; }) == "logits_rows");
  CHECK(where([&](auto& o) { o.executor = &nobody; }) == "executor");
}

// --- One pool ---

TEST_CASE("sessions on one pool compute at the same time, with the same bits as alone") {
  const WeightFile file = testing::random_weights<Plain>(Format::q8_0, 1);
  auto pool = ThreadPool::create(3);
  REQUIRE(static_cast<bool>(pool));
  SessionOptions options = small_options();
  Session alone = make<Plain>(file, options);
  options.executor = pool->get();
  constexpr std::size_t callers = 3;
  std::vector<std::vector<TokenId>> tokens;
  std::vector<std::vector<float>> expected;
  std::vector<Session> sessions;
  for (std::size_t i = 0; i < callers; ++i) {
    tokens.push_back(some_tokens(40 + i));
    std::rotate(tokens[i].begin(), tokens[i].begin() + static_cast<std::ptrdiff_t>(i), tokens[i].end());
    expected.push_back(logits_after(alone, tokens[i]));
    sessions.push_back(make<Plain>(file, options));
  }
  std::array<int, callers> wrong{};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < callers; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 30; ++round) {
        sessions[i].reset();
        bool same = static_cast<bool>(sessions[i].prompt(std::span(tokens[i]).first(30)));
        for (const TokenId token : std::span(tokens[i]).subspan(30)) same = same && sessions[i].step(token);
        if (!same || copy_of(sessions[i].logits()) != expected[i]) ++wrong[i];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::array<int, callers>{});
}

// --- Passes ---

TEST_CASE("an own kernel that keeps rows nobody wants costs time and nothing else") {
  const WeightFile file = testing::random_weights<Dropping>(Format::f32, 1);
  Session dropping = make<Dropping>(file, small_options());
  Session keeping = make<Keeping>(file, small_options());
  const std::vector<TokenId> tokens = some_tokens(50);
  CHECK(logits_after(keeping, tokens) == logits_after(dropping, tokens));
  const auto kept = keeping.logits_of(std::span(tokens).first(3));
  const auto dropped = dropping.logits_of(std::span(tokens).first(3));
  REQUIRE(static_cast<bool>(kept));
  REQUIRE(static_cast<bool>(dropped));
  CHECK(copy_of(*kept) == copy_of(*dropped));
}

// --- Attention kinds ---

TEST_CASE("the range that a kind sees is checked for every position of the context") {
  const WeightFile file = testing::random_weights<Late>(Format::f32, 1);
  SessionOptions options = small_options();
  const auto problem = [&](KeyRange keys) {
    at_position_40 = keys;
    const auto session = Session::create(entry_of<Late>(), file, options);
    if (session) return std::string("accepted");
    CHECK(session.error().code == ErrorCode::unsupported);
    CHECK(session.error().where.view() == "visible");
    CHECK(std::string(session.error().what.view()).find("position 40 ") != std::string::npos);
    return std::string(session.error().found.view());
  };
  CHECK(problem({33, 41}) == "accepted");
  CHECK(problem({33, 33}) == "accepted");  // sees nothing
  CHECK(problem({0, 0}) == "accepted");
  CHECK(problem({36, 39}) == "accepted");
  CHECK(problem({32, 41}) == "32 to 41");
  CHECK(problem({0, 41}) == "0 to 41");
  CHECK(problem({33, 42}) == "33 to 42");
  CHECK(problem({41, 42}) == "41 to 42");
  CHECK(problem({33, 0xFFFFFFFF}) == "33 to 4294967295");
  CHECK(problem({40, 39}) == "40 to 39");
  options.context = 40;  // the position is never reached
  CHECK(problem({0, 41}) == "accepted");
}

static_assert(visible_keys<SharedKv<BlockAttention<local_12>>>(19).first == 16);  // sees what its owner sees
static_assert(can_see({0, 0}, 0, 4) && can_see({0, 1}, 0, 4) && !can_see({0, 2}, 0, 4) &&
              !can_see({1, 0}, 0, 4));
static_assert(can_see({7, 11}, 10, 4) && !can_see({6, 11}, 10, 4) && can_see({0, 11}, 10, 0));

template <class V>
void check_chunks(const char* name) {
  CAPTURE(name);
  const WeightFile file = testing::random_weights<V>(Format::f32, 1);
  const std::vector<TokenId> tokens = some_tokens(90);
  auto pool = ThreadPool::create(2);
  REQUIRE(static_cast<bool>(pool));
  for (const CacheFormats cache : cache_formats) {
    SessionOptions options = small_options();
    options.cache = cache;
    std::vector<float> expected;
    for (const std::uint32_t chunk : {96U, 1U, 7U, 16U}) {
      options.chunk = chunk;
      options.logits_rows = 1;
      options.executor = chunk == 7 ? pool->get() : nullptr;
      Session session = make<V>(file, options);
      const std::vector<float> logits = logits_after(session, tokens);
      if (expected.empty()) {
        expected = logits;
        CHECK(std::all_of(logits.begin(), logits.end(), [](float x) { return x == x && x * 0 == 0; }));
        CHECK(std::count(logits.begin(), logits.end(), logits[0]) < 3);
      }
      CHECK(logits == expected);
    }
  }
}

TEST_CASE("small heads and own kinds give the same bits for every chunk and every number of threads") {
  check_chunks<Small>("head_dim 4, 12, 16 with K=V, 8");
  check_chunks<Blocks>("blocks, shared");
}

// --- What is kept and saved ---

std::vector<std::byte> saved(const Session& session) {
  std::vector<std::byte> bytes;
  REQUIRE(static_cast<bool>(session.save([&bytes](std::span<const std::byte> piece) -> Status {
    bytes.insert(bytes.end(), piece.begin(), piece.end());
    return Done{};
  })));
  return bytes;
}

TEST_CASE(
    "states of rows that end in padding hold zeros there, whatever memory held, and go on with the same "
    "bits") {
  const WeightFile file = testing::random_weights<Small>(Format::f32, 1);
  const std::vector<TokenId> tokens = some_tokens(90);
  for (const CacheFormat cache : {CacheFormat::bf16, CacheFormat::int8, CacheFormat::f32}) {
    SessionOptions options = small_options();
    options.cache = cache;
    std::vector<std::vector<std::byte>> states;
    for (const int fill : {0x00, 0xFF, 0x5A}) {
      std::vector<std::byte> memory(Session::bytes(entry_of<Small>(), options), static_cast<std::byte>(fill));
      auto session = Session::create(entry_of<Small>(), file, options, memory);
      REQUIRE(static_cast<bool>(session));
      REQUIRE(static_cast<bool>(session->prompt(std::span(tokens).first(75))));
      states.push_back(saved(*session));
      // A snapshot has its own memory, too: nothing of it may be read that was not copied.
      std::vector<std::byte> room(session->snapshot_bytes(), static_cast<std::byte>(0xFF));
      std::vector<float> expected;
      {
        auto snapshot = session->snapshot(room);
        REQUIRE(static_cast<bool>(snapshot));
        REQUIRE(static_cast<bool>(session->prompt(std::span(tokens).subspan(75))));
        expected = copy_of(session->logits());
        REQUIRE(static_cast<bool>(session->restore(*snapshot)));
        CHECK(session->logits().empty());
        // A page of the two is the snapshot's, too: there is none to read into, and nothing is changed.
        const Status refused = session->load(std::span<const std::byte>(states[0]));
        CHECK(!refused);
        CHECK(saved(*session) == states[0]);
      }
      REQUIRE(static_cast<bool>(session->prompt(std::span(tokens).subspan(75))));
      CHECK(copy_of(session->logits()) == expected);
      REQUIRE(static_cast<bool>(session->load(std::span<const std::byte>(states[0]))));
      CHECK(saved(*session) == states[0]);
      REQUIRE(static_cast<bool>(session->prompt(std::span(tokens).subspan(75))));
      CHECK(copy_of(session->logits()) == expected);
      // All pages of this session are its own: the state took their place.
      REQUIRE(static_cast<bool>(session->load(std::span<const std::byte>(states[0]))));
      REQUIRE(static_cast<bool>(session->rewind(74)));
      REQUIRE(static_cast<bool>(session->prompt(std::span(tokens).subspan(74))));
      CHECK(copy_of(session->logits()) == expected);
    }
    CHECK(states[1] == states[0]);
    CHECK(states[2] == states[0]);
  }
}

}  // namespace
