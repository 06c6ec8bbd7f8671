// SPDX-License-Identifier: Apache-2.0
// Rows of a table on disk: always the right ones, each read once while it is kept, never more than planned.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <random>
#include <set>
#include <vector>

#include <lamina/core/arena.hpp>
#include <lamina/pass/row_cache.hpp>

namespace {

using lamina::TokenId;

/// A table of rows of bytes that tell their token, and somebody who counts what is read of it.
struct CountedTable final : lamina::ByteOwner {
  static constexpr std::uint32_t rows = 1000;
  static constexpr std::uint32_t columns = 64;

  CountedTable() : bytes(std::size_t{rows} * columns * 4) {
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::byte>(i / (columns * 4) * 7 + i % 5);
    matrix.data = bytes.data();
    matrix.format = lamina::Format::f32;
    matrix.rows = rows;
    matrix.columns = columns;
  }
  [[nodiscard]] bool read(std::span<const std::byte> from, std::byte* to) const noexcept override {
    if (token_of(from) == broken) return false;
    reads.push_back(token_of(from));
    std::memcpy(to, from.data(), from.size());
    return true;
  }
  void expect(std::span<const std::byte> row) const noexcept override { expected.push_back(token_of(row)); }
  [[nodiscard]] TokenId token_of(std::span<const std::byte> row) const {
    return static_cast<TokenId>(static_cast<std::size_t>(row.data() - bytes.data()) / matrix.bytes_per_row());
  }

  std::vector<std::byte> bytes;
  lamina::WeightMatrix matrix;
  mutable std::vector<TokenId> reads;
  mutable std::vector<TokenId> expected;
  TokenId broken = rows;
};

/// A cache with room for about `kept` rows.
struct Cache {
  Cache(const CountedTable& table, std::size_t kept, std::uint32_t most)
      : memory((table.matrix.bytes_per_row() + 24) * kept + 192 + 4096 + 8 * most), arena(memory) {
    cache.take_memory((table.matrix.bytes_per_row() + 24) * kept + 192, most, arena);
    REQUIRE(!arena.overflowed());
    REQUIRE(cache.attach(table.matrix, table));
  }
  [[nodiscard]] bool fetch(const std::vector<TokenId>& tokens) {
    return cache.fetch(lamina::Team(nullptr), static_cast<std::uint32_t>(tokens.size()),
                       [&](std::uint32_t i) { return tokens[i]; });
  }
  [[nodiscard]] bool holds(const CountedTable& table, const std::vector<TokenId>& tokens) const {
    for (std::uint32_t i = 0; i < tokens.size(); ++i) {
      if (std::memcmp(cache.row(i).data, table.matrix.row(tokens[i]), table.matrix.bytes_per_row()) != 0)
        return false;
    }
    return true;
  }

  std::vector<std::byte> memory;
  lamina::Arena arena;
  lamina::RowCache cache;
};

TEST_CASE("row cache: any sequence of fetches gets the rows of the table") {
  std::mt19937 random(3);
  for (const std::size_t kept : {1U, 2U, 5U, 64U, 700U, 3000U}) {
    CAPTURE(kept);
    const CountedTable table;
    Cache cache(table, kept, 64);
    const std::uint32_t most = cache.cache.most_rows();
    REQUIRE(most >= 1);
    REQUIRE(most <= std::max<std::size_t>(kept, 1));
    for (int round = 0; round < 400; ++round) {
      std::vector<TokenId> tokens(1 + random() % most);
      const TokenId range = random() % 2 == 0 ? CountedTable::rows : 20;
      for (TokenId& token : tokens) token = static_cast<TokenId>(random() % range);
      table.reads.clear();
      REQUIRE(cache.fetch(tokens));
      REQUIRE(cache.holds(table, tokens));
      CHECK(std::is_sorted(table.reads.begin(), table.reads.end()));
      CHECK(std::set<TokenId>(table.reads.begin(), table.reads.end()).size() == table.reads.size());
    }
  }
}

TEST_CASE("row cache: what is kept is not read again, and what is used stays") {
  const CountedTable table;
  Cache cache(table, 50, 16);
  const std::vector<TokenId> hot{7, 3, 7, 990};
  REQUIRE(cache.fetch(hot));
  CHECK(table.reads == std::vector<TokenId>{3, 7, 990});
  table.reads.clear();
  for (TokenId token = 100; token < 900; ++token) {
    REQUIRE(cache.fetch({token}));
    REQUIRE(cache.fetch(hot));
    REQUIRE(cache.holds(table, hot));
  }
  CHECK(table.reads.size() == 800);
  cache.cache.expect(7);                   // is there
  cache.cache.expect(5);                   // is not
  cache.cache.expect(CountedTable::rows);  // is no row
  CHECK(table.expected == std::vector<TokenId>{5});
}

TEST_CASE("row cache: a row that cannot be read is an error, and does not stay") {
  CountedTable table;
  Cache cache(table, 8, 8);
  REQUIRE(cache.fetch({1, 2, 3}));
  table.broken = 20;
  CHECK(!cache.fetch({2, 20, 21}));
  table.broken = CountedTable::rows;
  table.reads.clear();
  REQUIRE(cache.fetch({20, 2, 21}));
  CHECK(cache.holds(table, {20, 2, 21}));
  CHECK(table.reads == std::vector<TokenId>{20, 21});  // those that failed; 2 was there
}

TEST_CASE("row cache: less memory than a row takes is refused") {
  const CountedTable table;
  std::vector<std::byte> memory(4096);
  lamina::Arena arena(memory);
  lamina::RowCache cache;
  cache.take_memory(table.matrix.bytes_per_row(), 4, arena);
  CHECK(!cache.attach(table.matrix, table));
  CHECK(!cache.is_attached());
}

}  // namespace
