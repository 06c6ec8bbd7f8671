// SPDX-License-Identifier: Apache-2.0
// Resizing: the check rows of vision.md §2.3, both rules, and what is left alone.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/media/picture/resize.hpp>

namespace {

using lamina::Picture;
using lamina::Resampling;
using Grey = std::vector<int>;

Picture picture_of(std::size_t width, std::size_t height, const std::vector<int>& grey) {
  auto picture = Picture::make(width, height, "test");
  REQUIRE(static_cast<bool>(picture));
  for (std::size_t i = 0; i < grey.size(); ++i) {
    // Channels that differ: they must not mix.
    picture->rgb()[3 * i] = static_cast<std::uint8_t>(grey[i]);
    picture->rgb()[3 * i + 1] = static_cast<std::uint8_t>(255 - grey[i]);
    picture->rgb()[3 * i + 2] = 7;
  }
  return *std::move(picture);
}

Grey red_of(const Picture& picture) {
  Grey values;
  for (std::size_t i = 0; i < picture.rgb().size(); i += 3) values.push_back(picture.rgb()[i]);
  return values;
}

/// The weights of one output as {first, weights...}.
Grey weights_of(const lamina::detail::AxisWeights& axis, std::size_t output) {
  const auto range = axis.ranges.span()[output];
  Grey row{static_cast<int>(range.first)};
  for (std::size_t j = 0; j < range.count; ++j) row.push_back(axis.weights.span()[output * axis.taps + j]);
  return row;
}

TEST_CASE("resize16: integer weights of the specification") {
  struct Case {
    std::size_t from, to;
    int shift;
    std::vector<Grey> rows;
  };
  const Case cases[] = {
      {4,
       8,
       14,
       {{0, 17830, -1446}, {0, 13275, 3468, -359}, {0, 3627, 13883, -1126}, {0, -1152, 14208, 3712, -384}}},
      {8, 4, 16, {{0, 30437, 30437, 7952, -2468, -823}, {0, -2277, 7338, 28087, 28087, 7338, -2277, -759}}},
      {5, 3, 15, {{0, 19157, 14620, 0, -1008}, {0, -1219, 8078, 19051, 8078, -1219}}},
  };
  for (const Case& one : cases) {
    CAPTURE(one.from);
    const auto axis = lamina::detail::axis_weights(one.from, one.to, Resampling::resize16, "test");
    REQUIRE(static_cast<bool>(axis));
    CHECK(axis->shift == one.shift);
    for (std::size_t o = 0; o < one.rows.size(); ++o) CHECK(weights_of(*axis, o) == one.rows[o]);
  }
  const auto pil = lamina::detail::axis_weights(4, 8, Resampling::pil, "test");
  REQUIRE(static_cast<bool>(pil));
  CHECK(pil->shift == 22);
}

TEST_CASE("resize: values of the specification, along rows and along columns") {
  struct Case {
    Grey from, to;
  };
  const Case cases[] = {
      {{0, 255, 0, 255}, {0, 54, 216, 215, 40, 39, 201, 255}},
      {{10, 20, 30, 40, 200, 210, 220, 230}, {14, 44, 196, 226}},
      {{0, 64, 128, 192, 255}, {23, 128, 233}},
  };
  for (const Case& one : cases) {
    const std::size_t from = one.from.size();
    const std::size_t to = one.to.size();
    const auto wide = lamina::resize(picture_of(from, 1, one.from), to, 1);
    const auto high = lamina::resize(picture_of(1, from, one.from), 1, to);
    REQUIRE(static_cast<bool>(wide));
    REQUIRE(static_cast<bool>(high));
    CHECK(red_of(*wide) == one.to);
    CHECK(red_of(*high) == one.to);
    for (std::size_t i = 2; i < wide->rgb().size(); i += 3) CHECK(wide->rgb()[i] == 7);
  }
}

TEST_CASE("resize: a picture of the right size is handed on, an axis of the right size is not touched") {
  Picture picture = picture_of(3, 2, {1, 2, 3, 4, 5, 6});
  const std::uint8_t* bytes = picture.rgb().data();
  auto same = lamina::resize(std::move(picture), 3, 2);
  REQUIRE(static_cast<bool>(same));
  CHECK(same->rgb().data() == bytes);
  const auto wider = lamina::resize(*std::move(same), 6, 2);
  REQUIRE(static_cast<bool>(wider));
  for (std::size_t y = 0; y < 2; ++y) {
    const auto row = lamina::resize(
        picture_of(3, 1,
                   {static_cast<int>(3 * y + 1), static_cast<int>(3 * y + 2), static_cast<int>(3 * y + 3)}),
        6, 1);
    REQUIRE(static_cast<bool>(row));
    CHECK(std::equal(row->rgb().begin(), row->rgb().end(),
                     wider->rgb().begin() + static_cast<std::ptrdiff_t>(18 * y)));
  }
}

TEST_CASE("resize: one colour stays one colour, whatever the sizes and the rule") {
  const std::size_t sizes[][4] = {
      {1, 1, 48, 96}, {1, 5000, 48, 240}, {9000, 1, 48, 48}, {7, 3000, 3360, 48}, {65'535, 2, 48, 5}};
  for (const auto& [from_width, from_height, width, height] : sizes) {
    for (const Resampling rule : {Resampling::resize16, Resampling::pil}) {
      for (const int level : {0, 1, 128, 254, 255}) {
        const auto resized = lamina::resize(
            picture_of(from_width, from_height, Grey(from_width * from_height, level)), width, height, rule);
        REQUIRE(static_cast<bool>(resized));
        REQUIRE(resized->rgb().size() == 3 * width * height);
        const Grey red = red_of(*resized);
        // The rounding of thousands of weights leaves a grey level at most.
        const auto [low, high] = std::minmax_element(red.begin(), red.end());
        CHECK(*low >= level - 1);
        CHECK(*high <= level + 1);
      }
    }
  }
}

}  // namespace
