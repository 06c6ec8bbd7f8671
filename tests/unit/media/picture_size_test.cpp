// SPDX-License-Identifier: Apache-2.0
// The size rule: the table of vision.md §2.2, every budget, and what is no size.
#include <cstddef>
#include <string>

#include <doctest/doctest.h>

#include <lamina/media/picture/prepare.hpp>

#include "support/expect_error.hpp"

namespace {

using lamina::ErrorCode;
using lamina::PictureSize;

TEST_CASE("target_size: the specification's table") {
  struct Row {
    std::size_t height, width;
    PictureSize sizes[5];
    std::size_t tokens[5];
  };
  const Row rows[] = {
      {13, 13, {{384, 384}, {528, 528}, {768, 768}, {1104, 1104}, {1584, 1584}}, {64, 121, 256, 529, 1089}},
      {5000,
       5000,
       {{384, 384}, {528, 528}, {768, 768}, {1104, 1104}, {1584, 1584}},
       {64, 121, 256, 529, 1089}},
      {480, 640, {{336, 432}, {480, 624}, {672, 912}, {960, 1296}, {1344, 1824}}, {63, 130, 266, 540, 1064}},
      {3024,
       4032,
       {{336, 432}, {480, 624}, {672, 912}, {960, 1296}, {1344, 1824}},
       {63, 130, 266, 540, 1064}},
      {1080,
       1920,
       {{288, 528}, {384, 720}, {576, 1056}, {816, 1488}, {1200, 2112}},
       {66, 120, 264, 527, 1100}},
      {100,
       1000,
       {{96, 1248}, {144, 1776}, {240, 2496}, {336, 3552}, {480, 5040}},
       {52, 111, 260, 518, 1050}},
      {10, 10000, {{48, 3360}, {48, 6720}, {48, 13440}, {48, 26880}, {48, 50784}}, {70, 140, 280, 560, 1058}},
      {1, 300, {{48, 3360}, {48, 6720}, {48, 13440}, {48, 19632}, {48, 27792}}, {70, 140, 280, 409, 579}},
  };
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < 5; ++i) {
      CAPTURE(row.height);
      CAPTURE(row.width);
      CAPTURE(lamina::image_budgets[i]);
      const auto size = lamina::target_size(row.height, row.width, lamina::image_budgets[i]);
      REQUIRE(static_cast<bool>(size));
      CHECK(*size == row.sizes[i]);
      CHECK(size->soft_tokens() == row.tokens[i]);
      const auto turned = lamina::target_size(row.width, row.height, lamina::image_budgets[i]);
      REQUIRE(static_cast<bool>(turned));
      CHECK(*turned == PictureSize{row.sizes[i].width, row.sizes[i].height});
    }
  }
}

TEST_CASE("target_size: any size becomes 1 to budget soft tokens") {
  const std::size_t sides[] = {1, 2, 3, 47, 48, 49, 95, 100, 767, 1000, 4099, 65'535};
  for (const int budget : lamina::image_budgets) {
    for (const std::size_t height : sides) {
      for (const std::size_t width : sides) {
        const auto size = lamina::target_size(height, width, budget);
        REQUIRE(static_cast<bool>(size));
        CHECK(size->height % 48 == 0);
        CHECK(size->width % 48 == 0);
        CHECK(size->soft_tokens() >= 1);
        CHECK(size->soft_tokens() <= static_cast<std::size_t>(budget));
      }
    }
  }
}

TEST_CASE("target_size: other budgets and empty pictures are errors") {
  for (const int budget : {-70, 0, 1, 69, 71, 256, 281, 1121}) {
    CHECK_FALSE(lamina::is_image_budget(budget));
    expect_error(lamina::target_size(10, 10, budget), ErrorCode::bad_argument, "image budget", "soft tokens");
  }
  for (const int budget : {70, 140, 280, 560, 1120}) CHECK(lamina::is_image_budget(budget));
  expect_error(lamina::target_size(0, 10, 280), ErrorCode::bad_argument, "picture size", "no size");
  expect_error(lamina::target_size(10, 0, 280), ErrorCode::bad_argument, "picture size", "no size");
  expect_error(lamina::target_size(SIZE_MAX, SIZE_MAX, 280), ErrorCode::bad_argument, "picture size",
               "no size");
  expect_error(lamina::prepare_picture(lamina::Picture{}, 280), ErrorCode::bad_argument, "picture size",
               "no size");
}

TEST_CASE("check_as_is: sides that an encoder can cut, and not more of them than any budget") {
  const auto of = [](std::size_t width, std::size_t height) {
    auto picture = lamina::Picture::make(width, height, "test");
    REQUIRE(static_cast<bool>(picture));
    return *std::move(picture);
  };
  CHECK(static_cast<bool>(lamina::check_as_is(of(48, 48))));
  CHECK(static_cast<bool>(lamina::check_as_is(of(48 * 1120, 48))));
  CHECK(static_cast<bool>(lamina::check_as_is(of(48 * 32, 48 * 35))));
  expect_error(lamina::check_as_is(of(48, 47), "a.png"), ErrorCode::bad_argument, "a.png", "resized");
  expect_error(lamina::check_as_is(of(49, 48)), ErrorCode::bad_argument, "picture", "resized");
  expect_error(lamina::check_as_is(of(48 * 1121, 48)), ErrorCode::bad_argument, "picture", "resized");
  expect_error(lamina::check_as_is(lamina::Picture{}), ErrorCode::bad_argument, "picture", "resized");
}

}  // namespace
