// SPDX-License-Identifier: Apache-2.0
// An answer that is pulled: each event when the caller wants it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/events/event.hpp>
#include <lamina/chat/generation/answer_run.hpp>
#include <lamina/chat/turns/chat_state.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>

namespace lamina {

/// The events of one answer, generated as far as they are taken; made by `Chat::stream`.
///
/// The turn joins the conversation when its `Stop` was taken: a stream that is dropped before leaves the
/// conversation as it was.
/// Threads   one at a time, the chat's; `Chat::stop` ends the answer from any
class AnswerStream {
 public:
  /// The next event: nothing after `Stop`, which comes last. Works as long as the chat lives and no other
  /// turn of it has begun.
  ///
  /// Errors   as `Chat::say`: the answer is lost then; bad_argument (another turn has begun)
  [[nodiscard]] Result<std::optional<Event>> next() {
    return guard_memory("answer", [&] { return work_->next(); });
  }

  /// The whole answer, once `Stop` was taken; what there is of it before.
  [[nodiscard]] const Answer& answer() const noexcept { return work_->run.answer(); }

 private:
  friend class Chat;

  /// Gathers events.
  struct Collector final : AnswerObserver {
    void take(const ResponseEvent& piece) override { events.push_back(event_of(piece)); }
    std::deque<Event> events;
  };
  struct Work {
    Work(detail::ChatState& of, detail::Turn begun)
        : state(of),
          turn(std::move(begun)),
          number(of.turns),
          through(of, collector),
          run(of.generator.start(of.history.session(), turn.question(), through)) {}

    [[nodiscard]] Result<std::optional<Event>> next() {
      if (!ended && state.turns != number)
        return Error{ErrorCode::bad_argument,
                     "stream",
                     "another turn has begun",
                     "",
                     "",
                     "take an answer to its end before the next"};
      while (collector.events.empty() && !ended) {
        const auto more = run.step();
        ended = !more || !*more;
        if (!more) return more.error();
        if (!ended) continue;
        state.history.keep();
        state.finish(std::move(turn), run.answer());
        collector.events.push_back(Stop{run.answer().stop});
      }
      if (collector.events.empty()) return std::optional<Event>();
      std::optional<Event> event(std::move(collector.events.front()));
      collector.events.pop_front();
      return event;
    }

    detail::ChatState& state;
    detail::Turn turn;
    std::uint64_t number;  ///< of the turn, in `ChatState::turns`
    Collector collector;
    detail::TurnObserver through;
    AnswerRun run;
    bool ended = false;
  };

  explicit AnswerStream(std::unique_ptr<Work> work) noexcept : work_(std::move(work)) {}

  /// Errors   as `ChatState::begin` and `AnswerRun::begin`
  [[nodiscard]] static Result<AnswerStream> begin(detail::ChatState& state, Conversation asked) {
    auto turn = state.begin(std::move(asked));
    if (!turn) return turn.error();
    auto work = std::make_unique<Work>(state, std::move(*turn));
    LAMINA_TRY(work->run.begin());
    return AnswerStream(std::move(work));
  }

  std::unique_ptr<Work> work_;
};

}  // namespace lamina
