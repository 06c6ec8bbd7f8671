// SPDX-License-Identifier: Apache-2.0
// Many answers from one engine: whoever is there gets a token of every pass, prompts are read beside them in
// shares, and what was read before is not read again.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/generation/answer_writer.hpp>
#include <lamina/chat/scheduling/orders.hpp>
#include <lamina/chat/scheduling/slot.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/engine/batch.hpp>
#include <lamina/engine/check_options.hpp>
#include <lamina/engine/engine.hpp>
#include <lamina/state/prefix_store.hpp>

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
  struct Waiting {
    AnswerOrder order;
    std::shared_ptr<detail::SharedPrompt> shared;
    bool leads = false;
  };
  struct Errand {
    std::size_t slot;
    SlotTask* task;
    bool done = false;
    bool dropped = false;
  };

  Scheduler(Engine engine, const SchedulerOptions& options)
      : engine_(std::move(engine)),
        options_(options),
        store_(options.cache_bytes, engine_.model().entry().page_bytes(engine_.options().cache)),
        batch_({.rows = engine_.options().rows,
                .logits_rows = engine_.options().logits_rows,
                .prompt_rows = options.prompt_rows,
                .keeps_blocks = engine_.model().entry().sees_blocks}) {}

  [[nodiscard]] bool has_work() const noexcept {
    return !waiting_.empty() || !errands_.empty() ||
           std::any_of(slots_.begin(), slots_.end(), [](const auto& slot) { return slot.busy(); });
  }
  void do_errands();
  void drop_those_who_left();
  void admit();
  [[nodiscard]] std::optional<Waiting> next_waiting();
  void start(Waiting waiting);
  [[nodiscard]] detail::AnswerSlot* slot_for(std::span<const TokenId> prompt) noexcept;
  void pass();
  [[nodiscard]] Result<PassResult> run_pass(std::span<const Feed> feeds);
  [[nodiscard]] bool free_pages() noexcept;
  void run_each_alone();
  void take_result(detail::AnswerSlot& slot, std::size_t fed, std::span<const float> logits);
  void keep(detail::AnswerSlot& slot);
  void end(detail::AnswerSlot& slot, Result<Answer> answer);
  void publish();

  Engine engine_;
  SchedulerOptions options_;
  PrefixStore store_;
  Batch batch_;
  std::vector<detail::AnswerSlot> slots_;  ///< the running thread's, as all above
  std::vector<Feed> feeds_;
  std::vector<detail::AnswerSlot*> fed_;
  std::uint64_t clock_ = 0;

  mutable std::mutex mutex_;  ///< of what follows
  std::condition_variable work_;
  std::condition_variable errands_done_;
  std::deque<Waiting> waiting_;
  std::vector<Errand*> errands_;
  std::vector<SlotState> states_;
  SchedulerCounts counts_;
  bool stopped_ = false;
  bool ended_ = false;
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
    for (std::uint32_t i = 0; i < options.parallel; ++i) {
      auto sequence = made->engine_.sequence({options.context});
      if (!sequence) return sequence.error();
      made->slots_.emplace_back(i, std::move(*sequence));
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
    auto shared = std::make_shared<detail::SharedPrompt>();
    const std::lock_guard lock(mutex_);
    if (stopped_) return Submission::stopped;
    const auto idle = static_cast<std::size_t>(
        std::count_if(states_.begin(), states_.end(), [](const SlotState& slot) { return !slot.busy; }));
    if (waiting_.size() + orders.size() > options_.queue + idle) return Submission::full;
    for (std::size_t i = 0; i < orders.size(); ++i)
      waiting_.push_back({std::move(orders[i]), orders.size() > 1 ? shared : nullptr, i == 0});
    work_.notify_one();
    return Submission::taken;
  });
}

inline void Scheduler::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      work_.wait(lock, [&] { return stopped_ || has_work(); });
      if (stopped_ && !has_work()) {
        ended_ = true;
        return;
      }
    }
    step();
  }
}

inline void Scheduler::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  work_.notify_all();
}

inline bool Scheduler::step() {
  {
    const std::lock_guard lock(mutex_);
    if (!has_work()) return false;
  }
  do_errands();
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
  Errand errand{index, &task};
  std::unique_lock lock(mutex_);
  if (!ended_) errands_.push_back(&errand);
  work_.notify_one();
  errands_done_.wait(lock, [&] { return errand.done || ended_; });
  if (!errand.done) return Error{ErrorCode::cancelled, "slot", "the scheduler has stopped", "", "", ""};
  return Done{};
}

inline void Scheduler::do_errands() {
  std::vector<Errand*> errands;
  {
    const std::lock_guard lock(mutex_);
    errands.swap(errands_);
  }
  if (errands.empty()) return;
  for (Errand* errand : errands) {
    detail::AnswerSlot& slot = slots_[errand->slot];
    errand->task->run(slot.sequence, slot.busy());
  }
  publish();
  const std::lock_guard lock(mutex_);
  for (Errand* errand : errands) errand->done = true;
  errands_done_.notify_all();
}

inline void Scheduler::drop_those_who_left() {
  std::vector<Waiting> gone;
  {
    const std::lock_guard lock(mutex_);
    for (auto one = waiting_.begin(); one != waiting_.end();) {
      if (!stopped_ && one->order.listener->goes_on()) {
        ++one;
        continue;
      }
      gone.push_back(std::move(*one));
      one = waiting_.erase(one);
    }
    counts_.answers += gone.size();
  }
  for (Waiting& one : gone) {
    if (one.shared && one.leads) one.shared->leader_ended = true;
    Answer answer;
    answer.stop = StopReason::interrupted;
    one.order.listener->ended(std::move(answer));
  }
}

inline std::optional<Scheduler::Waiting> Scheduler::next_waiting() {
  const std::lock_guard lock(mutex_);
  // Those who share a prompt wait until the first of them has read it.
  const auto ready = std::find_if(waiting_.begin(), waiting_.end(), [](const Waiting& one) {
    return !one.shared || one.leads || one.shared->snapshot || one.shared->leader_ended;
  });
  if (ready == waiting_.end()) return std::nullopt;
  Waiting next = std::move(*ready);
  waiting_.erase(ready);
  return next;
}

inline void Scheduler::admit() {
  while (std::any_of(slots_.begin(), slots_.end(), [](const auto& slot) { return !slot.busy(); })) {
    auto next = next_waiting();
    if (!next) return;
    start(std::move(*next));
  }
}

/// The idle slot that has read most of the prompt; of equal ones, the one that was idle for longest.
inline detail::AnswerSlot* Scheduler::slot_for(std::span<const TokenId> prompt) noexcept {
  detail::AnswerSlot* best = nullptr;
  std::uint32_t best_read = 0;
  for (detail::AnswerSlot& slot : slots_) {
    if (slot.busy()) continue;
    const std::uint32_t read = slot.usable_of(prompt);
    if (best != nullptr && (read < best_read || (read == best_read && slot.used >= best->used))) continue;
    best = &slot;
    best_read = read;
  }
  return best;
}

inline void Scheduler::start(Waiting waiting) {
  const std::span<const TokenId> ids = waiting.order.prompt->ids;
  detail::AnswerSlot& slot = *slot_for(ids);
  slot.used = ++clock_;
  auto sampler = sampler_for(engine_.model(), waiting.order.options);
  const std::shared_ptr<AnswerListener> listener = waiting.order.listener;
  const std::shared_ptr<detail::SharedPrompt> shared = waiting.shared;
  const Status begun = !sampler ? Status(sampler.error()) : guard_memory("answer", [&]() -> Status {
    slot.begin(engine_.model(), std::move(waiting.order), std::move(*sampler), std::move(waiting.shared),
               waiting.leads);
    return Done{};
  });
  if (!begun) {
    if (shared && waiting.leads) shared->leader_ended = true;  // the others read the prompt themselves
    slot.abandon();
    listener->ended(begun.error());
    return;
  }
  const auto most = static_cast<std::uint32_t>(ids.size() - 1);  // one is left, for its logits
  PrefixMatch match = store_.find(ids);
  if (slot.shared && slot.shared->snapshot) match.snapshot = slot.shared->snapshot;
  const std::uint32_t here = slot.usable_of(ids);
  bool restored = false;
  if (match.snapshot && std::min(match.snapshot->position(), most) > here) {
    while (!(restored = static_cast<bool>(slot.sequence.restore(*match.snapshot))) && store_.evict())
      continue;
    if (restored) static_cast<void>(slot.sequence.rewind(slot.sequence.rewind_start(most)));
  }
  if (!restored) static_cast<void>(slot.sequence.rewind(here));
  slot.read_from(slot.sequence.position(), match.common, engine_.model().entry().sees_blocks);
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
  const auto begin = std::chrono::steady_clock::now();
  const auto result = run_pass(batch_.feeds());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  {
    const std::lock_guard lock(mutex_);
    ++counts_.passes;
    counts_.pass_seconds += seconds;
  }
  if (!result) return run_each_alone();
  for (std::size_t i = 0; i < batch_.feeds().size(); ++i)
    take_result(*fed_[batch_.source(i)], batch_.feeds()[i].tokens.size(), result->logits(i));
}

inline Result<PassResult> Scheduler::run_pass(std::span<const Feed> feeds) {
  auto result = engine_.run(feeds);
  while (!result && result.error().code == ErrorCode::out_of_memory && free_pages())
    result = engine_.run(feeds);
  return result;
}

/// Pages that only the store or idle slots hold are for those who are here.
inline bool Scheduler::free_pages() noexcept {
  if (store_.evict()) return true;
  for (detail::AnswerSlot& slot : slots_) {
    if (slot.busy() || slot.sequence.position() == 0) continue;
    slot.sequence.reset();
    return true;
  }
  return false;
}

/// After a pass that failed: who was to blame ends, the others go on.
inline void Scheduler::run_each_alone() {
  const std::vector<Feed> feeds(batch_.feeds().begin(), batch_.feeds().end());
  for (std::size_t i = 0; i < feeds.size(); ++i) {
    detail::AnswerSlot& slot = *fed_[batch_.source(i)];
    const auto alone = run_pass({&feeds[i], 1});
    if (alone) {
      take_result(slot, feeds[i].tokens.size(), alone->logits(0));
    } else {
      end(slot, alone.error());
    }
  }
}

inline void Scheduler::take_result(detail::AnswerSlot& slot, std::size_t fed, std::span<const float> logits) {
  const bool reads = slot.reads();
  slot.advance(fed);
  if (reads) {
    const std::lock_guard lock(mutex_);
    counts_.prompt_tokens_read += fed;
  }
  if (slot.at_parting()) keep(slot);
  if (!slot.needs_logits()) return;
  if (reads) {
    keep(slot);
    if (slot.shared && slot.leads && !slot.shared->snapshot) {
      if (auto snapshot = slot.sequence.snapshot()) {
        slot.shared->snapshot = std::move(*snapshot);
      } else {
        slot.shared->leader_ended = true;  // the others read it themselves
      }
    }
  }
  const auto fed_next = guard_memory("answer", [&] {
    return slot.writer().next(logits, slot.sequence.position(), slot.sequence.context());
  });
  if (!fed_next) return end(slot, fed_next.error());
  if (!fed_next->empty()) return slot.feed_next(*fed_next);
  keep(slot);
  end(slot, std::move(slot.writer().answer()));
}

/// Keeps what a slot has read, if there is memory for it.
inline void Scheduler::keep(detail::AnswerSlot& slot) {
  if (slot.sequence.snapshot_bytes() > store_.budget()) return;
  if (const auto snapshot = slot.sequence.snapshot()) static_cast<void>(store_.put(*snapshot));
}

inline void Scheduler::end(detail::AnswerSlot& slot, Result<Answer> answer) {
  {
    const std::lock_guard lock(mutex_);
    ++counts_.answers;
    if (answer) {
      slot.finish(*answer);
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
  counts_.waiting = waiting_.size();
  counts_.kept_bytes = store_.bytes();
}

inline std::vector<SlotState> Scheduler::slots() const {
  const std::lock_guard lock(mutex_);
  return states_;
}

inline SchedulerCounts Scheduler::counts() const {
  const std::lock_guard lock(mutex_);
  SchedulerCounts counts = counts_;
  counts.waiting = waiting_.size();
  return counts;
}

}  // namespace lamina
