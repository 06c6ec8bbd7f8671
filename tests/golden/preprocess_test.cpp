// SPDX-License-Identifier: Apache-2.0
// Pictures as encoders read them: sizes, colours and resized bytes of the reference, bit for bit, by both
// rules: checksums cover every byte.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/media/picture/define_stb.hpp>
#include <lamina/media/picture/prepare.hpp>

#include "support/expect_error.hpp"
#include "support/reference.hpp"

namespace {

using lamina::Picture;
using lamina::Resampling;

/// The checksum of PNG files and of zlib.
std::uint32_t crc32(std::span<const std::uint8_t> bytes) {
  std::uint32_t crc = ~0U;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

/// The bytes of all squares of `side` pixels, row by row; in a square by row, column and channel.
std::vector<std::uint8_t> squares_of(const Picture& picture, std::size_t side) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t top = 0; top < picture.height(); top += side) {
    for (std::size_t left = 0; left < picture.width(); left += side) {
      for (std::size_t y = top; y < top + side; ++y) {
        const auto row = picture.rgb().subspan(3 * (y * picture.width() + left), 3 * side);
        bytes.insert(bytes.end(), row.begin(), row.end());
      }
    }
  }
  return bytes;
}

/// Every `step`-th run of `length` bytes, from the first.
std::vector<std::uint8_t> every(const std::vector<std::uint8_t>& bytes, std::size_t length,
                                std::size_t step) {
  std::vector<std::uint8_t> chosen;
  for (std::size_t at = 0; at < bytes.size(); at += step * length) {
    chosen.insert(chosen.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at),
                  bytes.begin() + static_cast<std::ptrdiff_t>(at + length));
  }
  return chosen;
}

/// Compares patches with what the reference says of one rule; with its array, too, where the full data is
/// there.
void check_patches(const std::vector<std::uint8_t>& patches, const nlohmann::json& expected,
                   const ReferenceArrays& arrays) {
  std::uint64_t sum = 0;
  for (const std::uint8_t byte : patches) sum += byte;
  CHECK(sum == expected["sum_of_bytes"].get<std::uint64_t>());
  CHECK(crc32(patches) == expected["crc32_of_bytes"].get<std::uint32_t>());
  const auto name = expected["tensor"].get<std::string>();
  if (!arrays.index().contains(name)) return;
  CHECK(every(patches, 768, expected["stored_step"].get<std::size_t>()) == arrays.get<std::uint8_t>(name));
}

TEST_CASE("prepared pictures are the reference's, byte for byte, by both rules") {
  const nlohmann::json json = read_json(golden_path("vision/preprocess.json"));
  const ReferenceArrays arrays(golden_path("vision/preprocess.safetensors"));
  REQUIRE(json.is_object());
  REQUIRE(arrays.valid());
  for (const nlohmann::json& one : json["cases"]) {
    const auto file = one["image"].get<std::string>();
    const int budget = one["budget"].get<int>();
    CAPTURE(file);
    CAPTURE(budget);
    for (const Resampling rule : {Resampling::pil, Resampling::resize16}) {
      CAPTURE(static_cast<int>(rule));
      auto picture = lamina::read_picture(golden_path("vision/" + file));
      REQUIRE_MESSAGE(static_cast<bool>(picture), message_of(picture));
      CHECK(picture->width() == one["source_width"].get<std::size_t>());
      CHECK(picture->height() == one["source_height"].get<std::size_t>());
      const auto prepared = lamina::prepare_picture(*std::move(picture), budget, rule);
      REQUIRE_MESSAGE(static_cast<bool>(prepared), message_of(prepared));
      REQUIRE(prepared->width() == one["target_width"].get<std::size_t>());
      REQUIRE(prepared->height() == one["target_height"].get<std::size_t>());
      CHECK(lamina::soft_tokens(*prepared) == one["soft_tokens"].get<std::size_t>());
      CHECK(static_cast<bool>(lamina::check_as_is(*prepared)));
      const std::vector<std::uint8_t> patches = squares_of(*prepared, 16);
      CHECK(patches.size() == 768 * one["patches"].get<std::size_t>());
      check_patches(patches, rule == Resampling::pil ? one : one["resize16"], arrays);
    }
  }
  CHECK(json["cases"].size() == 18);
}

TEST_CASE("the 48-pixel blocks of the encoder-free model are squares of the same picture") {
  const ReferenceArrays arrays(golden_path("vision/preprocess.safetensors"));
  REQUIRE(arrays.valid());
  auto picture = lamina::read_picture(golden_path("vision/images/a_64x48.png"));
  REQUIRE_MESSAGE(static_cast<bool>(picture), message_of(picture));
  const auto prepared = lamina::prepare_picture(*std::move(picture), 70);
  REQUIRE_MESSAGE(static_cast<bool>(prepared), message_of(prepared));
  CHECK(every(squares_of(*prepared, 48), 6912, 7) ==
        arrays.get<std::uint8_t>("a.b70.unified_blocks_resize16"));
}

TEST_CASE("target sizes are the reference's") {
  const nlohmann::json json = read_json(golden_path("vision/preprocess.json"));
  REQUIRE(json.is_object());
  for (const nlohmann::json& row : json["sizes"]) {
    const auto number = [&row](std::size_t column) { return row[column].get<std::size_t>(); };
    CAPTURE(row.dump());
    const auto size = lamina::target_size(number(0), number(1), row[2].get<int>());
    REQUIRE_MESSAGE(static_cast<bool>(size), message_of(size));
    CHECK(*size == lamina::PictureSize{number(3), number(4)});
    CHECK(size->soft_tokens() == number(5));
  }
  CHECK(json["sizes"].size() == 75);
}

}  // namespace
