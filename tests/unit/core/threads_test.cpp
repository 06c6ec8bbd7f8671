// SPDX-License-Identifier: Apache-2.0
#include <lamina/core/threads.hpp>

#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace {

using namespace lamina;

struct Count {
  std::atomic<std::uint32_t> calls{0};
  std::atomic<std::uint32_t> sum{0};
  static void job(void* context, std::uint32_t part, std::uint32_t parts) noexcept {
    auto& self = *static_cast<Count*>(context);
    self.calls += 1;
    self.sum += part * 100 + parts;
  }
};

TEST_CASE("a pool calls every part once and returns when all are done, awake or asleep") {
  for (const Pinning pinning : {Pinning::none, Pinning::one_cpu_each}) {
    auto pool = ThreadPool::create(3, pinning);
    REQUIRE(static_cast<bool>(pool));
    CHECK((*pool)->width() == 3);
    for (int round = 0; round < 300; ++round) {
      if (round % 100 == 99) usleep(20'000);  // long enough that the workers sleep
      Count count;
      (*pool)->run(&Count::job, &count, 3);
      REQUIRE(count.calls == 3);
      REQUIRE(count.sum == 300 + 9);
    }
    Count fewer;
    (*pool)->run(&Count::job, &fewer, 2);
    CHECK(fewer.calls == 2);
    Count one;
    (*pool)->run(&Count::job, &one, 1);
    CHECK(one.calls == 1);
  }
}

/// Sums 1 to 1000 by parts, into a cell for each part.
struct Sums {
  std::vector<std::uint64_t> cells;
  static void job(void* context, std::uint32_t part, std::uint32_t parts) noexcept {
    auto& self = *static_cast<Sums*>(context);
    self.cells[part] = 0;
    for (std::uint32_t i = part; i <= 1000; i += parts) self.cells[part] += i;
  }
};

TEST_CASE("threads that share a pool each get all of their parts, and nothing of the others'") {
  for (const std::uint32_t width : {2U, 4U}) {
    auto pool = ThreadPool::create(width);
    REQUIRE(static_cast<bool>(pool));
    std::atomic<std::uint32_t> wrong{0};
    std::vector<std::thread> callers;
    for (std::uint32_t caller = 0; caller < 4; ++caller) {
      callers.emplace_back([&pool, &wrong, parts = 2 + caller % (width - 1)] {
        Sums sums;
        for (int round = 0; round < 2000; ++round) {
          sums.cells.assign(parts, 0);
          (*pool)->run(&Sums::job, &sums, parts);
          std::uint64_t sum = 0;
          for (const std::uint64_t cell : sums.cells) sum += cell;
          if (sum != 500'500) ++wrong;
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
    CHECK(wrong == 0);
  }
}

TEST_CASE("a job may call its own pool") {
  auto pool = ThreadPool::create(3);
  REQUIRE(static_cast<bool>(pool));
  struct Outer {
    ThreadPool* pool;
    Count inner;
    static void job(void* context, std::uint32_t, std::uint32_t) noexcept {
      auto& self = *static_cast<Outer*>(context);
      self.pool->run(&Count::job, &self.inner, 2);
    }
  };
  Outer outer{pool->get(), {}};
  (*pool)->run(&Outer::job, &outer, 3);
  CHECK(outer.inner.calls == 6);
  CHECK(outer.inner.sum == 3 * (100 + 2 + 2));
}

TEST_CASE("a pool leaves the threads that make and call it where they may run") {
  cpu_set_t before;
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  const std::uint32_t cpus = available_cpus();
  {
    auto pool = ThreadPool::create(3, Pinning::one_cpu_each);
    REQUIRE(static_cast<bool>(pool));
    Count count;
    (*pool)->run(&Count::job, &count, 3);
    CHECK(available_cpus() == cpus);
  }
  cpu_set_t after;
  REQUIRE(sched_getaffinity(0, sizeof after, &after) == 0);
  CHECK(CPU_EQUAL(&before, &after));
}

TEST_CASE("a pool of one thread has no workers, and an absurd size is an error") {
  auto one = ThreadPool::create(0);
  REQUIRE(static_cast<bool>(one));
  CHECK((*one)->width() == 1);
  const auto absurd = ThreadPool::create(1'000'000);
  REQUIRE(!absurd);
  CHECK(absurd.error().code == ErrorCode::bad_argument);
  CHECK(std::string(describe(absurd.error()).c_str()).find("1000000") != std::string::npos);
  CHECK(available_cpus() >= 1);
  const auto unknown = ThreadPool::create(2, static_cast<Pinning>(7));
  REQUIRE(!unknown);
  CHECK(unknown.error().code == ErrorCode::bad_argument);
}

}  // namespace
