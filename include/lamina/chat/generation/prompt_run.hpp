// SPDX-License-Identifier: Apache-2.0
// Reads a prompt with a session, piece by piece.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include <lamina/chat/answer.hpp>
#include <lamina/core/error.hpp>
#include <lamina/engine/check_options.hpp>
#include <lamina/engine/session.hpp>
#include <lamina/pass/soft_rows.hpp>

namespace lamina {

/// The part of a prompt that a session has not read, until it has.
///
/// Threads   one at a time
class PromptRun {
 public:
  /// What `prompt` views, the session and the observer must outlive the run.
  PromptRun(Session& session, const PromptTokens& prompt, AnswerObserver& observer)
      : session_(&session), observer_(&observer), rest_(prompt) {}

  /// Goes on from what the session has read if that is a beginning of the prompt, else from nothing.
  ///
  /// Errors   context_full (of the session, or of a model for at most `max_context`), bad_argument (an empty
  ///          prompt)
  [[nodiscard]] Status begin(std::uint32_t max_context) {
    if (rest_.empty()) return Error{ErrorCode::bad_argument, "prompt", "there are no tokens", "", "", ""};
    LAMINA_TRY(check_length(rest_.size(), session_->context(), max_context));
    // A token must be left to feed, for its logits.
    const std::span<const TokenId> read = session_->tokens();
    if (read.size() >= rest_.size() || !std::equal(read.begin(), read.end(), rest_.ids.begin()))
      session_->reset();
    rest_ = rest_.subspan(session_->position());
    to_read_ = rest_.size();
    return Done{};
  }
  /// Whether there is something to read, and nobody has enough of it.
  [[nodiscard]] bool goes_on() { return !rest_.empty() && observer_->goes_on(); }

  /// Reads the next piece. Errors: bad_argument (ids outside the vocabulary), not_finite, out_of_memory
  [[nodiscard]] Status step() {
    const PromptTokens piece = rest_.first(session_->next_piece(rest_));
    rest_ = rest_.subspan(piece.size());
    if (!rest_.empty()) session_->expect(rest_.first(session_->next_piece(rest_)));
    LAMINA_TRY(session_->prompt(piece));
    observer_->prompt_read(to_read_ - rest_.size(), to_read_);
    return Done{};
  }

  /// Tokens that had to be read when it began.
  [[nodiscard]] std::size_t to_read() const noexcept { return to_read_; }

 private:
  Session* session_;
  AnswerObserver* observer_;
  PromptTokens rest_;
  std::size_t to_read_ = 0;
};

}  // namespace lamina
