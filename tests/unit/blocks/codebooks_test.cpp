// SPDX-License-Identifier: Apache-2.0
// The expanded codebooks against the SHA-256 sums of weight-files.md Appendix A.
#include <doctest/doctest.h>

#include <string>

#include <lamina/blocks/codebooks.hpp>

#include "support/sha256.hpp"

namespace {

template <int Entries, int Width>
std::string sum_of(const lamina::Codebook<Entries, Width>& book) {
  static_assert(sizeof book.value == Entries * Width);
  return sha256(book.value, sizeof book.value);
}

}  // namespace

TEST_CASE("SHA-256 itself (FIPS 180-4 examples)") {
  CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("codebooks have the published sums") {
  CHECK(sum_of(lamina::codebook_g2xxs) == "05826b5d3e472a3a78f196be62ac78acf81df0f909626e12ab9fa2a5d490dd54");
  CHECK(sum_of(lamina::codebook_g2xs) == "06e47aaca60b4dc1d9b5a3f34540437058a6b142b4d7a59d5ded769b4d1bf1de");
  CHECK(sum_of(lamina::codebook_g2s) == "e1aa1473412b0552c2174c30ef22ab4073f6a181b85a17056e8249bd2932fd88");
  CHECK(sum_of(lamina::codebook_g3xxs) == "46e35f5a997efdee6c99ce57854c8a0d4f0ff8ca57e5e8a60c0793ea580acf5d");
  CHECK(sum_of(lamina::codebook_g3s) == "bd1af4945a1717c65610b0284e4628b9a1ba3b306fae3a06f6e5f597356e349f");
  CHECK(sum_of(lamina::codebook_g1) == "07540ffc1aeaf6ad4d97e96b0fcc765aae39671d4ae4a27bbd0e796fde167c6a");
}
