// SPDX-License-Identifier: Apache-2.0
// Many answers from one engine: whoever is there gets a token of every pass, prompts are read beside them in
// shares, and what was read before is not read again.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/generation/answer_writer.hpp>
#include <lamina/chat/scheduling/order_queue.hpp>
#include <lamina/chat/scheduling/orders.hpp>
#include <lamina/chat/scheduling/slot.hpp>
#include <lamina/chat/scheduling/slot_drafts.hpp>
#include <lamina/chat/scheduling/slot_prefixes.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/engine/batch.hpp>
#include <lamina/engine/check_options.hpp>
#include <lamina/engine/engine.hpp>

namespace lamina {

/// Runs many answers on one engine.
///
/// Each answer is what it would be alone. A prompt goes on from the slot or the snapshot that has read most
/// of it; where two prompts part, and at their ends, snapshots are kept within a budget.
/// Threads   `run` or `step`: one at a time, which calls all listeners; everything else: any
class Scheduler {
 public:
  /// Takes over an engine that returns logits of `parallel` rows, and makes the slots.
  ///
  /// Errors   bad_argument (options), out_of_memory
  [[nodiscard]] static Result<std::unique_ptr<Scheduler>> create(Engine engine,
                                                                 const SchedulerOptions& options);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  ~Scheduler() = default;

  /// Wants answers to one prompt, which is read once for all of them.
  ///
  /// Errors   context_full, bad_argument (an empty prompt, sampling values), unsupported, out_of_memory:
  ///          nobody is called then
  [[nodiscard]] Result<Submission> submit(std::vector<AnswerOrder> orders);

  /// Runs passes until `stop` was called and all answers have ended.
  void run();
  /// Takes no more orders; those that wait end, interrupted. Answers that come go on unless their listeners
  /// say no.
  void stop();
  /// Runs one pass, and what is to be done before it. False if there was nothing to do.
  bool step();

  /// Runs `task` between two passes, with slot `index`; returns when it is done. Requires that `run` runs, or
  /// that nobody steps. Errors: bad_argument (there is no such slot), cancelled (it has stopped).
  [[nodiscard]] Status with_slot(std::size_t index, SlotTask& task);

  [[nodiscard]] std::vector<SlotState> slots() const;
  [[nodiscard]] SchedulerCounts counts() const;
  [[nodiscard]] const Engine& engine() const noexcept { return engine_; }
  [[nodiscard]] const SchedulerOptions& options() const noexcept { return options_; }

 private:
  Scheduler(Engine engine, const SchedulerOptions& options)
      : engine_(std::move(engine)),
        options_(options),
        prefixes_(options.cache_bytes, engine_.model().entry().page_bytes(engine_.options().cache)),
        batch_({.rows = engine_.options().rows,
                .logits_rows = engine_.options().logits_rows,
                .prompt_rows = options.prompt_rows,
                .keeps_blocks = engine_.model().entry().sees_blocks}),
        queue_(options.queue) {}

  [[nodiscard]] bool is_busy() const noexcept {
    return std::any_of(slots_.begin(), slots_.end(), [](const auto& slot) { return slot.busy(); });
  }
  void drop_those_who_left();
  void admit();
  void start(detail::WaitingOrder waiting);
  void pass();
  [[nodiscard]] Result<PassResult> run_planned();
  [[nodiscard]] Result<PassResult> run_pass(std::span<const Feed> feeds);
  void run_each_alone();
  void take_result(detail::AnswerSlot& slot, const Feed& feed, const PassResult& result, std::size_t index);
  void end(detail::AnswerSlot& slot, Result<Answer> answer);
  void publish();

  Engine engine_;
  SchedulerOptions options_;
  detail::SlotPrefixes prefixes_;
  Batch batch_;
  std::optional<detail::SlotDrafts> drafts_;
  std::vector<detail::AnswerSlot> slots_;  ///< the running thread's, as all above
  std::vector<Feed> feeds_;
  std::vector<detail::AnswerSlot*> fed_;
  std::uint64_t clock_ = 0;

  detail::OrderQueue queue_;

  mutable std::mutex mutex_;  ///< of what follows
  std::vector<SlotState> states_;
  SchedulerCounts counts_;
};

// --- Implementation ---

inline Result<std::unique_ptr<Scheduler>> Scheduler::create(Engine engine, const SchedulerOptions& options) {
  return guard_memory("scheduler", [&]() -> Result<std::unique_ptr<Scheduler>> {
    if (options.parallel == 0 || options.parallel > engine.options().logits_rows) {
      return detail::option_out_of_range("parallel", "answers at a time out of range",
                                         engine.options().logits_rows, options.parallel,
                                         "an engine needs a row of logits for each (`logits_rows`)");
    }
    std::unique_ptr<Scheduler> made(new Scheduler(std::move(engine), options));
    if (options.drafter && options.drafts.most > 0) {
      auto drafts =
          detail::SlotDrafts::create(*options.drafter, made->engine_, options.drafts, options.parallel);
      if (!drafts) return drafts.error();
      made->drafts_.emplace(std::move(*drafts));
    }
    const std::uint32_t hidden = made->drafts_ ? made->engine_.model().hidden() : 0;
    for (std::uint32_t i = 0; i < options.parallel; ++i) {
      auto sequence = made->engine_.sequence({options.context});
      if (!sequence) return sequence.error();
      made->slots_.emplace_back(i, std::move(*sequence), hidden);
    }
    LAMINA_TRY(made->batch_.expect(options.parallel));
    made->publish();
    return made;
  });
}

inline Result<Submission> Scheduler::submit(std::vector<AnswerOrder> orders) {
  return guard_memory("request", [&]() -> Result<Submission> {
    for (const AnswerOrder& order : orders) {
      if (order.prompt->ids.empty())
        return Error{ErrorCode::bad_argument, "prompt", "there are no tokens", "", "", ""};
      LAMINA_TRY(check_length(order.prompt->ids.size(), options_.context, engine_.model().max_context()));
      LAMINA_TRY(check_ids(order.prompt->tokens(), engine_.model().vocab(), "prompt"));
      const auto& sampling = order.options.sampling;
      if (sampling) {
        if (const auto sampler = Sampler::create(*sampling, 1, {}); !sampler) return sampler.error();
      }
    }
    std::size_t idle = 0;
    for (const SlotState& slot : slots()) idle += slot.busy ? 0U : 1U;
    return queue_.add(std::move(orders), idle);
  });
}

inline void Scheduler::run() {
  while (queue_.wait(is_busy())) step();
}

inline void Scheduler::stop() { queue_.stop(); }

inline bool Scheduler::step() {
  if (!is_busy() && queue_.empty()) return false;
  queue_.run_errands(
      [&](std::size_t index, SlotTask& task) { task.run(slots_[index].sequence, slots_[index].busy()); },
      [&] { publish(); });
  drop_those_who_left();
  admit();
  pass();
  publish();
  return true;
}

inline Status Scheduler::with_slot(std::size_t index, SlotTask& task) {
  if (index >= slots_.size())
    return Error{ErrorCode::bad_argument, "slot",
                 "there is no such slot", text("0 to %zu", slots_.size() - 1),
                 text("%zu", index),      ""};
  return queue_.do_errand(index, task);
}

inline void Scheduler::drop_those_who_left() {
  std::vector<detail::WaitingOrder> gone = queue_.take_gone();
  {
    const std::lock_guard lock(mutex_);
    counts_.answers += gone.size();
  }
  for (detail::WaitingOrder& one : gone) {
    if (one.shared && one.leads) one.shared->leader_ended = true;
    Answer answer;
    answer.stop = StopReason::interrupted;
    one.order.listener->ended(std::move(answer));
  }
}

inline void Scheduler::admit() {
  while (std::any_of(slots_.begin(), slots_.end(), [](const auto& slot) { return !slot.busy(); })) {
    auto next = queue_.next();
    if (!next) return;
    start(std::move(*next));
  }
}

inline void Scheduler::start(detail::WaitingOrder waiting) {
  const std::span<const TokenId> ids = waiting.order.prompt->ids;
  detail::AnswerSlot& slot = *detail::SlotPrefixes::slot_for(ids, slots_);
  slot.used = ++clock_;
  auto sampler = sampler_for(engine_.model(), waiting.order.options);
  const std::shared_ptr<AnswerListener> listener = waiting.order.listener;
  const std::shared_ptr<detail::SharedPrompt> led = waiting.leads ? waiting.shared : nullptr;
  const Status begun = !sampler ? Status(sampler.error()) : guard_memory("answer", [&]() -> Status {
    slot.begin(engine_.model(), std::move(waiting), std::move(*sampler));
    return Done{};
  });
  if (!begun) {
    if (led) led->leader_ended = true;  // the others read the prompt themselves
    slot.abandon();
    listener->ended(begun.error());
    return;
  }
  const std::uint32_t common = prefixes_.go_on(slot, ids);
  slot.read_from(slot.sequence.position(), common, engine_.model().entry().sees_blocks);
  const std::lock_guard lock(mutex_);
  counts_.prompt_tokens += ids.size();
}

inline void Scheduler::pass() {
  feeds_.clear();
  fed_.clear();
  for (detail::AnswerSlot& slot : slots_) {
    if (!slot.busy()) continue;
    if (!slot.listener().goes_on()) {
      slot.writer().interrupt();
      end(slot, std::move(slot.writer().answer()));
      continue;
    }
    feeds_.push_back(slot.feed());
    fed_.push_back(&slot);
  }
  if (feeds_.empty()) return;
  if (const auto planned = batch_.plan(feeds_); !planned) {
    for (detail::AnswerSlot* slot : fed_) end(*slot, planned.error());
    return;
  }
  if (drafts_) drafts_->add(batch_, fed_);
  const auto begin = std::chrono::steady_clock::now();
  const auto result = run_planned();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  {
    const std::lock_guard lock(mutex_);
    ++counts_.passes;
    counts_.pass_seconds += seconds;
  }
  if (!result) return run_each_alone();
  if (drafts_) drafts_->take_pass(seconds);
  for (std::size_t i = 0; i < batch_.feeds().size(); ++i)
    take_result(*fed_[batch_.source(i)], batch_.feeds()[i], *result, i);
  if (!drafts_) return;
  const std::uint32_t accepted = drafts_->finish();
  const std::lock_guard lock(mutex_);
  counts_.drafted += drafts_->rounds().drafted();
  counts_.accepted += accepted;
  counts_.draft_seconds += drafts_->rounds().steps_seconds();
}

inline Result<PassResult> Scheduler::run_planned() {
  if (drafts_ && drafts_->any()) {
    // Drafts take no page that anybody holds, and what fails may be their fault.
    auto result = engine_.run(batch_.feeds());
    if (result) return result;
    drafts_->drop(batch_);
  }
  return run_pass(batch_.feeds());
}

inline Result<PassResult> Scheduler::run_pass(std::span<const Feed> feeds) {
  auto result = engine_.run(feeds);
  while (!result && result.error().code == ErrorCode::out_of_memory && prefixes_.free_pages(slots_))
    result = engine_.run(feeds);
  return result;
}

/// After a pass that failed: who was to blame ends, the others go on.
inline void Scheduler::run_each_alone() {
  const std::vector<Feed> feeds(batch_.feeds().begin(), batch_.feeds().end());
  for (std::size_t i = 0; i < feeds.size(); ++i) {
    detail::AnswerSlot& slot = *fed_[batch_.source(i)];
    const auto alone = run_pass({&feeds[i], 1});
    if (alone) {
      take_result(slot, feeds[i], *alone, 0);
    } else {
      end(slot, alone.error());
    }
  }
}

inline void Scheduler::take_result(detail::AnswerSlot& slot, const Feed& feed, const PassResult& result,
                                   std::size_t index) {
  const bool reads = slot.reads();
  const std::size_t fed = feed.tokens.size() - slot.ahead.drafts().size();
  slot.advance(fed);
  if (reads) {
    const std::lock_guard lock(mutex_);
    counts_.prompt_tokens_read += fed;
  }
  if (slot.at_parting()) prefixes_.keep(slot);
  if (!slot.needs_logits()) return;
  slot.ahead.take(result.logits(index), result.hidden(index));
  if (reads) {
    slot.ahead.reset_counts();
    prefixes_.keep(slot);
    slot.share_prompt();
  }
  const auto rest = guard_memory("answer", [&] { return slot.draw(); });
  if (!rest) {
    static_cast<void>(slot.ahead.finish(slot.sequence, false));
    return end(slot, rest.error());
  }
  if (!rest->empty()) return slot.feed_next(*rest);
  prefixes_.keep(slot);
  end(slot, std::move(slot.writer().answer()));
}

inline void Scheduler::end(detail::AnswerSlot& slot, Result<Answer> answer) {
  {
    const std::lock_guard lock(mutex_);
    ++counts_.answers;
    if (answer) {
      slot.finish(*answer);
      if (drafts_) answer->drafts = slot.ahead.counts();
      counts_.answer_tokens += answer->tokens.size();
    } else {
      ++counts_.errors;
    }
  }
  const std::shared_ptr<AnswerListener> listener = slot.clear();
  publish();  // who is told that it ended finds the place free
  listener->ended(std::move(answer));
}

inline void Scheduler::publish() {
  const std::lock_guard lock(mutex_);
  states_.resize(slots_.size());
  counts_.running = 0;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    states_[i] = slots_[i].state();
    counts_.running += states_[i].busy ? 1U : 0U;
  }
  counts_.kept_bytes = prefixes_.bytes();
}

inline std::vector<SlotState> Scheduler::slots() const {
  const std::lock_guard lock(mutex_);
  return states_;
}

inline SchedulerCounts Scheduler::counts() const {
  const std::lock_guard lock(mutex_);
  SchedulerCounts counts = counts_;
  counts.waiting = queue_.size();
  return counts;
}

}  // namespace lamina
