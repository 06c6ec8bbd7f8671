// SPDX-License-Identifier: Apache-2.0
// XXH64 against values of its reference implementation, however the bytes are cut.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/state/checksum.hpp>

namespace {

TEST_CASE("digests are those of the reference implementation") {
  const auto digest = [](std::string_view text) {
    lamina::Checksum sum;
    sum.add(text);
    return sum.digest();
  };
  CHECK(digest("") == 0xEF46'DB37'51D8'E999);
  CHECK(digest("a") == 0xD24E'C4F1'A98C'6E5B);
  CHECK(digest("abc") == 0x44BC'2CF5'AD77'0999);
  CHECK(digest("Nobody inspects the spammish repetition") == 0xFBCE'A83C'8A37'8BF1);
}

TEST_CASE("a digest does not depend on how the bytes are cut, and on every bit of them") {
  std::vector<std::byte> bytes(203);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 37 + 11);
  lamina::Checksum whole;
  whole.add(bytes);
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    lamina::Checksum cut;
    for (std::size_t at = 0; at < bytes.size(); at += piece)
      cut.add(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
    CHECK(cut.digest() == whole.digest());
  }
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::vector<std::byte> flipped = bytes;
    flipped[bit / 8] ^= std::byte{1} << bit % 8;
    lamina::Checksum other;
    other.add(flipped);
    CHECK(other.digest() != whole.digest());
  }
}

}  // namespace
