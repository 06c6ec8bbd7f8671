// SPDX-License-Identifier: Apache-2.0
// The loop that generates: read the prompt, then draw a token, show it, feed it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/generation/answer_writer.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/engine/check_options.hpp>
#include <lamina/engine/drafting/read_ahead.hpp>
#include <lamina/engine/model.hpp>
#include <lamina/engine/session.hpp>
#include <lamina/sampling/sampler.hpp>

namespace lamina {

/// Generates answers with a model.
///
/// Threads   one at a time; generators of one model are independent
class Generator {
 public:
  /// Errors   bad_argument (sampling values), out_of_memory
  /// Cost     takes 24 bytes a token of the vocabulary
  [[nodiscard]] static Result<Generator> create(const Model& model, const GenerationOptions& options = {}) {
    return guard_memory("generator", [&]() -> Result<Generator> {
      auto sampler = sampler_for(model, options);
      if (!sampler) return sampler.error();
      return Generator(model, options, std::move(*sampler));
    });
  }

  /// Reads the part of the prompt that `session` has not read, then draws tokens until something ends the
  /// answer. What the session has read stays if it is a beginning of the prompt, and is forgotten otherwise.
  /// Penalties and draws follow from the question and the seed alone, not from what was answered before.
  ///
  /// Without a tokenizer the answer has ids only.
  /// Errors   context_full, bad_argument (ids outside the vocabulary; an empty prompt), not_finite,
  ///          out_of_memory
  [[nodiscard]] Result<Answer> answer(Session& session, const Question& question, AnswerObserver& observer) {
    return guard_memory("answer", [&] { return generate(session, question, observer); });
  }

  [[nodiscard]] const SamplingOptions& sampling() const noexcept { return sampler_.options(); }

  /// Reads ahead from now on, with a reader for the engine of the session that answers are drawn in. Answers
  /// are the same as without.
  void read_ahead(ReadAhead reader) noexcept { ahead_.emplace(std::move(reader)); }

 private:
  Generator(const Model& model, const GenerationOptions& options, Sampler sampler)
      : model_(model), options_(options), sampler_(std::move(sampler)) {}

  [[nodiscard]] static double seconds_since(std::chrono::steady_clock::time_point begin) noexcept {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  [[nodiscard]] Result<Answer> generate(Session& session, const Question& question, AnswerObserver& observer);
  [[nodiscard]] Status read_prompt(Session& session, const PromptTokens& prompt, Answer& answer,
                                   AnswerObserver& observer);
  [[nodiscard]] static Status decode(Session& session, AnswerWriter& writer);
  [[nodiscard]] static Status decode_ahead(Session& session, AnswerWriter& writer, ReadAhead& ahead);

  Model model_;
  GenerationOptions options_;
  Sampler sampler_;
  std::optional<ReadAhead> ahead_;
};

// --- Implementation ---

inline Status Generator::read_prompt(Session& session, const PromptTokens& prompt, Answer& answer,
                                     AnswerObserver& observer) {
  if (prompt.empty()) return Error{ErrorCode::bad_argument, "prompt", "there are no tokens", "", "", ""};
  LAMINA_TRY(check_length(prompt.size(), session.context(), model_.max_context()));
  // A token must be left to feed, for its logits.
  const std::span<const TokenId> read = session.tokens();
  if (read.size() >= prompt.size() || !std::equal(read.begin(), read.end(), prompt.ids.begin()))
    session.reset();
  const std::size_t before = session.position();
  answer.prompt_tokens = prompt.size();
  answer.prompt_tokens_read = prompt.size() - before;
  PromptTokens rest = prompt.subspan(before);
  while (!rest.empty() && observer.goes_on()) {
    const std::size_t count = session.next_piece(rest);
    const PromptTokens piece = rest.first(count);
    rest = rest.subspan(count);
    if (!rest.empty()) session.expect(rest.first(session.next_piece(rest)));
    LAMINA_TRY(session.prompt(piece));
    observer.prompt_read(answer.prompt_tokens_read - rest.size(), answer.prompt_tokens_read);
  }
  return Done{};
}

inline Status Generator::decode(Session& session, AnswerWriter& writer) {
  for (;;) {
    const auto fed = writer.next(session.logits(), session.position(), session.context());
    if (!fed) return fed.error();
    if (fed->empty()) return Done{};
    LAMINA_TRY(session.prompt(*fed));
  }
}

inline Status Generator::decode_ahead(Session& session, AnswerWriter& writer, ReadAhead& ahead) {
  ahead.reset_counts();
  ahead.forget();
  ahead.know_hidden(session.hidden());
  std::span<const float> logits = session.logits();
  Sequence& sequence = session.sequence();
  Status status = Done{};
  for (;;) {
    const auto fed = writer.next(logits, ahead.position(sequence), sequence.context());
    if (!fed) status = fed.error();
    if (!fed || fed->empty()) break;
    const auto next = ahead.feed(session.engine(), sequence, *fed, writer.drafts_wanted(), &writer);
    if (!next) status = next.error();
    if (!next) break;
    logits = *next;
  }
  Status settled = ahead.settle(sequence);
  if (!status) return status;
  return settled;
}

inline Result<Answer> Generator::generate(Session& session, const Question& question,
                                          AnswerObserver& observer) {
  Answer read;
  const auto prompt_begin = std::chrono::steady_clock::now();
  LAMINA_TRY(read_prompt(session, question.prompt, read, observer));
  read.prompt_seconds = seconds_since(prompt_begin);
  const auto decode_begin = std::chrono::steady_clock::now();
  AnswerWriter writer(model_, options_, sampler_, question, observer);
  LAMINA_TRY(ahead_ ? decode_ahead(session, writer, *ahead_) : decode(session, writer));
  Answer answer = std::move(writer.answer());
  if (ahead_) answer.drafts = ahead_->counts();
  answer.prompt_tokens_read = read.prompt_tokens_read;
  answer.prompt_seconds = read.prompt_seconds;
  answer.decode_seconds = seconds_since(decode_begin);
  return answer;
}

}  // namespace lamina
