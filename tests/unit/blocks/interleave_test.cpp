// SPDX-License-Identifier: Apache-2.0
// Interleaved rows: every byte of a block in one place, those of Q6_K in the order in which products read
// them.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <lamina/blocks/interleave.hpp>
#include <lamina/testing/random_matrix.hpp>

namespace {

using lamina::Format;
using lamina::FormatInfo;

/// Interleaves a random matrix; counts the blocks that do not come back from where the order says they are.
int wrong_blocks(const lamina::InterleavedOrder& order) {
  const lamina::testing::RandomMatrix weights(order.format, static_cast<std::uint32_t>(order.rows),
                                              static_cast<std::uint32_t>(order.columns), 11);
  const lamina::WeightMatrix w = weights.matrix();
  const FormatInfo& info = lamina::info_of(order.format);
  std::vector<std::byte> to(w.bytes());
  for (std::size_t row = 0; row < order.rows; row += order.height)
    lamina::interleave_group(order, row, w.row(row), to.data());
  int wrong = 0;
  std::vector<std::byte> block(info.block_bytes);
  for (std::size_t row = 0; row < order.rows; ++row) {
    const auto lane = static_cast<std::uint32_t>(row % order.height);
    for (std::size_t column = 0; column < order.columns; column += info.block_elements) {
      const std::byte* first = to.data() + order.place(row - lane, column);
      lamina::detail::take_block(order.format, order.height, first, lane, block.data());
      const std::byte* stored = w.row(row) + lamina::row_bytes(order.format, column);
      wrong += std::memcmp(block.data(), stored, info.block_bytes) != 0;
    }
  }
  return wrong;
}

TEST_CASE("interleave: blocks come back as they were, of every format and height") {
  int formats = 0;
  for (const FormatInfo& info : lamina::all_formats) {
    if (!lamina::can_interleave(info.format)) continue;
    INFO(info.name);
    ++formats;
    for (const std::uint32_t height : {4U, 8U, 16U}) {
      CHECK(wrong_blocks({info.format, height, 2 * height, 3U * info.block_elements}) == 0);
      CHECK(wrong_blocks({info.format, height, 64 + height, 3072U + info.block_elements}) == 0);
    }
  }
  CHECK(formats == 6);
}

TEST_CASE("interleave: groups of narrow matrices lie one after the other, those of wide ones run by run") {
  // Q8_0: 34 bytes for 32 columns.
  const lamina::InterleavedOrder narrow{Format::q8_0, 16, 160, 3072};
  CHECK(narrow.slab_rows() == 16);
  CHECK(narrow.run_columns() == 3072);
  CHECK(narrow.place(48, 64) == 48 * 96 * 34 + 16 * 2 * 34);

  const lamina::InterleavedOrder wide{Format::q8_0, 16, 160, 3840};  // runs of 1536, 1536 and 768 columns
  CHECK(wide.slab_rows() == 64);
  CHECK(wide.run_columns() == 1536);
  std::size_t expected = 0;
  for (std::size_t slab = 0; slab < 160; slab += 64) {
    for (std::size_t run = 0; run < 3840; run += 1536) {
      for (std::size_t row = slab; row < std::min<std::size_t>(slab + 64, 160); row += 16) {
        for (std::size_t column = run; column < std::min<std::size_t>(run + 1536, 3840); column += 32) {
          REQUIRE(wide.place(row, column) == expected);
          expected += std::size_t{16} * 34;
        }
      }
    }
  }
  CHECK(expected == std::size_t{160} * 120 * 34);
}

TEST_CASE("interleave: scale, sub-scales, then upper bits before the lower ones of Q6_K") {
  // What a product takes from a block, in its order: offsets in a block of a file, 16 bytes each but the
  // first.
  const std::size_t order[] = {208, 192, 128, 0, 32, 144, 16, 48, 160, 64, 96, 176, 80, 112};
  std::size_t place = 0;
  for (const std::size_t from : order) {
    for (std::size_t byte = 0; byte < (from == 208 ? 2 : 16); byte += from == 208 ? 2 : 4, ++place) {
      const std::size_t bytes = place == 0 ? 0 : 2 + 4 * (place - 1);
      CHECK(lamina::detail::interleaved_place(Format::q6_k, from + byte) == bytes);
    }
  }
  CHECK(2 + 4 * (place - 1) == lamina::info_of(Format::q6_k).block_bytes);
}

}  // namespace
