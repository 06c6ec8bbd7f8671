// SPDX-License-Identifier: Apache-2.0
// What other threads leave for the one that runs a scheduler: orders that wait for a slot, errands between
// two passes, the word to stop.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <lamina/chat/scheduling/orders.hpp>
#include <lamina/core/error.hpp>
#include <lamina/state/snapshot.hpp>

namespace lamina::detail {

/// What those have in common who answer the same prompt.
struct SharedPrompt {
  std::optional<Snapshot> snapshot;  ///< of the whole prompt
  bool leader_ended = false;         ///< nobody reads it for the others
};

/// An order that waits for a slot.
struct WaitingOrder {
  AnswerOrder order;
  std::shared_ptr<SharedPrompt> shared;  ///< null: alone with its prompt
  bool leads = false;                    ///< reads it for the others
};

/// Orders and errands, in the order in which they came.
///
/// Threads   `wait`, `next`, `take_gone` and `run_errands`: that which runs the scheduler; everything else: any
class OrderQueue {
 public:
  /// At most `most` orders wait beside those for which there is a slot.
  explicit OrderQueue(std::size_t most) : most_(most) {}

  /// Adds orders for one prompt; `idle` slots wait for some.
  [[nodiscard]] Submission add(std::vector<AnswerOrder> orders, std::size_t idle) {
    const auto shared = orders.size() > 1 ? std::make_shared<SharedPrompt>() : nullptr;
    const std::lock_guard lock(mutex_);
    if (stopped_) return Submission::stopped;
    if (waiting_.size() + orders.size() > most_ + idle) return Submission::full;
    for (std::size_t i = 0; i < orders.size(); ++i)
      waiting_.push_back({std::move(orders[i]), shared, i == 0});
    work_.notify_one();
    return Submission::taken;
  }
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    work_.notify_all();
  }
  [[nodiscard]] std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }
  [[nodiscard]] bool empty() const {
    const std::lock_guard lock(mutex_);
    return waiting_.empty() && errands_.empty();
  }

  /// Has `task` run between two passes, with slot `index`; returns when it is done.
  ///
  /// Errors   cancelled (`wait` has returned false)
  [[nodiscard]] Status do_errand(std::size_t index, SlotTask& task) {
    Errand errand{index, &task};
    std::unique_lock lock(mutex_);
    if (!ended_) errands_.push_back(&errand);
    work_.notify_one();
    errands_done_.wait(lock, [&] { return errand.done || ended_; });
    if (!errand.done) return Error{ErrorCode::cancelled, "slot", "the scheduler has stopped", "", "", ""};
    return Done{};
  }

  /// Waits until there is something to do, as there is where slots are busy. False: never again.
  [[nodiscard]] bool wait(bool is_busy) {
    std::unique_lock lock(mutex_);
    const auto has_work = [&] { return is_busy || !waiting_.empty() || !errands_.empty(); };
    work_.wait(lock, [&] { return stopped_ || has_work(); });
    if (has_work()) return true;
    ended_ = true;
    errands_done_.notify_all();
    return false;
  }
  /// The next one for a slot. Those who share a prompt wait until the first of them has read it.
  [[nodiscard]] std::optional<WaitingOrder> next() {
    const std::lock_guard lock(mutex_);
    const auto ready = std::find_if(waiting_.begin(), waiting_.end(), [](const WaitingOrder& one) {
      return !one.shared || one.leads || one.shared->snapshot || one.shared->leader_ended;
    });
    if (ready == waiting_.end()) return std::nullopt;
    WaitingOrder next = std::move(*ready);
    waiting_.erase(ready);
    return next;
  }
  /// Those to whom nobody listens any more; once it was stopped, all.
  [[nodiscard]] std::vector<WaitingOrder> take_gone() {
    std::vector<WaitingOrder> gone;
    const std::lock_guard lock(mutex_);
    for (auto one = waiting_.begin(); one != waiting_.end();) {
      if (!stopped_ && one->order.listener->goes_on()) {
        ++one;
        continue;
      }
      gone.push_back(std::move(*one));
      one = waiting_.erase(one);
    }
    return gone;
  }
  /// Calls `run(slot, task)` for every errand, and `after` before their threads are told.
  template <class Run, class After>
  void run_errands(Run&& run, After&& after) {
    std::vector<Errand*> errands;
    {
      const std::lock_guard lock(mutex_);
      errands.swap(errands_);
    }
    if (errands.empty()) return;
    for (const Errand* errand : errands) run(errand->slot, *errand->task);
    after();
    const std::lock_guard lock(mutex_);
    for (Errand* errand : errands) errand->done = true;
    errands_done_.notify_all();
  }

 private:
  struct Errand {
    std::size_t slot;
    SlotTask* task;
    bool done = false;
  };

  const std::size_t most_;
  mutable std::mutex mutex_;  ///< of what follows
  std::condition_variable work_;
  std::condition_variable errands_done_;
  std::deque<WaitingOrder> waiting_;
  std::vector<Errand*> errands_;
  bool stopped_ = false;
  bool ended_ = false;
};

}  // namespace lamina::detail
