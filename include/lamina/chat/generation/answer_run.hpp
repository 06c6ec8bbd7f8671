// SPDX-License-Identifier: Apache-2.0
// One answer step by step: a piece of the prompt is read, or the next tokens are drawn, at each.
#pragma once

#include <chrono>
#include <span>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/generation/answer_writer.hpp>
#include <lamina/chat/generation/prompt_run.hpp>
#include <lamina/core/error.hpp>
#include <lamina/engine/drafting/read_ahead.hpp>
#include <lamina/engine/model.hpp>
#include <lamina/engine/session.hpp>
#include <lamina/sampling/sampler.hpp>

namespace lamina {

/// Reads a prompt with a session and draws the answer, as far as it is asked to.
///
/// Threads   one at a time
class AnswerRun {
 public:
  /// All but the question must outlive the run; what its prompt views, too. `ahead` reads ahead in the
  /// session's engine; null: every pass feeds what was drawn, and nothing else.
  AnswerRun(const Model& model, const GenerationOptions& options, Sampler& sampler, Session& session,
            const Question& question, AnswerObserver& observer, ReadAhead* ahead = nullptr)
      : model_(&model),
        session_(&session),
        ahead_(ahead),
        prompt_(session, question.prompt, observer),
        writer_(model, options, sampler, question, observer) {}
  AnswerRun(const AnswerRun&) = delete;
  AnswerRun& operator=(const AnswerRun&) = delete;
  /// An answer that is dropped leaves nothing read that was not drawn.
  ~AnswerRun() { static_cast<void>(settle()); }

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
    if (ahead_ != nullptr) {
      auto more = write_ahead();
      if (more && *more) return more;
      const Status settled = settle();
      if (more && !settled) return settled.error();
      return more;
    }
    const auto fed = writer_.next(session_->logits(), session_->position(), session_->context());
    if (!fed) return fed.error();
    if (fed->empty()) return false;
    LAMINA_TRY(session_->prompt(*fed));
    return true;
  }
  [[nodiscard]] Result<bool> write_ahead() {
    if (!is_ahead_) {
      ahead_->reset_counts();
      ahead_->forget();
      ahead_->know_hidden(session_->hidden());
      logits_ = session_->logits();
      is_ahead_ = true;
    }
    Sequence& sequence = session_->sequence();
    const auto fed = writer_.next(logits_, ahead_->position(sequence), sequence.context());
    if (!fed) return fed.error();
    if (fed->empty()) return false;
    const auto next = ahead_->feed(session_->engine(), sequence, *fed, writer_.drafts_wanted(), &writer_);
    if (!next) return next.error();
    logits_ = *next;
    return true;
  }
  [[nodiscard]] Status settle() noexcept {
    if (!is_ahead_) return Done{};
    is_ahead_ = false;
    Status settled = ahead_->settle(session_->sequence());
    writer_.answer().drafts = ahead_->counts();
    return settled;
  }

  const Model* model_;
  Session* session_;
  ReadAhead* ahead_;
  PromptRun prompt_;
  AnswerWriter writer_;
  bool is_ahead_ = false;          ///< the sequence may have read more than was drawn
  std::span<const float> logits_;  ///< of the last token that was drawn, while it may
};

}  // namespace lamina
