// SPDX-License-Identifier: Apache-2.0
// Colours and orientations: blending for every value, grey, EXIF data of both byte orders.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/media/picture/colour.hpp>
#include <lamina/media/picture/orientation.hpp>

#include "support/picture_builder.hpp"

namespace {

using lamina::Orientation;

TEST_CASE("blend_on_white: the nearest of (c·a + 255·(255 - a)) / 255 for all values") {
  for (unsigned c = 0; c < 256; ++c) {
    for (unsigned a = 0; a < 256; ++a) {
      const unsigned exact = c * a + 255 * (255 - a);  // halves do not occur: 255 is odd
      if (lamina::blend_on_white(static_cast<std::uint8_t>(c), static_cast<std::uint8_t>(a)) !=
          (2 * exact + 255) / 510) {
        FAIL_CHECK("c " << c << " a " << a);
      }
    }
  }
}

TEST_CASE("to_rgb: one to four channels") {
  const auto rgb_of = [](std::vector<std::uint8_t> pixels, std::size_t channels) {
    std::vector<std::uint8_t> rgb(pixels.size() / channels * 3);
    lamina::to_rgb(pixels, channels, rgb);
    return rgb;
  };
  using Bytes = std::vector<std::uint8_t>;
  CHECK(rgb_of({5, 200}, 1) == Bytes{5, 5, 5, 200, 200, 200});
  CHECK(rgb_of({5, 255, 5, 0, 0, 127}, 2) == Bytes{5, 5, 5, 255, 255, 255, 128, 128, 128});
  CHECK(rgb_of({1, 2, 3, 4, 5, 6}, 3) == Bytes{1, 2, 3, 4, 5, 6});
  CHECK(rgb_of({1, 2, 3, 255, 9, 9, 9, 0}, 4) == Bytes{1, 2, 3, 255, 255, 255});
}

TEST_CASE("exif_orientation: all eight, in both byte orders, as short and as long numbers") {
  for (std::uint32_t value = 1; value <= 8; ++value) {
    for (const bool is_little : {false, true}) {
      CHECK(lamina::exif_orientation(as_bytes(exif_data(value, is_little))) ==
            static_cast<Orientation>(value));
      CHECK(lamina::exif_orientation(as_bytes(exif_data(value, is_little, 4))) ==
            static_cast<Orientation>(value));
    }
  }
}

TEST_CASE("exif_orientation: what breaks the rules means upright") {
  const std::string good = exif_data(6, true);
  // Cut in front of the last byte of the entry, 34 bytes in.
  for (std::size_t size = 0; size < 34; ++size) {
    const std::vector<std::byte> exact(as_bytes(good).begin(),
                                       as_bytes(good).begin() + static_cast<std::ptrdiff_t>(size));
    CAPTURE(size);
    CHECK(lamina::exif_orientation(exact) == Orientation::upright);
  }
  for (const std::uint32_t value : {0U, 9U, 65'535U}) {
    CHECK(lamina::exif_orientation(as_bytes(exif_data(value, false))) == Orientation::upright);
  }
  CHECK(lamina::exif_orientation(as_bytes(exif_data(6, true, 2))) == Orientation::upright);
  CHECK(lamina::exif_orientation(as_bytes(exif_data(6, true, 3, 2))) == Orientation::upright);
  std::string far = good;
  far[4] = far[5] = far[6] = far[7] = '\xFF';
  CHECK(lamina::exif_orientation(as_bytes(far)) == Orientation::upright);
  std::string other = good;
  other[2] = 43;
  CHECK(lamina::exif_orientation(as_bytes(other)) == Orientation::upright);
}

TEST_CASE("turn_upright: the eight ways of a picture of 3 x 2 pixels") {
  // Stored:  1 2 3
  //          4 5 6
  const std::vector<int> expected[9] = {{},
                                        {1, 2, 3, 4, 5, 6},
                                        {3, 2, 1, 6, 5, 4},
                                        {6, 5, 4, 3, 2, 1},
                                        {4, 5, 6, 1, 2, 3},
                                        {1, 4, 2, 5, 3, 6},
                                        {4, 1, 5, 2, 6, 3},
                                        {6, 3, 5, 2, 4, 1},
                                        {3, 6, 2, 5, 1, 4}};
  for (std::size_t way = 1; way <= 8; ++way) {
    CAPTURE(way);
    auto stored = lamina::Picture::make(3, 2, "test");
    REQUIRE(static_cast<bool>(stored));
    for (std::size_t i = 0; i < 18; ++i)
      stored->rgb()[i] = static_cast<std::uint8_t>(10 * (i % 3) + i / 3 + 1);
    const auto turned = lamina::turn_upright(*std::move(stored), static_cast<Orientation>(way), "test");
    REQUIRE(static_cast<bool>(turned));
    CHECK(turned->width() == (way < 5 ? 3 : 2));
    CHECK(turned->height() == (way < 5 ? 2 : 3));
    std::vector<int> values;
    for (std::size_t i = 0; i < 6; ++i) {
      values.push_back(turned->rgb()[3 * i]);
      CHECK(turned->rgb()[3 * i + 2] == values.back() + 20);
    }
    CHECK(values == expected[way]);
  }
}

}  // namespace
