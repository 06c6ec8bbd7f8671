// SPDX-License-Identifier: Apache-2.0
// Contexts to their longest: logits at 2^16, 2^17 and 2^18 tokens against plain loops of doubles, in every
// cache format, and the same bits when one goes back there.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/lamina.hpp>
#include <lamina/testing/random_weights.hpp>

namespace {

namespace long_context {

using namespace lamina;

constexpr AttnShape windowed{.heads = 2, .kv_heads = 1, .head_dim = 8, .window = 16};
constexpr AttnShape everything{.heads = 2, .kv_heads = 1, .head_dim = 16};
constexpr AttnShape one_for_both{.heads = 2, .kv_heads = 1, .head_dim = 16, .key_is_value = true};

/// The last layer that owns keys and values sees everything: of a prompt's tokens it computes nothing else,
/// so that reading n of them takes n steps and not n².
template <class... Attentions>
struct Long {
  static constexpr std::string_view name = "long-context-test";
  static constexpr Dims dims{.hidden = 16, .vocab = 96, .max_context = 262'144};
  using Layers = Schedule<Layer<Attentions, DenseFfn<16>>...>;
};
using KeysAreValues = Long<LocalAttention<windowed>, GlobalAttention<one_for_both>>;
using Shared =
    Long<LocalAttention<windowed>, GlobalAttention<everything>, SharedKv<GlobalAttention<everything>>>;

using Row = std::vector<double>;

/// The same models in plain loops. Source: text-decoder.md §2.
class Twin {
 public:
  explicit Twin(const WeightFile& file) : description_(file.description) {
    for (const TensorView& tensor : file.tensors) {
      std::vector<float> floats(tensor.bytes.size() / sizeof(float));
      std::memcpy(floats.data(), tensor.bytes.data(), tensor.bytes.size());
      tensors_[std::string(tensor.name)] = Row(floats.begin(), floats.end());
    }
  }

  void feed(TokenId token) {
    const Row& embedding = tensor("token_embd.weight");
    const auto hidden = static_cast<std::size_t>(description_.hidden);
    stream_.assign(hidden, 0);
    for (std::size_t i = 0; i < hidden; ++i)
      stream_[i] = embedding[token * hidden + i] * std::sqrt(static_cast<double>(hidden));
    remember("blk.0.", windowed, near_);
    if (near_.size() > windowed.window) near_.pop_front();
    layer("blk.0.", windowed, near_);
    remember("blk.1.", everything, all_);
    ++position_;
  }

  /// Logits after the last token that was fed, [vocab].
  [[nodiscard]] Row logits() {
    --position_;  // of the last one
    for (int i = 1; i < description_.layer_count; ++i)
      layer("blk." + std::to_string(i) + ".", everything, all_);
    ++position_;
    Row logits = product(tensor("token_embd.weight"), normed(stream_, &tensor("output_norm.weight")));
    const double cap = static_cast<double>(description_.final_softcap);
    for (double& logit : logits) logit = cap * std::tanh(logit / cap);
    return logits;
  }

 private:
  struct KeyAndValue {
    Row key;
    Row value;
  };
  using Memory = std::deque<KeyAndValue>;

  [[nodiscard]] const Row& tensor(const std::string& name) const { return tensors_.at(name); }

  [[nodiscard]] static Row normed(Row x, const Row* weight) {
    double squares = 0;
    for (const double value : x) squares += value * value;
    const double factor = 1 / std::sqrt(squares / static_cast<double>(x.size()) + 1e-6);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] *= factor * (weight != nullptr ? (*weight)[i] : 1.0);
    return x;
  }

  [[nodiscard]] static Row product(const Row& matrix, const Row& x) {
    Row y(matrix.size() / x.size());
    for (std::size_t r = 0; r < y.size(); ++r)
      for (std::size_t c = 0; c < x.size(); ++c) y[r] += matrix[r * x.size() + c] * x[c];
    return y;
  }

  /// Element i turned with element i + d/2 by a float32 angle, as in the reference: all of them in layers
  /// with a window, a quarter in the others.
  [[nodiscard]] Row turned(Row x, const AttnShape& shape) const {
    const std::size_t d = x.size();
    const std::size_t pairs = shape.window > 0 ? d / 2 : d / 8;
    const float base = shape.window > 0 ? description_.rope_base_local : description_.rope_base_global;
    for (std::size_t i = 0; i < pairs; ++i) {
      const auto frequency = static_cast<float>(
          std::pow(static_cast<double>(base), -2 * static_cast<double>(i) / static_cast<double>(d)));
      const double angle = static_cast<double>(static_cast<float>(position_) * frequency);
      const double a = x[i];
      const double b = x[i + d / 2];
      x[i] = a * std::cos(angle) - b * std::sin(angle);
      x[i + d / 2] = b * std::cos(angle) + a * std::sin(angle);
    }
    return x;
  }

  void remember(const std::string& name, const AttnShape& shape, Memory& memory) const {
    const Row input = normed(stream_, &tensor(name + "attn_norm.weight"));
    const Row key = product(tensor(name + "attn_k.weight"), input);
    const auto own = tensors_.find(name + "attn_v.weight");
    const Row value = own != tensors_.end() ? product(own->second, input) : key;
    memory.push_back(
        {turned(normed(key, &tensor(name + "attn_k_norm.weight")), shape), normed(value, nullptr)});
  }

  void layer(const std::string& name, const AttnShape& shape, const Memory& memory) {
    const Row input = normed(stream_, &tensor(name + "attn_norm.weight"));
    const Row queries = product(tensor(name + "attn_q.weight"), input);
    const auto d = static_cast<std::ptrdiff_t>(shape.head_dim);
    Row attended;
    for (std::ptrdiff_t head = 0; head < shape.heads; ++head) {
      const Row own(queries.begin() + head * d, queries.begin() + (head + 1) * d);
      const Row q = turned(normed(own, &tensor(name + "attn_q_norm.weight")), shape);
      Row scores;
      for (const KeyAndValue& one : memory) {
        double score = 0;
        for (std::size_t i = 0; i < q.size(); ++i) score += q[i] * one.key[i];
        scores.push_back(score);
      }
      const double largest = *std::max_element(scores.begin(), scores.end());
      double sum = 0;
      Row mean(q.size());
      for (std::size_t at = 0; at < scores.size(); ++at) {
        const double weight = std::exp(scores[at] - largest);
        sum += weight;
        for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += weight * memory[at].value[i];
      }
      for (const double value : mean) attended.push_back(value / sum);
    }
    add(normed(product(tensor(name + "attn_output.weight"), attended),
               &tensor(name + "post_attention_norm.weight")));
    const Row narrow = normed(stream_, &tensor(name + "ffn_norm.weight"));
    Row wide = product(tensor(name + "ffn_up.weight"), narrow);
    const Row gate = product(tensor(name + "ffn_gate.weight"), narrow);
    for (std::size_t i = 0; i < wide.size(); ++i) {
      const double z = gate[i];
      wide[i] *= 0.5 * z * (1 + std::tanh(0.7978845608028654 * (z + 0.044715 * z * z * z)));
    }
    add(normed(product(tensor(name + "ffn_down.weight"), wide), &tensor(name + "post_ffw_norm.weight")));
    const auto scale = tensors_.find(name + "layer_output_scale.weight");
    if (scale == tensors_.end()) return;
    for (double& value : stream_) value *= scale->second[0];
  }

  void add(const Row& row) {
    for (std::size_t i = 0; i < row.size(); ++i) stream_[i] += row[i];
  }

  ModelDescription description_;
  std::map<std::string, Row> tensors_;
  Row stream_;
  Memory near_;
  Memory all_;
  std::uint32_t position_ = 0;
};

/// Fed so far when logits are asked for.
#if defined(LAMINA_SANITIZED)
constexpr std::uint32_t places[] = {1000, 4095, 4096, 8192};
#else
constexpr std::uint32_t places[] = {1000, 65'535, 65'536, 131'072, 131'073, 262'143, 262'144};
#endif

TokenId token_at(std::uint32_t position) {
  return static_cast<TokenId>((std::uint64_t{position} * position * 37 + position / 7 * 5) % 96);
}

/// Largest difference of logits, as part of the largest logit.
double difference(std::span<const float> ours, const Row& theirs) {
  double worst = 0;
  double largest = 0;
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    worst = std::max(worst, std::fabs(static_cast<double>(ours[i]) - theirs[i]));
    largest = std::max(largest, std::fabs(theirs[i]));
  }
  return worst / largest;
}

void feed_to(Session& session, std::uint32_t end) {
  std::vector<TokenId> tokens;
  for (std::uint32_t at = session.position(); at < end; ++at) tokens.push_back(token_at(at));
  const auto status = session.prompt(tokens);
  REQUIRE(static_cast<bool>(status));
}

template <class V>
void check_long_context() {
  const WeightFile file = testing::random_weights<V>(Format::f32, 3);
  std::vector<Row> expected;
  Twin twin(file);
  for (std::uint32_t at = 0; const std::uint32_t place : places) {
    for (; at < place; ++at) twin.feed(token_at(at));
    expected.push_back(twin.logits());
  }
  const auto pool = ThreadPool::create(2);
  REQUIRE(static_cast<bool>(pool));
  // Measured at most 1.1e-6, 0.011 and 0.019, no more at the end than at 1000 tokens: rounded keys and values
  // of two narrow layers.
  const std::pair<CacheFormat, double> formats[] = {
      {CacheFormat::f32, 4e-6}, {CacheFormat::bf16, 2e-2}, {CacheFormat::int8, 4e-2}};
  for (const auto& format : formats) {
    const CacheFormat cache = format.first;
    auto made = Session::create(
        native::make_model_entry<V>(), file,
        {.context = 262'144, .precision = Precision::exact, .cache = cache, .executor = pool->get()});
    REQUIRE(static_cast<bool>(made));
    Session session = std::move(*made);
    std::vector<Snapshot> kept;
    std::vector<std::vector<float>> found;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      feed_to(session, places[i] - 3);
      auto snapshot = session.snapshot();
      REQUIRE(static_cast<bool>(snapshot));
      kept.push_back(std::move(*snapshot));
      feed_to(session, places[i]);
      found.emplace_back(session.logits().begin(), session.logits().end());
      CAPTURE(places[i]);
      CAPTURE(static_cast<int>(cache));
      CHECK(difference(found.back(), expected[i]) < format.second);
    }
    for (std::size_t i = 0; i < kept.size(); ++i) {
      const auto restored = session.restore(kept[i]);
      REQUIRE(static_cast<bool>(restored));
      feed_to(session, places[i] - 1);
      feed_to(session, places[i]);
      CAPTURE(places[i]);
      CHECK(std::ranges::equal(session.logits(), found[i]));
    }
  }
}

TEST_CASE("contexts of 2^18 tokens: keys that are values") { check_long_context<KeysAreValues>(); }

TEST_CASE("contexts of 2^18 tokens: layers that share keys and values") { check_long_context<Shared>(); }

}  // namespace long_context

}  // namespace
