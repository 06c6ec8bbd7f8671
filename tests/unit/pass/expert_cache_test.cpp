// SPDX-License-Identifier: Apache-2.0
// Experts on disk: always the right ones, those that are used stay, never more than planned.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <random>
#include <set>
#include <vector>

#include <lamina/core/arena.hpp>
#include <lamina/pass/expert_cache.hpp>

namespace {

using Wanted = std::vector<std::uint32_t>;

/// Three layers with experts around one without, in memory that counts as a file; knows what is read.
struct CountedExperts final : lamina::ByteOwner {
  static constexpr std::uint32_t layers = 4;
  static constexpr std::uint32_t dense = 1;
  static constexpr std::uint32_t experts = 20;

  CountedExperts() : bytes(std::size_t{layers} * experts * (40 + 12) * 4) {
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * i / 7 + i);
    std::byte* at = bytes.data();
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      if (layer == dense) continue;
      std::size_t part = 0;
      for (const std::uint32_t columns : {40U, 12U}) {  // the second has no multiple of the alignment
        lamina::WeightMatrix& stack = stacks[layer].parts[part];
        stack.data = at;
        stack.format = lamina::Format::f32;
        stack.rows = 1;
        stack.columns = columns;
        stack.stack = experts;
        at += stack.bytes();
        stacks[layer].owners[part++] = this;
      }
    }
  }
  [[nodiscard]] bool read(std::span<const std::byte> from, std::byte* to) const noexcept override {
    const auto begin = static_cast<std::size_t>(from.data() - bytes.data());
    if (begin <= broken && broken < begin + from.size()) return false;
    read_bytes += from.size();
    std::memcpy(to, from.data(), from.size());
    return true;
  }
  void expect(std::span<const std::byte>) const noexcept override { ++expected; }
  [[nodiscard]] std::size_t each() const {
    std::size_t sum = 0;
    for (const lamina::ExpertStacks& layer : stacks) sum += layer.slot_bytes();
    return sum;
  }

  std::vector<std::byte> bytes;
  std::array<lamina::ExpertStacks, layers> stacks{};
  std::size_t broken = SIZE_MAX;  ///< the byte that cannot be read
  mutable std::size_t read_bytes = 0;
  mutable std::size_t expected = 0;
};

struct ExpertSlots {
  ExpertSlots(const CountedExperts& from, std::size_t bytes)
      : file(from), memory(bytes + 8192), arena(memory) {
    cache.take_memory(bytes, CountedExperts::layers, CountedExperts::experts, arena);
    REQUIRE(!arena.overflowed());
  }
  [[nodiscard]] bool fetch(std::uint32_t layer, const Wanted& experts) {
    if (!cache.fetch(lamina::Team(nullptr), layer, experts)) return false;
    for (const std::uint32_t expert : experts) {
      for (std::size_t part = 0; part < 2; ++part) {
        const lamina::WeightMatrix& stack = file.stacks[layer].parts[part];
        const lamina::WeightMatrix want = stack.at(expert);
        const lamina::WeightMatrix got = cache.at(layer, stack, expert);
        CHECK(got.stack == 1);
        CHECK(std::memcmp(got.data, want.data, want.bytes()) == 0);
      }
    }
    return true;
  }
  [[nodiscard]] std::size_t held(std::uint32_t layer) const {
    std::size_t count = 0;
    for (std::uint32_t i = 0; i < CountedExperts::experts; ++i) count += cache.holds(layer, i) ? 1 : 0;
    return count;
  }

  const CountedExperts& file;
  std::vector<std::byte> memory;
  lamina::Arena arena;
  lamina::ExpertCache cache;
};

TEST_CASE("expert cache: any sequence of fetches gets the experts of the file") {
  std::mt19937 random(5);
  const CountedExperts file;
  for (const std::uint32_t slots : {1U, 2U, 7U, 19U, 20U, 30U}) {
    CAPTURE(slots);
    ExpertSlots cache(file, slots * file.each());
    REQUIRE(cache.cache.attach(file.stacks, 1));
    const std::uint32_t most = std::min(slots, CountedExperts::experts);
    CHECK(cache.cache.slots() == most);
    for (int round = 0; round < 3000; ++round) {
      const std::uint32_t layer = std::array{0U, 2U, 3U}[random() % 3];
      std::set<std::uint32_t> wanted;
      const std::size_t count = 1 + random() % most;
      while (wanted.size() < count) wanted.insert(static_cast<std::uint32_t>(random()) % 20);
      REQUIRE(cache.fetch(layer, {wanted.begin(), wanted.end()}));
      CHECK(cache.held(layer) <= most);
    }
  }
}

TEST_CASE("expert cache: the least used goes, of equals the one not needed for longest") {
  const CountedExperts file;
  ExpertSlots cache(file, 3 * file.each());
  REQUIRE(cache.cache.attach(file.stacks, 2));
  REQUIRE(cache.fetch(0, {4, 5}));
  REQUIRE(cache.fetch(0, {4, 6}));
  CHECK(cache.cache.reads() == lamina::ExpertReads{4, 1, 3 * 52 * 4});
  REQUIRE(cache.fetch(0, {7}));  // 5 and 6 were asked for once, 5 before
  CHECK(!cache.cache.holds(0, 5));
  REQUIRE(cache.fetch(0, {5}));  // asked for twice now, so 6 goes
  CHECK(!cache.cache.holds(0, 6));
  CHECK(cache.cache.holds(0, 4));
  REQUIRE(cache.fetch(0, {8, 9, 10}));  // all that there is room for
  CHECK(!cache.cache.holds(0, 4));
  CHECK(cache.held(2) == 0);  // other layers have slots of their own

  // What was used a lot long ago does not stay for ever.
  for (int i = 0; i < 3000; ++i) REQUIRE(cache.fetch(3, {1, 2}));
  int rounds = 0;
  for (; cache.cache.holds(3, 1) && rounds < 3000; ++rounds) REQUIRE(cache.fetch(3, {3, 4}));
  CHECK(rounds < 1100);

  const std::size_t before = file.expected;
  cache.cache.expect(3, Wanted{3, 9});  // one is there
  CHECK(file.expected == before + 2);
}

TEST_CASE("expert cache: an expert that cannot be read is an error, and does not stay") {
  CountedExperts file;
  ExpertSlots cache(file, 4 * file.each());
  REQUIRE(cache.cache.attach(file.stacks, 2));
  REQUIRE(cache.fetch(2, {1, 2}));
  const lamina::WeightMatrix& down = file.stacks[2].parts[1];
  file.broken = static_cast<std::size_t>(down.at(6).data - file.bytes.data()) + down.at(6).bytes() - 1;
  CHECK(!cache.fetch(2, {2, 5, 6}));
  CHECK(cache.cache.holds(2, 2));
  CHECK(!cache.cache.holds(2, 5));
  CHECK(!cache.cache.holds(2, 6));
  file.broken = SIZE_MAX;
  CHECK(cache.fetch(2, {2, 5, 6}));
}

TEST_CASE("expert cache: less memory than the experts of one token is refused") {
  const CountedExperts file;
  ExpertSlots cache(file, 3 * file.each() - 1);
  CHECK(!cache.cache.attach(file.stacks, 3));
  CHECK(!cache.cache.is_attached());
  CHECK(cache.cache.attach(file.stacks, 2));
  CHECK(cache.cache.slots() == 2);
}

}  // namespace
