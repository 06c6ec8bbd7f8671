// SPDX-License-Identifier: Apache-2.0
#include <lamina/runtime/threads.hpp>

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string>

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

TEST_CASE("a pool of one thread has no workers, and an absurd size is an error") {
  auto one = ThreadPool::create(0);
  REQUIRE(static_cast<bool>(one));
  CHECK((*one)->width() == 1);
  const auto absurd = ThreadPool::create(1'000'000);
  REQUIRE(!absurd);
  CHECK(absurd.error().code == ErrorCode::bad_argument);
  CHECK(std::string(describe(absurd.error()).c_str()).find("1000000") != std::string::npos);
  CHECK(available_cpus() >= 1);
}

}  // namespace
