// SPDX-License-Identifier: Apache-2.0
// One answer of a model: how it is drawn, what comes out, and who is told while it comes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/chat/call_parser.hpp>
#include <lamina/chat/response_parser.hpp>
#include <lamina/core/types.hpp>
#include <lamina/engine/drafting/draft_counts.hpp>
#include <lamina/masks/token_constraint.hpp>
#include <lamina/sampling/log_probabilities.hpp>
#include <lamina/sampling/sampler.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Why an answer ended.
enum class StopReason : std::uint8_t {
  end_of_turn,  ///< the model closed its turn
  max_tokens,   ///< `GenerationOptions::max_tokens`
  stop_token,   ///< another token that ends answers: end of text, a call that waits for its result
  context,      ///< the session has no room for more
  interrupted,  ///< the observer said so
  stop_text,    ///< one of `GenerationOptions::stop`
};

[[nodiscard]] constexpr std::string_view name_of(StopReason reason) noexcept {
  constexpr std::string_view names[] = {"end_of_turn", "max_tokens",  "stop_token",
                                        "context",     "interrupted", "stop_text"};
  return names[static_cast<std::size_t>(reason)];
}

/// Sampling as the file of a model asks for it.
[[nodiscard]] inline SamplingOptions sampling_of(const GenerationDefaults& file) noexcept {
  SamplingOptions options;
  options.temperature = file.temperature;
  options.top_k = static_cast<std::uint32_t>(file.top_k);
  options.top_p = file.top_p;
  return options;
}

/// How answers are generated.
struct GenerationOptions {
  std::optional<SamplingOptions> sampling{};  ///< empty: as the model's file says (its `seed` is not used)
  std::optional<std::uint64_t> seed{};        ///< of all draws; empty: another one for each answer
  std::uint32_t max_tokens = 0;               ///< of the answer; 0: as many as there is room for
  /// Thoughts count as tokens of the answer. Else they leave room for it: `max_tokens`, or half of what the
  /// context has left if that is less or nothing is said; there they are ended, as by `think_budget`.
  bool thoughts_count = false;
  bool ignore_stop = false;         ///< go on after tokens that end answers; text comes unparsed then
  std::vector<std::string> stop{};  ///< texts that end the answer where they appear; they are no part of it
  std::vector<LogitBias> bias{};    ///< what is added to logits
  std::uint32_t log_probabilities = 0;          ///< tell how likely each token and so many others were
  std::optional<std::uint32_t> think_budget{};  ///< tokens of thoughts; then they are ended
  /// What the answer must be, behind its thoughts. Tokens that it leaves no choice for are fed together,
  /// unless log-probabilities are asked for. One generator at a time uses it.
  std::shared_ptr<TokenConstraint> constraint{};
};

/// How the ids of an answer become text.
enum class AnswerForm : std::uint8_t {
  parsed,  ///< thoughts, text and calls apart; special tokens not shown
  raw,     ///< every token as its text
};

/// What came out.
struct Answer {
  std::string text;
  std::string thought;
  std::vector<ParsedCall> calls;
  std::vector<TokenId> tokens;         ///< the one that ended it included, if one did
  std::vector<TokenChoice> choices;    ///< [tokens] if asked for
  std::size_t forced_tokens = 0;       ///< of `tokens`, those that were not drawn
  std::size_t prompt_tokens = 0;       ///< of the whole prompt
  std::size_t prompt_tokens_read = 0;  ///< of them, those that were not in the cache already
  StopReason stop = StopReason::max_tokens;
  std::optional<std::uint64_t> seed;  ///< of the draws, if there were any: it repeats the answer
  double prompt_seconds = 0;
  double decode_seconds = 0;
  std::optional<DraftCounts> drafts;  ///< what drafting did, where it did
};

/// Is told about an answer while it comes. Called by the thread that generates.
class AnswerObserver {
 public:
  /// A piece of a thought or text, whole characters; or a call.
  virtual void take(const ResponseEvent& /*event*/) {}
  /// A token of the answer, before `take` is called with what it completes. `choice` is null unless
  /// log-probabilities are asked for.
  virtual void drawn(TokenId /*id*/, const TokenChoice* /*choice*/) {}
  /// `done` of `total` prompt tokens are read.
  virtual void prompt_read(std::size_t /*done*/, std::size_t /*total*/) {}
  /// Asked before every token and every piece of the prompt; false ends the answer as it is.
  [[nodiscard]] virtual bool goes_on() { return true; }

 protected:
  ~AnswerObserver() = default;
};

}  // namespace lamina
