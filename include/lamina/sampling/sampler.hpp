// SPDX-License-Identifier: Apache-2.0
// Logits to the next token: suppressed tokens, repetition penalty, top-k, top-p, min-p, temperature, in this
// order. Source: tokenizer-and-chat.md §9 (published defaults, suppression); the order is llama.cpp's.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/core/types.hpp>
#include <lamina/sampling/random.hpp>
#include <lamina/sampling/token_mask.hpp>

namespace lamina {

/// How to choose tokens; the defaults are those published with every Gemma 4 model.
struct SamplingOptions {
  float temperature = 1.0F;  ///< 0 chooses the most likely token, without chance
  std::uint32_t top_k = 64;  ///< keep so many of the most likely tokens; 0 keeps all
  float top_p = 0.95F;       ///< keep the fewest tokens that together have this probability; 1 keeps all
  float min_p = 0.0F;        ///< keep tokens at least so likely, relative to the likeliest; 0 keeps all
  float repetition_penalty = 1.0F;       ///< above 1 makes recent tokens less likely; 1 changes nothing
  std::uint32_t repetition_window = 64;  ///< so many recent tokens count
  std::uint64_t seed = 0;                ///< determines all draws

  /// The options of a run without chance.
  [[nodiscard]] static SamplingOptions greedy() noexcept {
    SamplingOptions options;
    options.temperature = 0;
    return options;
  }
};

/// What is added to a token's logit before anything else.
struct LogitBias {
  TokenId id = 0;
  float bias = 0;  ///< minus infinity forbids the token
};

/// A token that may be drawn.
struct TokenCandidate {
  TokenId id;
  float logit;         ///< after suppression and penalty
  double probability;  ///< after all filters and temperature; those of all candidates sum to 1
};

/// Chooses tokens; all memory is taken when it is made.
///
/// Equal logits are ordered by id, the lowest first, so results do not depend on how the selection is done.
/// Logits that are not numbers count as minus infinity. The same seed and logits give the same tokens (up to
/// the last bit of the C library's `exp`, which matters once in about 10^15 draws).
/// Threads  one sampler per thread
class Sampler {
 public:
  /// Makes a sampler for logits of `vocabulary` tokens. `suppressed` tokens are never chosen, not even
  /// greedily; those outside the vocabulary are ignored, for models may have fewer logits than the tokenizer
  /// has tokens.
  ///
  /// Errors   bad_argument (an option outside its range, an empty vocabulary, all of it suppressed),
  ///          out_of_memory
  /// Cost     takes 24 bytes a token
  [[nodiscard]] static Result<Sampler> create(const SamplingOptions& options, std::uint32_t vocabulary,
                                              std::span<const TokenId> suppressed);

  /// Chooses the next token. Does not remember it: call `accept`.
  ///
  /// Shapes    logits [vocabulary]
  /// Errors    bad_argument (another number of logits; none at all, before anything was fed)
  /// Cost      with top-k about one pass over the logits (0.4 ms for 262 144); draws one random number
  ///           unless greedy; does not allocate
  [[nodiscard]] Result<TokenId> sample(std::span<const float> logits) noexcept {
    LAMINA_TRY(check_size(logits));
    if (options_.temperature <= 0) return best(logits);
    const std::span<const TokenCandidate> left = weigh(logits);
    double rest = random_.uniform();
    for (const TokenCandidate& candidate : left) {
      rest -= candidate.probability;
      if (rest < 0) return candidate.id;
    }
    return left.back().id;  // the sum fell short of 1 by rounding
  }

  /// The distribution that `sample` draws from, likeliest first; valid until the next call. With temperature
  /// 0 it is the one token that `sample` returns. Shapes and errors as for `sample`.
  [[nodiscard]] Result<std::span<const TokenCandidate>> candidates(std::span<const float> logits) noexcept {
    LAMINA_TRY(check_size(logits));
    return weigh(logits);
  }

  /// Remembers a token, chosen or from the prompt, for the repetition penalty.
  void accept(TokenId token) noexcept {
    if (recent_.empty()) return;
    recent_[accepted_ % recent_.size()] = token;
    ++accepted_;
  }

  /// Of the next draws only these tokens come; null for all. The mask must stay as long as it is used, and
  /// hold a token that is not suppressed.
  void allow_only(const TokenMask* mask) noexcept { allowed_ = mask; }
  /// Adds numbers to the logits of tokens in all draws; ids outside the vocabulary are ignored.
  void set_bias(std::vector<LogitBias> bias) noexcept { bias_ = std::move(bias); }

  /// Forgets accepted tokens and starts the random numbers anew.
  void reset(std::uint64_t seed) noexcept {
    accepted_ = 0;
    random_ = Random(seed);
  }

  [[nodiscard]] const SamplingOptions& options() const noexcept { return options_; }

 private:
  static constexpr float minus_infinity = -std::numeric_limits<float>::infinity();
  static constexpr float largest = std::numeric_limits<float>::max();

  explicit Sampler(const SamplingOptions& options) noexcept : options_(options), random_(options.seed) {}

  /// The order of candidates: likeliest first, then lowest id.
  [[nodiscard]] static bool before(const TokenCandidate& a, const TokenCandidate& b) noexcept {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  }
  [[nodiscard]] Status check_size(std::span<const float> logits) const noexcept;
  [[nodiscard]] std::span<const TokenCandidate> weigh(std::span<const float> logits) noexcept;
  void prepare(std::span<const float> logits) noexcept;
  void penalise() noexcept;
  void forbid_others() noexcept;
  [[nodiscard]] TokenId fallback() const noexcept;
  [[nodiscard]] TokenId best(std::span<const float> logits) noexcept;
  [[nodiscard]] std::size_t select_top_k() noexcept;
  [[nodiscard]] std::size_t select_top_p() noexcept;
  [[nodiscard]] std::size_t cut_tail(std::size_t count, double total) const noexcept;
  void apply_temperature(std::size_t count) noexcept;
  void sort(std::size_t count) noexcept { std::sort(pool_.begin(), pool_.begin() + offset(count), before); }
  [[nodiscard]] static std::ptrdiff_t offset(std::size_t count) noexcept {
    return static_cast<std::ptrdiff_t>(count);
  }

  SamplingOptions options_;
  Random random_;
  std::vector<TokenId> suppressed_;
  std::vector<LogitBias> bias_;
  const TokenMask* allowed_ = nullptr;
  TokenId fallback_ = 0;              // lowest token that is not suppressed, for logits without any number
  std::vector<float> logits_;         // [vocabulary] after suppression and penalty
  std::vector<TokenCandidate> pool_;  // [vocabulary or top_k]
  std::vector<TokenId> recent_;       // ring of accepted tokens
  std::vector<bool> penalised_;       // [vocabulary] while penalties are applied
  std::size_t accepted_ = 0;
};

// --- Setting up ---

inline Result<Sampler> Sampler::create(const SamplingOptions& options, std::uint32_t vocabulary,
                                       std::span<const TokenId> suppressed) {
  return guard_memory("sampler", [&]() -> Result<Sampler> {
    const auto wrong = [](std::string_view where, std::string_view expected, double found) {
      return Error{ErrorCode::bad_argument, where, "sampling option out of range", expected,
                   text("%g", found),       ""};
    };
    // Written so that NaN fails too.
    if (!(options.temperature >= 0 && options.temperature <= 1000)) {
      return wrong("temperature", "0 to 1000", double{options.temperature});
    }
    if (!(options.top_p > 0 && options.top_p <= 1))
      return wrong("top_p", "above 0, at most 1", double{options.top_p});
    if (!(options.min_p >= 0 && options.min_p <= 1)) return wrong("min_p", "0 to 1", double{options.min_p});
    if (!(options.repetition_penalty > 0 && options.repetition_penalty <= 1000)) {
      return wrong("repetition_penalty", "above 0, at most 1000", double{options.repetition_penalty});
    }
    if (options.repetition_window > (1U << 20)) {
      return wrong("repetition_window", "at most 1048576", double(options.repetition_window));
    }
    if (vocabulary == 0 || vocabulary > (1U << 24))
      return wrong("vocabulary", "1 to 16777216", double(vocabulary));

    if (!memory_is_there(std::size_t{vocabulary} * (sizeof(float) + sizeof(TokenCandidate))))
      return refused_memory("sampler");
    Sampler made(options);
    for (const TokenId id : suppressed) {
      if (id < vocabulary) made.suppressed_.push_back(id);
    }
    std::sort(made.suppressed_.begin(), made.suppressed_.end());
    made.suppressed_.erase(std::unique(made.suppressed_.begin(), made.suppressed_.end()),
                           made.suppressed_.end());
    while (made.fallback_ < made.suppressed_.size() && made.suppressed_[made.fallback_] == made.fallback_)
      ++made.fallback_;
    if (made.fallback_ == vocabulary) {
      return Error{ErrorCode::bad_argument, "suppressed", "every token is suppressed",
                   "at least one other",    "none",       ""};
    }
    made.logits_.resize(vocabulary);
    const bool all = options.top_k == 0 || options.top_k > vocabulary;
    made.pool_.resize(all ? vocabulary : options.top_k);
    if (options.repetition_penalty != 1.0F) {
      made.recent_.resize(options.repetition_window);
      made.penalised_.resize(vocabulary);
    }
    return made;
  });
}

// --- Choosing ---

/// Also refuses a sampler that was moved from: it has no memory for any logits.
inline Status Sampler::check_size(std::span<const float> logits) const noexcept {
  if (logits.size() == logits_.size() && !logits.empty()) return Done{};
  return Error{ErrorCode::bad_argument,
               "logits",
               "wrong number of logits for this sampler",
               text("%zu", logits_.size()),
               text("%zu", logits.size()),
               logits.empty()
                   ? "feed the session a prompt first"
                   : "make the sampler for the session's `vocab()`, and hand it one row at a time"};
}

/// Copies the logits and applies what changes single tokens.
inline void Sampler::prepare(std::span<const float> logits) noexcept {
  for (std::size_t i = 0; i < logits_.size(); ++i) {
    const float logit = std::min(logits[i], largest);
    logits_[i] = logit == logit ? logit : minus_infinity;
  }
  for (const LogitBias& bias : bias_) {
    if (bias.id < logits_.size()) logits_[bias.id] = std::min(logits_[bias.id] + bias.bias, largest);
  }
  for (const TokenId id : suppressed_) logits_[id] = minus_infinity;
  if (allowed_ != nullptr) forbid_others();
  penalise();
}

inline void Sampler::forbid_others() noexcept {
  const std::vector<std::uint64_t>& words = allowed_->words();
  for (std::size_t begin = 0; begin < logits_.size(); begin += 64) {
    const std::uint64_t word = begin / 64 < words.size() ? words[begin / 64] : 0;
    if (~word == 0) continue;
    const std::size_t end = std::min(begin + 64, logits_.size());
    for (std::size_t i = begin; i < end; ++i) {
      if (((word >> (i - begin)) & 1) == 0) logits_[i] = minus_infinity;
    }
  }
}

/// The token where no logit is a number.
inline TokenId Sampler::fallback() const noexcept {
  if (allowed_ == nullptr) return fallback_;
  for (TokenId id = 0; id < logits_.size(); ++id) {
    if (allowed_->has(id) && !std::binary_search(suppressed_.begin(), suppressed_.end(), id)) return id;
  }
  return fallback_;
}

/// Divides positive logits of recent tokens and multiplies negative ones (Keskar et al. 2019), each token
/// once.
inline void Sampler::penalise() noexcept {
  const std::size_t count = std::min(accepted_, recent_.size());
  for (std::size_t i = 0; i < count; ++i) {
    const TokenId id = recent_[i];
    if (id >= logits_.size() || penalised_[id]) continue;
    penalised_[id] = true;
    const float penalty = options_.repetition_penalty;
    logits_[id] = std::min(logits_[id] > 0 ? logits_[id] / penalty : logits_[id] * penalty, largest);
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (recent_[i] < logits_.size()) penalised_[recent_[i]] = false;
  }
}

inline TokenId Sampler::best(std::span<const float> logits) noexcept {
  prepare(logits);
  TokenId best = fallback();
  for (TokenId id = 0; id < logits_.size(); ++id) {
    if (logits_[id] > logits_[best]) best = id;
  }
  return best;
}

inline std::span<const TokenCandidate> Sampler::weigh(std::span<const float> logits) noexcept {
  if (options_.temperature <= 0) {
    const TokenId id = best(logits);
    pool_[0] = {id, logits_[id], 1.0};
    return {pool_.data(), 1};
  }
  prepare(logits);
  const std::size_t count = pool_.size() < logits_.size() ? select_top_k() : select_top_p();
  if (count == 0) {
    pool_[0] = {fallback(), minus_infinity, 1.0};
    return {pool_.data(), 1};
  }
  apply_temperature(count);
  return {pool_.data(), count};
}

/// Selects the `top_k` likeliest tokens through a heap with the least likely one on top, then cuts to top-p.
/// Most blocks of logits lie wholly below the heap's top once it is full, so the pass is one comparison a
/// logit.
inline std::size_t Sampler::select_top_k() noexcept {
  constexpr std::size_t block = 16;
  std::size_t count = 0;
  float least = minus_infinity;
  const auto take = [&](std::size_t id) {
    const TokenCandidate candidate{static_cast<TokenId>(id), logits_[id], 0.0};
    if (count == pool_.size()) {
      std::pop_heap(pool_.begin(), pool_.end(), before);
      --count;
    }
    pool_[count++] = candidate;
    std::push_heap(pool_.begin(), pool_.begin() + offset(count), before);
    if (count == pool_.size()) least = pool_[0].logit;
  };
  // An equal logit later on has a higher id and stays out, so "above the least" is the whole test.
  std::size_t id = 0;
  for (; id + block <= logits_.size(); id += block) {
    bool any = false;
    for (std::size_t i = 0; i < block; ++i) any |= logits_[id + i] > least;
    if (!any) continue;
    for (std::size_t i = 0; i < block; ++i) {
      if (logits_[id + i] > least) take(id + i);
    }
  }
  for (; id < logits_.size(); ++id) {
    if (logits_[id] > least) take(id);
  }
  if (count == 0) return 0;
  sort(count);
  double total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    pool_[i].probability = std::exp(double{pool_[i].logit} - double{pool_[0].logit});
    total += pool_[i].probability;
  }
  return cut_tail(count, total);
}

/// Without top-k: weighs all tokens, then sorts only as many of the likeliest as top-p asks for.
inline std::size_t Sampler::select_top_p() noexcept {
  std::size_t all = 0;
  for (std::size_t id = 0; id < logits_.size(); ++id) {
    if (logits_[id] > minus_infinity) pool_[all++] = {static_cast<TokenId>(id), logits_[id], 0.0};
  }
  if (all == 0) return 0;
  const auto end = pool_.begin() + offset(all);
  const double top = double{std::min_element(pool_.begin(), end, before)->logit};
  double total = 0;
  for (std::size_t i = 0; i < all; ++i) {
    pool_[i].probability = std::exp(double{pool_[i].logit} - top);
    total += pool_[i].probability;
  }
  for (std::size_t count = 256; count < all; count *= 8) {
    std::nth_element(pool_.begin(), pool_.begin() + offset(count), end, before);
    sort(count);
    const std::size_t kept = cut_tail(count, total);
    if (kept < count) return kept;
  }
  sort(all);
  return cut_tail(all, total);
}

/// Cuts sorted tokens, whose weights are relative to the likeliest one's: first the fewest that reach `top_p`
/// of the total (the one that crosses the line stays), then those of them that reach `min_p`.
inline std::size_t Sampler::cut_tail(std::size_t count, double total) const noexcept {
  const double wanted = options_.top_p < 1 ? double{options_.top_p} * total : 2 * total;
  double sum = 0;
  std::size_t kept = 0;
  while (kept < count && sum < wanted) {
    if (kept > 0 && pool_[kept].probability < double{options_.min_p}) break;
    sum += pool_[kept].probability;
    ++kept;
  }
  return kept;
}

inline void Sampler::apply_temperature(std::size_t count) noexcept {
  double total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double distance = double{pool_[i].logit} - double{pool_[0].logit};
    pool_[i].probability = std::exp(distance / double{options_.temperature});
    total += pool_[i].probability;
  }
  for (std::size_t i = 0; i < count; ++i) pool_[i].probability /= total;
}

}  // namespace lamina
