// SPDX-License-Identifier: Apache-2.0
// Own kinds of attention: what they state against plain numbers, kinds with weights and a kernel of their
// own, and views of caches.
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/lamina.hpp>
#include <lamina/testing/random_weights.hpp>

namespace {

using namespace lamina;

constexpr AttnShape shape{.heads = 4, .kv_heads = 2, .head_dim = 12, .window = 8};

/// States that it has no norm at all, and everything else.
struct Stated {
  static constexpr AttnShape shape = ::shape;
  static constexpr bool owns_kv = true;
  static constexpr bool query_norm = false;
  static constexpr bool key_norm = false;
  static constexpr bool value_norm = false;
  static constexpr float query_scale = 0.375F;
  static constexpr float rope_base = 50.0F;
  static constexpr int rotary_pairs = 4;
};

/// The same attention with weights of its own, without members for norms of heads, and a kernel of its own.
struct Built : Stated {};
struct BuiltWeights {
  WeightMatrix norm;
  Linear query, key, value, output;
  WeightMatrix post_norm;
};

/// As `Stated`, but the file's base counts.
struct Described : Stated {
  static constexpr float rope_base = 0;
};

}  // namespace

template <>
struct lamina::Slots<Built> {
  using Weights = BuiltWeights;
  static constexpr std::array<Slot<Weights>, 6> list(const Dims& dims) {
    constexpr int query = shape.heads * shape.head_dim;
    constexpr int key = shape.kv_heads * shape.head_dim;
    return {{{&Weights::norm, "attn_norm.weight", 1, dims.hidden, 1, SlotUse::vector},
             {&Weights::query, "attn_q.weight", query, dims.hidden},
             {&Weights::key, "attn_k.weight", key, dims.hidden},
             {&Weights::value, "attn_v.weight", key, dims.hidden},
             {&Weights::output, "attn_output.weight", dims.hidden, query},
             {&Weights::post_norm, "post_attention_norm.weight", 1, dims.hidden, 1, SlotUse::vector}}};
  }
};

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
template <>
struct AttentionKernel<Built> {
  using Sizes = AttentionSizes<Built>;
  static void run(Pass& pass, const BuiltWeights& w, const AttentionSite& site) noexcept {
    normalise_stream(pass, w.norm.f32());
    project(pass, {{w.value, pass.work.value, Sizes::kv_width}});
    project(pass, {{w.key, pass.work.key, Sizes::kv_width}});
    project(pass, {{w.query, pass.work.query, Sizes::query_width}});
    store_keys_and_values<Built>(pass, nullptr, site.rotary);
    finish_queries<Built>(pass, nullptr, site.rotary);
    attend_all<Built>(pass);
    project_attended<Built>(pass, w.output);
    add_branch(pass, w.post_norm.f32());
  }
};
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

namespace {

template <class Attention>
struct Model {
  static constexpr std::string_view name = "own-attention";
  static constexpr Dims dims{.hidden = 32, .vocab = 96};
  using Layers =
      Schedule<Repeat<2, Layer<Attention, DenseFfn<40>>>, Layer<SharedKv<Attention>, DenseFfn<40>>>;
};
/// `SharedKv<Built>` has the standard weights: it runs through the library's kernel.
template <class Attention>
struct Owners : Model<Attention> {
  using Layers = Schedule<Repeat<3, Layer<Attention, DenseFfn<40>>>>;
};

/// Keeps what the first layer shows.
class FirstLayer final : public PassObserver {
 public:
  void show(PassValue what, std::uint32_t layer, const float* values, std::size_t rows,
            std::size_t width) noexcept override {
    if (layer == 0 && seen.count(what) == 0) seen[what].assign(values, values + rows * width);
  }
  void show_routing(std::uint32_t, std::span<const RoutedExpert>, std::size_t) noexcept override {}
  std::map<PassValue, std::vector<float>> seen;
};

template <class V>
std::vector<float> logits_of(const WeightFile& file, std::span<const TokenId> tokens,
                             PassObserver* observer = nullptr, CacheFormats cache = CacheFormat::f32) {
  auto session = Session::create(
      native::make_model_entry<V>(), file,
      {.context = 256, .chunk = 16, .precision = Precision::exact, .cache = cache, .observer = observer});
  const std::string problem = session ? "" : describe(session.error()).c_str();
  REQUIRE_MESSAGE(static_cast<bool>(session), problem);
  REQUIRE(static_cast<bool>(session->prompt(tokens)));
  return {session->logits().begin(), session->logits().end()};
}

std::vector<TokenId> some_tokens() {
  std::vector<TokenId> tokens(100);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<TokenId>((i * 37 + 5) % 96);
  return tokens;
}

std::vector<float> tensor(const WeightFile& file, const char* name) {
  const TensorView* found = file.find(name);
  REQUIRE(found != nullptr);
  std::vector<float> values(found->bytes.size() / sizeof(float));
  std::memcpy(values.data(), found->bytes.data(), found->bytes.size());
  return values;
}

/// W · RMS(x; norm), in doubles.
std::vector<double> projected(const WeightFile& file, const char* matrix, std::span<const float> x) {
  const std::vector<float> norm = tensor(file, "blk.0.attn_norm.weight");
  const std::vector<float> weights = tensor(file, matrix);
  double squares = 0;
  for (const float value : x) squares += double{value} * double{value};
  const double factor = 1 / std::sqrt(squares / static_cast<double>(x.size()) + 1e-6);
  std::vector<double> y(weights.size() / x.size());
  for (std::size_t r = 0; r < y.size(); ++r) {
    for (std::size_t c = 0; c < x.size(); ++c)
      y[r] += double{weights[r * x.size() + c]} * double{x[c]} * factor * double{norm[c]};
  }
  return y;
}

/// Turns the first pairs of every head as position `position` does.
std::vector<double> turned(std::vector<double> x, int pairs, double base, double position) {
  for (std::size_t head = 0; head < x.size(); head += shape.head_dim) {
    for (int i = 0; i < pairs; ++i) {
      const double angle = position * std::pow(base, -2.0 * i / shape.head_dim);
      double& low = x[head + static_cast<std::size_t>(i)];
      double& high = x[head + static_cast<std::size_t>(i + shape.head_dim / 2)];
      const double turned_low = low * std::cos(angle) - high * std::sin(angle);
      high = high * std::cos(angle) + low * std::sin(angle);
      low = turned_low;
    }
  }
  return x;
}

void check_close(std::span<const float> values, std::span<const double> expected, double factor) {
  REQUIRE(values.size() == expected.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    CHECK(double{values[i]} == doctest::Approx(expected[i] * factor).epsilon(1e-5).scale(1.0));
}

/// Checks query, key and value of the second of two equal tokens, for a kind without norms.
template <class Kind>
void check_second_row(double base) {
  const WeightFile file = testing::random_weights<Model<Kind>>(Format::f32, 4);
  FirstLayer first;
  const TokenId tokens[] = {11, 11};
  logits_of<Model<Kind>>(file, tokens, &first);
  const std::span<const float> embedding = std::span<const float>(first.seen[PassValue::embedding]).last(32);
  const auto last = [&](PassValue what) {
    const std::vector<float>& both = first.seen[what];
    return std::span<const float>(both).last(both.size() / 2);
  };
  check_close(last(PassValue::value), projected(file, "blk.0.attn_v.weight", embedding), 1);
  // Wanted rows come first: the second token may be row 0, so positions are told by which row is turned.
  check_close(std::span<const float>(first.seen[PassValue::key]).first(24),
              turned(projected(file, "blk.0.attn_k.weight", embedding), 4, base, 1), 1);
  check_close(last(PassValue::key), projected(file, "blk.0.attn_k.weight", embedding), 1);
  check_close(std::span<const float>(first.seen[PassValue::query]).first(48),
              turned(projected(file, "blk.0.attn_q.weight", embedding), 4, base, 1), 0.375);
}

TEST_CASE("what a kind states of norms, scale, base and pairs is what its rows are") {
  check_second_row<Stated>(50.0);
  check_second_row<Described>(10'000.0);
}

TEST_CASE("a kind with weights and a kernel of its own, built from the steps, computes the same bits") {
  const WeightFile file = testing::random_weights<Owners<Stated>>(Format::q8_0, 9);
  CHECK(logits_of<Owners<Stated>>(file, some_tokens()) == logits_of<Owners<Built>>(file, some_tokens()));
}

TEST_CASE("a view of a cache is refused where its shape, its format or its norm is not the reader's") {
  using Local = LocalAttention<shape>;
  using Global = GlobalAttention<AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 16, .key_is_value = true}>;
  const KvRows local = kv_view<LayoutOf<Local, CacheFormat::int8>>(2);
  CHECK(check_cache_view<Local>(local, CacheFormat::int8));
  CHECK(check_cache_view<SharedKv<Local>>(local, CacheFormat::int8));
  CHECK_FALSE(check_cache_view<Local>(local, CacheFormat::bf16));
  CHECK_FALSE(check_cache_view<Global>(local, CacheFormat::int8));
  CHECK_FALSE(check_cache_view<Local>(kv_view<LayoutOf<Local, CacheFormat::int8>>(1), CacheFormat::int8));
  using Wider = LocalAttention<AttnShape{.heads = 4, .kv_heads = 2, .head_dim = 16, .window = 8}>;
  CHECK_FALSE(check_cache_view<Wider>(local, CacheFormat::int8));

  KvRows global = kv_view<LayoutOf<Global, CacheFormat::bf16>>(1);
  const Status without = check_cache_view<Global>(global, CacheFormat::bf16);
  REQUIRE_FALSE(without);
  CHECK(without.error().code == ErrorCode::mismatch);
  CHECK(without.error().expected.view() == "KvRows::key_norm");
  const std::array<float, 16> norm{};
  global.key_norm = norm.data();
  CHECK(check_cache_view<Global>(global, CacheFormat::bf16));
  using Apart = GlobalAttention<AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 16}>;
  const Status other = check_cache_view<Apart>(global, CacheFormat::bf16);
  REQUIRE_FALSE(other);
  CHECK(other.error().found.view() == "1 kv heads of 16, 2 pairs shared, bf16");
}

/// Sees few tokens of a cache that holds all: its class is the owner's.
struct Near : SharedKv<GlobalAttention<AttnShape{.heads = 2, .kv_heads = 1, .head_dim = 16}>> {
  static constexpr AttnShape shape{.heads = 2, .kv_heads = 1, .head_dim = 16, .window = 4};
};
constexpr CacheFormats mix = CacheFormats(CacheFormat::bf16).with_global(CacheFormat::int8);
static_assert(cache_format_of<Stated>(mix) == CacheFormat::bf16);
static_assert(cache_format_of<SharedKv<Stated>>(mix) == CacheFormat::bf16);
static_assert(cache_format_of<Near::owner>(mix) == CacheFormat::int8);
static_assert(cache_format_of<Near>(mix) == CacheFormat::int8);

/// Owners of both classes, and readers: one of its owner's class, one that sees less of the other's.
struct Classes : Model<Stated> {
  using Layers = Schedule<Layer<Stated, DenseFfn<40>>, Layer<Near::owner, DenseFfn<40>>,
                          Layer<SharedKv<Stated>, DenseFfn<40>>, Layer<Near, DenseFfn<40>>>;
};

TEST_CASE("every class of attention keeps its format, and readers read that of their owner") {
  const WeightFile file = testing::random_weights<Classes>(Format::f32, 4);
  CacheOf<Classes> cache;
  EngineOptions engine;
  engine.rows = 4;
  engine.cache = mix;
  std::vector<std::byte> memory(std::size_t{1} << 16);
  Arena arena(memory);
  cache.take(engine, {.context = 64}, nullptr, arena);
  REQUIRE_FALSE(arena.overflowed());
  const CacheFormat expected[] = {CacheFormat::bf16, CacheFormat::int8, CacheFormat::bf16, CacheFormat::int8};
  for (std::size_t layer = 0; layer < std::size(expected); ++layer)
    CHECK(cache.layers[layer].format == expected[layer]);
  CHECK(static_cast<bool>(cache.check(mix)));
  for (const CacheFormats other : {CacheFormats(CacheFormat::bf16), CacheFormats(CacheFormat::int8)})
    CHECK_FALSE(static_cast<bool>(cache.check(other)));
}

TEST_CASE("the format of a class rounds the keys and values of its layers, and of no others") {
  const WeightFile file = testing::random_weights<Classes>(Format::f32, 4);
  FirstLayer exact;
  std::vector<std::vector<float>> logits{logits_of<Classes>(file, some_tokens(), &exact)};
  for (const CacheFormat local : {CacheFormat::f32, CacheFormat::int8}) {
    FirstLayer first;  // a local one
    logits.push_back(
        logits_of<Classes>(file, some_tokens(), &first, CacheFormats(local).with_global(CacheFormat::int8)));
    const bool is_exact = first.seen[PassValue::attended] == exact.seen[PassValue::attended];
    CHECK(is_exact == (local == CacheFormat::f32));
  }
  CHECK(logits[0] != logits[1]);
  CHECK(logits[1] != logits[2]);
}

constexpr AttnShape shared_rows{.heads = 2, .kv_heads = 1, .head_dim = 16, .key_is_value = true};

/// Two owners whose value is the raw key, something else between them, and a reader of the second.
struct Reading : Model<Stated> {
  using KeyIsValue = GlobalAttention<shared_rows>;
  using Layers = Schedule<Layer<KeyIsValue, DenseFfn<40>>, Layer<Stated, DenseFfn<40>>,
                          Layer<KeyIsValue, DenseFfn<40>>, Layer<SharedKv<KeyIsValue>, DenseFfn<40>>>;
};

TEST_CASE("views of caches carry the norm of their owner, for readers too") {
  const WeightFile file = testing::random_weights<Reading>(Format::f32, 2);
  Arena measuring = Arena::measuring();
  BoundModel<Reading>::measure(measuring);
  std::vector<std::byte> memory(measuring.bytes_needed() + 65'536);
  Arena arena(memory);
  BoundModel<Reading> model;
  REQUIRE(static_cast<bool>(model.bind(file, arena)));
  CacheOf<Reading> cache;
  EngineOptions engine;
  engine.rows = 4;
  cache.take(engine, {.context = 64}, &model.weights, arena);
  REQUIRE_FALSE(arena.overflowed());
  CHECK(static_cast<bool>(cache.check(engine.cache)));
  CHECK_FALSE(static_cast<bool>(cache.check(CacheFormat::f32)));
  const std::vector<float> third = tensor(file, "blk.2.attn_k_norm.weight");
  for (const std::size_t layer : {std::size_t{2}, std::size_t{3}}) {
    REQUIRE(cache.layers[layer].key_norm != nullptr);
    CHECK(std::memcmp(cache.layers[layer].key_norm, third.data(), 64) == 0);
  }
  CHECK(cache.layers[0].key_norm != cache.layers[2].key_norm);
  CHECK(cache.layers[1].key_norm == nullptr);

  // Matrices are numbered in the order in which they are visited, absent ones too.
  std::vector<std::string> names;
  ModelWeights<Reading>::visit_matrices(
      [](void* context, std::string_view name) {
        static_cast<std::vector<std::string>*>(context)->emplace_back(name);
      },
      &names);
  const auto named = [&](const Linear& linear) { return linear.id == 0 ? "" : names[linear.id - 1]; };
  CHECK(named(model.weights.global.embedding) == "token_embd.weight");
  CHECK(named(model.weights.global.head) == "output.weight");
  CHECK(named(model.weights.layer<0>(2).attention.q) == "blk.2.attn_q.weight");
  CHECK(named(model.weights.layer<1>(1).attention.v) == "blk.1.attn_v.weight");
  CHECK(named(model.weights.layer<2>(3).ffn.down) == "blk.3.ffn_down.weight");
}

}  // namespace
