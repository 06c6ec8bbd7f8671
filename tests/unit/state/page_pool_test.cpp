// SPDX-License-Identifier: Apache-2.0
// Pages are taken all or none, set aside, shared and given back; marks of blocks say where to cut.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/core/arena.hpp>
#include <lamina/state/block_marks.hpp>
#include <lamina/state/page_pool.hpp>

namespace {

struct PoolOfFour {
  std::vector<std::byte> memory = std::vector<std::byte>(4096);
  lamina::PagePool pool;
  PoolOfFour() {
    lamina::Arena arena(memory);
    pool.take_memory(4, 128, arena);
  }
};

TEST_CASE("pages are taken all or none") {
  PoolOfFour four;
  lamina::PagePool& pool = four.pool;
  std::array<std::byte*, 3> first{};
  CHECK(pool.take(first));
  CHECK(pool.free_pages() == 1);
  std::array<std::byte*, 2> second{};
  CHECK_FALSE(pool.take(second));
  CHECK(second[0] == nullptr);
  CHECK(pool.free_pages() == 1);
  pool.share(first[2]);
  // Of the two given back one is another's, too: 1 + 1 are free then.
  CHECK_FALSE(pool.exchange(std::span(first).last(2), first));
  CHECK(pool.is_shared(first[2]));
  CHECK(pool.exchange(std::span(first).last(2), second));
  CHECK(pool.free_pages() == 0);
  CHECK_FALSE(pool.is_shared(first[2]));
  CHECK(second[0] != second[1]);
  CHECK(std::find(second.begin(), second.end(), first[2]) == second.end());
}

TEST_CASE("pages that are set aside are nobody else's") {
  PoolOfFour four;
  lamina::PagePool& pool = four.pool;
  CHECK(pool.reserve(3));
  CHECK_FALSE(pool.reserve(2));
  CHECK(pool.free_pages() == 1);
  std::array<std::byte*, 2> pages{};
  CHECK_FALSE(pool.take(pages));
  std::byte* one = pool.take_reserved();
  CHECK(one != nullptr);
  pool.cancel(2);
  CHECK(pool.free_pages() == 3);
  CHECK(pool.take(pages));
  pool.release(one);
  CHECK(pool.free_pages() == 2);
}

TEST_CASE("a sequence is cut before a block, not in it") {
  std::vector<std::uint64_t> words(lamina::BlockMarks::words(200));
  lamina::BlockMarks marks(words);
  for (std::uint32_t i = 61; i < 70; ++i) marks.set(i, true);  // 60 to 69 see each other
  CHECK(marks.cut_before(60) == 60);
  for (std::uint32_t i = 61; i < 70; ++i) CHECK(marks.cut_before(i) == 60);
  CHECK(marks.cut_before(70) == 70);
  CHECK(marks.cut_before(0) == 0);
  const auto first = marks.first(66);
  REQUIRE(first.size() == 2);
  CHECK(first[1] == 0b11);  // marks behind are cleared
  marks.set(65, false);
  CHECK(marks.cut_before(65) == 65);
}

}  // namespace
