// SPDX-License-Identifier: Apache-2.0
// The loop that generates: read the prompt, then draw a token, show it, feed it.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/generation/answer_run.hpp>
#include <lamina/chat/generation/answer_writer.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/engine/drafting/read_ahead.hpp>
#include <lamina/engine/model.hpp>
#include <lamina/engine/session.hpp>
#include <lamina/masks/token_constraint.hpp>
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

  /// An answer to be taken step by step; its `begin` comes first. The generator must stay where it is
  /// meanwhile, and gives no other answer.
  [[nodiscard]] AnswerRun start(Session& session, const Question& question, AnswerObserver& observer) {
    return {model_, options_, sampler_, session, question, observer, ahead_ ? &*ahead_ : nullptr};
  }

  /// The form of the answers that follow, as `GenerationOptions::constraint`; null: none.
  void set_constraint(std::shared_ptr<TokenConstraint> constraint) noexcept {
    options_.constraint = std::move(constraint);
  }

  [[nodiscard]] const SamplingOptions& sampling() const noexcept { return sampler_.options(); }
  [[nodiscard]] const GenerationOptions& options() const noexcept { return options_; }

  /// Reads ahead from now on, with a reader for the engine of the session that answers are drawn in. Answers
  /// are the same as without.
  void read_ahead(ReadAhead reader) noexcept { ahead_.emplace(std::move(reader)); }
  /// Takes back what an answer that was not taken to its end has read ahead in `session`.
  ///
  /// Errors   as `ReadAhead::settle`
  [[nodiscard]] Status settle(Session& session) noexcept {
    return ahead_ ? ahead_->settle(session.sequence()) : Status(Done{});
  }

 private:
  Generator(const Model& model, const GenerationOptions& options, Sampler sampler)
      : model_(model), options_(options), sampler_(std::move(sampler)) {}

  [[nodiscard]] Result<Answer> generate(Session& session, const Question& question, AnswerObserver& observer);

  Model model_;
  GenerationOptions options_;
  Sampler sampler_;
  std::optional<ReadAhead> ahead_;
};

// --- Implementation ---

inline Result<Answer> Generator::generate(Session& session, const Question& question,
                                          AnswerObserver& observer) {
  AnswerRun run = start(session, question, observer);
  LAMINA_TRY(run.begin());
  for (;;) {
    const auto more = run.step();
    if (!more) return more.error();
    if (!*more) return std::move(run.answer());
  }
}

}  // namespace lamina
