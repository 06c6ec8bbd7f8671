// SPDX-License-Identifier: Apache-2.0
// One answer step by step: a piece of the prompt is read, or the next tokens are drawn, at each.
#pragma once

#include <chrono>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/generation/answer_writer.hpp>
#include <lamina/chat/generation/prompt_run.hpp>
#include <lamina/core/error.hpp>
#include <lamina/engine/model.hpp>
#include <lamina/engine/session.hpp>
#include <lamina/sampling/sampler.hpp>

namespace lamina {

/// Reads a prompt with a session and draws the answer, as far as it is asked to.
///
/// Threads   one at a time
class AnswerRun {
 public:
  /// All but the question must outlive the run; what its prompt views, too.
  AnswerRun(const Model& model, const GenerationOptions& options, Sampler& sampler, Session& session,
            const Question& question, AnswerObserver& observer)
      : model_(&model),
        session_(&session),
        prompt_(session, question.prompt, observer),
        writer_(model, options, sampler, question, observer) {}

  /// Comes first. Errors: as `PromptRun::begin`
  [[nodiscard]] Status begin() {
    LAMINA_TRY(prompt_.begin(model_->max_context()));
    writer_.answer().prompt_tokens_read = prompt_.to_read();
    return Done{};
  }

  /// Goes one step further.
  ///
  /// Returns  false once the answer has ended
  /// Errors   as `PromptRun::step` and `AnswerWriter::next`
  [[nodiscard]] Result<bool> step() {
    const auto begin = Clock::now();
    const bool reads = prompt_.goes_on();
    auto more = reads ? read() : write();
    double& seconds = reads ? writer_.answer().prompt_seconds : writer_.answer().decode_seconds;
    seconds += std::chrono::duration<double>(Clock::now() - begin).count();
    return more;
  }

  [[nodiscard]] Answer& answer() noexcept { return writer_.answer(); }

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] Result<bool> read() {
    LAMINA_TRY(prompt_.step());
    return true;
  }
  [[nodiscard]] Result<bool> write() {
    const auto fed = writer_.next(session_->logits(), session_->position(), session_->context());
    if (!fed) return fed.error();
    if (fed->empty()) return false;
    LAMINA_TRY(session_->prompt(*fed));
    return true;
  }

  const Model* model_;
  Session* session_;
  PromptRun prompt_;
  AnswerWriter writer_;
};

}  // namespace lamina
