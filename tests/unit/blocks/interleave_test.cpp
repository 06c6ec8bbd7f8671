// SPDX-License-Identifier: Apache-2.0
// Interleaved rows: every byte of a block in one place, those of Q6_K in the order in which products read
// them.
#include <doctest/doctest.h>

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

TEST_CASE("interleave: blocks come back as they were, of every format and height") {
  int formats = 0;
  for (const FormatInfo& info : lamina::all_formats) {
    if (!lamina::can_interleave(info.format)) continue;
    INFO(info.name);
    ++formats;
    for (const std::uint32_t height : {4U, 8U, 16U}) {
      const std::uint32_t columns = 3 * info.block_elements;
      const lamina::testing::RandomMatrix weights(info.format, height, columns, 11);
      const lamina::WeightMatrix w = weights.matrix();
      std::vector<std::byte> group(w.bytes());
      lamina::interleave_rows(info.format, columns, height, w.data, group.data());
      int wrong = 0;
      for (std::uint32_t lane = 0; lane < height; ++lane) {
        for (std::size_t at = 0; at < w.bytes_per_row(); at += info.block_bytes) {
          std::vector<std::byte> block(info.block_bytes);
          lamina::detail::take_block(info.format, height, group.data(), lane, at, block.data());
          wrong += std::memcmp(block.data(), w.row(lane) + at, info.block_bytes) != 0;
        }
      }
      CHECK(wrong == 0);
    }
  }
  CHECK(formats == 6);
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
