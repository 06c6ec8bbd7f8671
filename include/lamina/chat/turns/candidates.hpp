// SPDX-License-Identifier: Apache-2.0
// Several answers to one question, from one reading of it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/generation/answer_writer.hpp>
#include <lamina/chat/generation/prompt_run.hpp>
#include <lamina/chat/turns/chat_state.hpp>
#include <lamina/core/error.hpp>
#include <lamina/engine/batch.hpp>
#include <lamina/engine/engine.hpp>
#include <lamina/engine/sequence.hpp>
#include <lamina/sampling/sampler.hpp>

namespace lamina::detail {

/// Draws answers side by side, each in a branch of the session's sequence: a pass feeds a token of each.
///
/// As many go together as the chat was planned for (`ChatOptions::candidates`); the others follow. So it is
/// with a constraint: it follows one answer at a time.
/// Threads   one at a time
class Candidates {
 public:
  /// Both must outlive this.
  Candidates(ChatState& state, AnswerObserver& observer)
      : state_(state), observer_(observer), batch_(batch_options(state)) {}

  /// Errors   as `Generator::answer`; out_of_memory (pages for the branches)
  [[nodiscard]] Result<std::vector<Answer>> draw(const Turn& turn, std::size_t count) {
    Session& session = state_.history.session();
    const auto begin = Clock::now();
    const Question question = turn.question();
    PromptRun prompt(session, question.prompt, observer_);
    LAMINA_TRY(prompt.begin(state_.model.max_context()));
    while (prompt.goes_on()) LAMINA_TRY(prompt.step());
    const std::vector<float> logits(session.logits().begin(), session.logits().end());
    const double seconds = seconds_since(begin);
    std::vector<Answer> answers;
    const bool alone = state_.generator.options().constraint != nullptr;
    const std::size_t width = alone ? 1 : std::clamp(state_.candidates, 1U, session.options().logits_rows);
    while (answers.size() < count) {
      const std::size_t group = std::min(width, count - answers.size());
      for (std::size_t i = 0; i < group; ++i) LAMINA_TRY(start(question, logits, answers.size() + i));
      while (std::any_of(places_.begin(), places_.end(), [](const auto& place) { return place->goes_on(); }))
        LAMINA_TRY(pass());
      for (const auto& place : places_) {
        Answer& answer = place->writer.answer();
        answer.prompt_seconds = seconds;
        answer.prompt_tokens_read = answers.empty() ? prompt.to_read() : 0;
        answers.push_back(std::move(answer));
      }
      places_.clear();
    }
    return answers;
  }

 private:
  using Clock = std::chrono::steady_clock;

  /// One answer that comes.
  struct Place {
    Place(ChatState& state, GenerationOptions wanted, Sampler made, Sequence own, const Question& question,
          AnswerObserver& observer)
        : options(std::move(wanted)),
          sampler(std::move(made)),
          sequence(std::move(own)),
          writer(state.model, options, sampler, question, observer) {}
    [[nodiscard]] bool goes_on() const noexcept { return !rest.empty(); }

    GenerationOptions options;
    Sampler sampler;
    Sequence sequence;
    AnswerWriter writer;
    std::vector<TokenId> next;      ///< what the writer wants to be fed
    std::span<const TokenId> rest;  ///< of it, what was not yet
    Clock::time_point begin = Clock::now();
  };

  [[nodiscard]] static BatchOptions batch_options(ChatState& state) noexcept {
    const SessionOptions& options = state.history.session().options();
    BatchOptions batch;
    batch.rows = options.chunk;
    batch.logits_rows = options.logits_rows;
    batch.prompt_rows = options.chunk;
    batch.keeps_blocks = state.model.entry().sees_blocks;
    return batch;
  }
  [[nodiscard]] static double seconds_since(Clock::time_point begin) noexcept {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  /// Begins answer `index`: its draws are its own.
  [[nodiscard]] Status start(const Question& question, std::span<const float> logits, std::size_t index) {
    GenerationOptions options = state_.generator.options();
    if (options.seed) *options.seed += index;
    auto sampler = sampler_for(state_.model, options);
    if (!sampler) return sampler.error();
    auto branch = state_.history.session().branch();
    if (!branch) return branch.error();
    places_.push_back(std::make_unique<Place>(state_, std::move(options), std::move(*sampler),
                                              std::move(*branch), question, observer_));
    return take(*places_.back(), logits);
  }
  /// Draws what comes next; keeps what was read when the answer has ended.
  [[nodiscard]] Status take(Place& place, std::span<const float> logits) {
    const auto fed = place.writer.next(logits, place.sequence.position(), place.sequence.context());
    if (!fed) return fed.error();
    place.next.assign(fed->begin(), fed->end());
    place.rest = place.next;
    if (place.goes_on()) return Done{};
    place.writer.answer().decode_seconds = seconds_since(place.begin);
    state_.history.keep(place.sequence);
    return Done{};
  }
  [[nodiscard]] Status pass() {
    std::vector<Feed> feeds;
    std::vector<Place*> fed;
    for (const auto& place : places_) {
      if (!place->goes_on()) continue;
      feeds.push_back({&place->sequence, place->rest, Want::last});
      fed.push_back(place.get());
    }
    LAMINA_TRY(batch_.plan(feeds));
    auto result = state_.history.session().run(batch_.feeds());
    // Pages that only other turns hold are for these answers, if there are no others.
    while (!result && result.error().code == ErrorCode::out_of_memory && state_.history.evict())
      result = state_.history.session().run(batch_.feeds());
    if (!result) return result.error();
    for (std::size_t i = 0; i < batch_.feeds().size(); ++i) {
      Place& place = *fed[batch_.source(i)];
      place.rest = place.rest.subspan(batch_.feeds()[i].tokens.size());
      if (place.rest.empty()) LAMINA_TRY(take(place, result->logits(i)));
    }
    return Done{};
  }

  ChatState& state_;
  AnswerObserver& observer_;
  Batch batch_;
  std::vector<std::unique_ptr<Place>> places_;
};

}  // namespace lamina::detail
