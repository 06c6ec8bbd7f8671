// SPDX-License-Identifier: Apache-2.0
// A small pool of worker threads that spin briefly between jobs and then sleep.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include <lamina/core/config.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/executor.hpp>

namespace lamina {

/// Whether workers stay on one CPU each. The threads that call a pool are the host's and stay as they are.
enum class Pinning : std::uint8_t { none, one_cpu_each };

/// Number of CPUs this process may run on, at least 1.
[[nodiscard]] inline std::uint32_t available_cpus() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count > 0 ? static_cast<std::uint32_t>(count) : 1;
}

/// Runs jobs on the calling thread and `threads - 1` workers.
///
/// Hand-over is a few atomic operations a worker: about a microsecond while workers spin. They spin for some
/// tens of microseconds, longer than the serial stretches of a decoding step, and sleep on a futex after. The
/// calling thread does itself what a worker has not begun when it comes to wait for it, so a worker that gets
/// no CPU on a busy machine holds nobody up.
/// Threads   any number of them may call `run` at the same time, and a job may call it again. The pool's workers
///           serve one call; the others do all of their parts themselves, one after the other.
class ThreadPool final : public Executor {
 public:
  /// Starts `threads - 1` workers (0 counts as 1).
  /// Errors   out_of_memory when the system refuses a thread, bad_argument (too many threads, no known pinning)
  [[nodiscard]] static Result<std::unique_ptr<ThreadPool>> create(std::uint32_t threads,
                                                                  Pinning pinning = Pinning::none) noexcept {
    constexpr std::uint32_t most = 1024;
    if (threads > most) {
      return Error{ErrorCode::bad_argument,  "threads",           "too many threads",
                   text("at most %u", most), text("%u", threads), ""};
    }
    if (pinning != Pinning::none && pinning != Pinning::one_cpu_each) {
      return Error{ErrorCode::bad_argument,
                   "pinning",
                   "unknown value",
                   "none or one_cpu_each",
                   text("%u", static_cast<unsigned>(pinning)),
                   ""};
    }
    const std::uint32_t width = threads == 0 ? 1 : threads;
    std::unique_ptr<ThreadPool> pool(new (std::nothrow) ThreadPool(width));
    if (pool != nullptr && width > 1) pool->workers_.reset(new (std::nothrow) Worker[width - 1]);
    if (pool == nullptr || (width > 1 && pool->workers_ == nullptr)) {
      return Error{ErrorCode::out_of_memory, "threads", "no memory for the thread pool", "", "", ""};
    }
    for (std::uint32_t i = 0; i + 1 < width; ++i) {
      Worker& worker = pool->workers_[i];
      worker.pool = pool.get();
      worker.part = i + 1;
      if (pthread_create(&worker.thread, nullptr, &ThreadPool::work, &worker) != 0) {
        return Error{ErrorCode::out_of_memory, "threads",         "the system refused a thread",
                     text("%u", width),        text("%u", i + 1), "use fewer threads"};
      }
      ++pool->started_;
      if (pinning == Pinning::one_cpu_each) pin(worker.thread, i + 1);
    }
    return pool;
  }

  ~ThreadPool() override {
    stop_.store(true, std::memory_order_relaxed);
    wake();
    for (std::uint32_t i = 0; i < started_; ++i) pthread_join(workers_[i].thread, nullptr);
  }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] std::uint32_t width() const noexcept override { return width_; }

  void run(Job job, void* context, std::uint32_t parts) noexcept override {
    LAMINA_DCHECK(parts <= width_);
    if (parts <= 1) return job(context, 0, parts);
    if (busy_.exchange(true, std::memory_order_acquire)) {
      for (std::uint32_t part = 0; part < parts; ++part) job(context, part, parts);
      return;
    }
    job_ = job;
    context_ = context;
    parts_ = parts;
    pending_.store(parts - 1, std::memory_order_relaxed);
    for (std::uint32_t i = 0; i + 1 < parts; ++i) workers_[i].has_work.store(true, std::memory_order_release);
    wake();
    job(context, 0, parts);
    for (std::uint32_t i = 0; i + 1 < parts; ++i) do_part_of(workers_[i]);
    for (std::uint32_t spins = 0; pending_.load(std::memory_order_acquire) != 0; ++spins) rest(spins);
    busy_.store(false, std::memory_order_release);
  }

 private:
  struct alignas(64) Worker {
    ThreadPool* pool = nullptr;
    pthread_t thread{};
    std::uint32_t part = 0;
    std::atomic<bool> has_work{false};  ///< whoever clears it does the part
  };

  /// Spins before sleeping: about 50 microseconds of `pause`.
  static constexpr std::uint32_t spin_limit = 2000;

  explicit ThreadPool(std::uint32_t width) noexcept : width_(width) {}

  static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  /// Waits a moment; gives the CPU away once in a while, later always, so that an oversubscribed machine
  /// makes progress.
  static void rest(std::uint32_t spins) noexcept {
    if (spins % 512 == 511 || spins >= spin_limit) {
      sched_yield();
    } else {
      pause();
    }
  }

  static void pin(pthread_t thread, std::uint32_t index) noexcept {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    std::uint32_t seen = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &allowed) || seen++ != index) continue;
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      pthread_setaffinity_np(thread, sizeof one, &one);
      return;
    }
  }

  void wake() noexcept {
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
  }

  /// Does the part of a worker unless somebody has begun it. Looks first: an exchange takes the line from the
  /// worker.
  void do_part_of(Worker& worker) noexcept {
    if (!worker.has_work.load(std::memory_order_relaxed)) return;
    if (!worker.has_work.exchange(false, std::memory_order_acquire)) return;
    job_(context_, worker.part, parts_);
    pending_.fetch_sub(1, std::memory_order_release);
  }

  static void* work(void* argument) noexcept {
    Worker& self = *static_cast<Worker*>(argument);
    ThreadPool& pool = *self.pool;
    std::uint32_t seen = 0;
    for (;;) {
      std::uint32_t epoch = pool.epoch_.load(std::memory_order_acquire);
      for (std::uint32_t spins = 0; epoch == seen; ++spins) {
        if (spins < spin_limit) {
          rest(spins);
        } else {
          pool.epoch_.wait(seen, std::memory_order_acquire);
        }
        epoch = pool.epoch_.load(std::memory_order_acquire);
      }
      seen = epoch;
      if (pool.stop_.load(std::memory_order_relaxed)) return nullptr;
      pool.do_part_of(self);
    }
  }

  const std::uint32_t width_;
  std::uint32_t started_ = 0;
  std::unique_ptr<Worker[]> workers_;
  Job job_ = nullptr;
  void* context_ = nullptr;
  std::uint32_t parts_ = 0;
  alignas(64) std::atomic<std::uint32_t> epoch_{0};
  alignas(64) std::atomic<std::uint32_t> pending_{0};
  std::atomic<bool> busy_{false};  ///< a call of `run` has the workers
  std::atomic<bool> stop_{false};
};

}  // namespace lamina
