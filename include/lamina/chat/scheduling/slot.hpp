// SPDX-License-Identifier: Apache-2.0
// A place of a scheduler: a sequence that stays, and the answer that comes in it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/generation/answer_writer.hpp>
#include <lamina/chat/prompt.hpp>
#include <lamina/chat/scheduling/order_queue.hpp>
#include <lamina/chat/scheduling/orders.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/engine/batch.hpp>
#include <lamina/engine/drafting/lookahead.hpp>
#include <lamina/engine/engine.hpp>
#include <lamina/engine/sequence.hpp>
#include <lamina/sampling/sampler.hpp>

namespace lamina {

namespace detail {

/// One slot. Used by the scheduler's thread alone.
class AnswerSlot {
 public:
  /// `hidden`: width of the hidden states that drafts start from; 0: nothing is drafted.
  AnswerSlot(std::size_t id, Sequence made, std::uint32_t hidden)
      : sequence(std::move(made)), ahead(hidden), id_(id) {}

  Sequence sequence;
  Lookahead ahead;         ///< of a pass; the sequence has read nothing ahead once its tokens are drawn
  std::uint64_t used = 0;  ///< when it was last begun with
  std::shared_ptr<SharedPrompt> shared;
  bool leads = false;

  [[nodiscard]] bool busy() const noexcept { return work_ != nullptr; }
  [[nodiscard]] AnswerListener& listener() noexcept { return *work_->order.listener; }
  [[nodiscard]] AnswerWriter& writer() noexcept { return *work_->writer; }

  /// Tokens of the prompt that it can go on behind without reading them.
  [[nodiscard]] std::uint32_t usable_of(std::span<const TokenId> prompt) const noexcept {
    const std::span<const TokenId> read = sequence.tokens();
    const auto end = std::mismatch(read.begin(), read.end(), prompt.begin(), prompt.end()).first;
    const auto common = static_cast<std::uint32_t>(end - read.begin());
    return sequence.rewind_start(std::min(common, static_cast<std::uint32_t>(prompt.size() - 1)));
  }

  void begin(const Model& model, WaitingOrder waiting, Sampler sampler) {
    shared = std::move(waiting.shared);
    leads = waiting.leads;
    ahead.forget();
    ahead.reset_counts();
    work_ = std::make_unique<Work>(std::move(waiting.order), std::move(sampler));
    const AnswerOrder& kept = work_->order;
    const Question question{kept.prompt->tokens(), kept.form, kept.start, kept.turn, kept.thinks};
    work_->writer.emplace(model, kept.options, work_->sampler, question, *kept.listener);
  }

  /// The prompt is read from `position` on; where it parts from others at `common`, there is a stop.
  void read_from(std::uint32_t position, std::uint32_t common, bool keeps_blocks) {
    work_->rest = work_->order.prompt->tokens().subspan(position);
    work_->to_read = work_->rest.size();
    work_->reading = true;
    const std::size_t before = common > position + least_kept ? common - position : 0;
    work_->parting = before < work_->rest.size() ? whole_blocks(work_->rest, before, keeps_blocks) : 0;
  }
  /// What it has to be fed next.
  [[nodiscard]] Feed feed() noexcept {
    if (work_->parting > 0) return {&sequence, work_->rest.first(work_->parting), Want::none};
    return {&sequence, work_->rest, Want::last};
  }
  /// Tells that so many tokens were fed.
  void advance(std::size_t fed) {
    work_->rest = work_->rest.subspan(fed);
    work_->parted = work_->parting > 0 && work_->parting == fed;
    work_->parting -= std::min(work_->parting, fed);
    if (!work_->reading) return;
    listener().prompt_read(work_->to_read - work_->rest.size(), work_->to_read);
    if (!work_->rest.empty()) return;
    work_->reading = false;
    work_->decode_begin = Clock::now();
  }
  [[nodiscard]] bool reads() const noexcept { return work_->reading; }
  /// Whether the last feed ended where the prompt parts from another.
  [[nodiscard]] bool at_parting() const noexcept { return work_->parted; }
  [[nodiscard]] bool needs_logits() const noexcept { return work_->rest.empty(); }
  /// Draws from what the last pass returned, as far as tokens were drafted for it.
  ///
  /// Returns  the tokens that are to be fed next; none: the answer ended. Valid until the next call
  /// Errors   as `AnswerWriter::next`, `Lookahead::finish`
  [[nodiscard]] Result<std::span<const TokenId>> draw() {
    for (;;) {
      const auto next = writer().next(ahead.logits(), ahead.position(sequence), sequence.context());
      std::span<const TokenId> rest;
      if (next && !next->empty()) {
        rest = ahead.skip(*next);
        if (rest.empty()) continue;
      }
      LAMINA_TRY(ahead.finish(sequence, !rest.empty()));
      if (!next) return next.error();
      return rest;
    }
  }
  /// Tokens of the answer that are fed next.
  void feed_next(std::span<const TokenId> tokens) {
    work_->next.assign(tokens.begin(), tokens.end());
    work_->rest = std::span<const TokenId>(work_->next);
  }

  /// Writes into an answer what the slot knows of it.
  void finish(Answer& answer) const noexcept {
    answer.prompt_tokens_read = work_->to_read - (work_->reading ? work_->rest.size() : 0);
    const auto now = Clock::now();
    const auto decode_begin = work_->reading ? now : work_->decode_begin;
    answer.prompt_seconds = std::chrono::duration<double>(decode_begin - work_->begin).count();
    answer.decode_seconds = std::chrono::duration<double>(now - decode_begin).count();
  }
  /// Keeps the prompt, now read, for those who share it.
  void share_prompt() {
    if (!shared || !leads || shared->snapshot) return;
    if (auto snapshot = sequence.snapshot()) {
      shared->snapshot = std::move(*snapshot);
    } else {
      shared->leader_ended = true;  // the others read it themselves
    }
  }
  /// Forgets an answer that could not begin.
  void abandon() noexcept {
    shared = nullptr;
    work_ = nullptr;
  }
  /// Ends the answer; who listened to it is returned.
  [[nodiscard]] std::shared_ptr<AnswerListener> clear() {
    if (shared && leads) shared->leader_ended = true;
    shared = nullptr;
    std::shared_ptr<AnswerListener> listener = std::move(work_->order.listener);
    work_.reset();
    return listener;
  }

  [[nodiscard]] SlotState state() const noexcept {
    SlotState state{id_, busy(), sequence.context(), sequence.position()};
    if (!busy()) return state;
    state.prompt_tokens = work_->order.prompt->ids.size();
    state.prompt_left = work_->reading ? work_->rest.size() : 0;
    state.answer_tokens = work_->writer->answer().tokens.size();
    return state;
  }

 private:
  using Clock = std::chrono::steady_clock;
  /// Fewer tokens are not worth a snapshot of their own.
  static constexpr std::uint32_t least_kept = 16;

  struct Work {
    Work(AnswerOrder wanted, Sampler made) : order(std::move(wanted)), sampler(std::move(made)) {}
    AnswerOrder order;
    Sampler sampler;
    std::optional<AnswerWriter> writer;
    PromptTokens rest;          ///< to be fed
    std::vector<TokenId> next;  ///< what `rest` views, behind the prompt
    std::size_t to_read = 0;    ///< of the prompt, when it began
    std::size_t parting = 0;    ///< tokens up to where the prompt parts from others; 0: it does not
    bool parted = false;
    bool reading = true;
    Clock::time_point begin = Clock::now();
    Clock::time_point decode_begin{};
  };

  std::size_t id_;
  std::unique_ptr<Work> work_;
};

}  // namespace detail

}  // namespace lamina
