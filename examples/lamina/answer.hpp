// SPDX-License-Identifier: Apache-2.0
// One answer: from prompt ids to text, thoughts and calls, streamed while they come.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/sampling/sampler.hpp>
#include <lamina/chat/response_parser.hpp>
#include <lamina/tokenizer/tokenizer.hpp>

#include "model.hpp"
#include "report.hpp"
#include "terminal.hpp"

namespace program {

enum class StopReason : std::uint8_t { end_of_turn, max_tokens, stop_token, context, interrupted };

[[nodiscard]] std::string_view name_of(StopReason reason) noexcept;

/// How long an answer took.
struct Timing {
  double load_seconds = 0;
  double prompt_seconds = 0;
  double decode_seconds = 0;
  std::size_t prompt_tokens_read = 0;  ///< of the prompt, those that were not in the cache already
};

struct Answer {
  std::string text;
  std::string thought;
  std::vector<lamina::ParsedCall> calls;
  std::vector<lamina::TokenId> tokens;  ///< the stop token included, if one came
  std::size_t prompt_tokens = 0;
  StopReason stop = StopReason::max_tokens;
  std::optional<std::uint64_t> seed;  ///< of the draws, if there were any: it repeats the answer
  Timing timing;
};

/// How one answer is read.
enum class AnswerForm : std::uint8_t {
  parsed,  ///< thoughts, text and calls apart, special tokens not shown
  raw,     ///< every token as its text
};

/// What an answer starts from.
struct Question {
  std::span<const lamina::TokenId> prompt;  ///< the whole prompt
  std::size_t cached = 0;                   ///< how many of its tokens the session holds already
  AnswerForm form = AnswerForm::parsed;
  lamina::ResponseStart start = lamina::ResponseStart::answer;
  std::uint64_t turn = 0;  ///< turns of the user before this one
};

/// Generates answers on one engine.
class Answerer {
 public:
  /// `tokenizer` may be null: then there are no texts, and only the file's own stop tokens.
  /// Errors: bad_argument (sampling values).
  [[nodiscard]] static lamina::Result<Answerer> create(Engine& engine, const lamina::Tokenizer* tokenizer,
                                                       const CommonOptions& common,
                                                       const GenerationOptions& generation);

  /// Reads the prompt's new tokens, then chooses tokens until something stops it. Ctrl-C stops it and keeps
  /// what is there, and so does output that nobody takes. Penalties and draws follow from the question and
  /// the seed alone, not from what was answered before. Errors: context_full, bad_argument (token ids).
  [[nodiscard]] lamina::Result<Answer> answer(const Question& question, AnswerPrinter& printer);

 private:
  Answerer(Engine& engine, const lamina::Tokenizer* tokenizer, const CommonOptions& common,
           const GenerationOptions& generation, lamina::Sampler sampler)
      : engine_(&engine),
        tokenizer_(tokenizer),
        common_(&common),
        generation_(&generation),
        sampler_(std::move(sampler)) {}

  [[nodiscard]] bool is_stop(lamina::TokenId id) const;
  [[nodiscard]] lamina::Status decode(const Question& question, AnswerPrinter& printer, Answer& answer);

  Engine* engine_;
  const lamina::Tokenizer* tokenizer_;
  const CommonOptions* common_;
  const GenerationOptions* generation_;
  lamina::Sampler sampler_;
};

/// {"text", "thought", "tokens", "prompt_tokens", "stop", "timing"}; "seed" and "tool_calls" where there are
/// any.
[[nodiscard]] Json answer_json(const Answer& answer);

/// One line about speed, for people.
void note_timing(const CommonOptions& common, const Answer& answer);

}  // namespace program
