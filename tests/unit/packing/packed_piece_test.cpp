// SPDX-License-Identifier: Apache-2.0
// Tensors that are packed piece by piece: the same bytes as at once, whatever the pieces.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <lamina/blocks/interleave.hpp>
#include <lamina/packing/write_packed.hpp>
#include <lamina/testing/random_matrix.hpp>

namespace {

constexpr std::uint32_t group_rows = 8;

/// Interleaves as kernels of 8 lanes do.
void interleave(const lamina::WeightMatrix& w, std::size_t first, std::size_t count, std::byte* to) noexcept {
  for (std::size_t row = first; row < first + count; row += group_rows) {
    const std::size_t in_matrix = row % w.rows;
    lamina::interleave_group(lamina::order_of(w, group_rows), in_matrix, w.row(row),
                             to + (row - in_matrix) * w.bytes_per_row());
  }
}

TEST_CASE("packed pieces: whole slabs of one matrix, which make the same bytes as the whole tensor") {
  lamina::LinearKernels kernels{};
  kernels.interleave_height = group_rows;
  kernels.interleave = &interleave;
  const lamina::Team team(nullptr);
  constexpr std::uint64_t stack = 3;
  for (const std::uint64_t width : {std::uint64_t{64}, std::uint64_t{3840}}) {
    constexpr std::uint64_t matrix_rows = 152;  // two slabs of 64 and three groups of a wide matrix
    const lamina::testing::RandomMatrix weights(lamina::Format::q8_0,
                                                static_cast<std::uint32_t>(stack * matrix_rows),
                                                static_cast<std::uint32_t>(width), 5);
    lamina::WeightMatrix w = weights.matrix();
    const std::span<const std::byte> stored(w.data, w.bytes());
    w.rows = static_cast<std::uint32_t>(matrix_rows);
    std::vector<std::byte> expected(stored.size());
    interleave(w, 0, stack * matrix_rows, expected.data());
    CHECK_FALSE(std::ranges::equal(expected, stored));
    const lamina::TensorView tensor{"t", lamina::Format::q8_0, {width, matrix_rows, stack, 1}, stored};
    const std::size_t row = w.bytes_per_row();
    std::size_t pieces_before = stored.size();
    for (const std::size_t most : {std::size_t{1}, 80 * row, 150 * row, 1000 * row}) {
      std::vector<std::byte> memory;
      std::vector<std::byte> packed;
      std::size_t pieces = 0;
      const lamina::Status status = lamina::detail::for_each_packed_piece(
          kernels, tensor, most, team, memory,
          [&](std::span<const std::byte> from, std::span<const std::byte> piece) -> lamina::Result<bool> {
            CHECK(from.data() == stored.data() + packed.size());
            CHECK(from.size() == piece.size());
            packed.insert(packed.end(), piece.begin(), piece.end());
            ++pieces;
            return true;
          });
      CHECK(status);
      CHECK(packed == expected);
      CHECK(pieces >= stack);
      CHECK(pieces <= pieces_before);
      pieces_before = pieces;
    }
    CHECK(pieces_before == stack);
  }
}

TEST_CASE("packed pieces: nothing follows a piece that says stop, or cannot be used") {
  lamina::LinearKernels kernels{};
  kernels.interleave_height = group_rows;
  kernels.interleave = &interleave;
  const lamina::testing::RandomMatrix weights(lamina::Format::q8_0, 32, 64, 5);
  const lamina::WeightMatrix w = weights.matrix();
  const lamina::TensorView tensor{"t", lamina::Format::q8_0, {64, 32, 1, 1}, {w.data, w.bytes()}};
  const lamina::Team team(nullptr);
  std::vector<std::byte> memory;
  int pieces = 0;
  const auto packs = [&](auto use) {
    return lamina::detail::for_each_packed_piece(kernels, tensor, 1, team, memory, use);
  };
  CHECK(packs([&](auto, auto) -> lamina::Result<bool> { return ++pieces < 2; }));
  CHECK(pieces == 2);
  const lamina::Status refused = packs([&](auto, auto) -> lamina::Result<bool> {
    ++pieces;
    return lamina::Error{lamina::ErrorCode::io, "t", "cannot be written", "room", "none", ""};
  });
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == lamina::ErrorCode::io);
  CHECK(pieces == 3);
}

}  // namespace
