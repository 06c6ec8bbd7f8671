// SPDX-License-Identifier: Apache-2.0
// Images of a tokenizer's tables: the same ids and texts as the vocabulary they are of, whatever is damaged.
#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <lamina/tokenizer/tables/image.hpp>

#include "support/golden_text.hpp"

namespace {

using lamina::TokenId;
using lamina::Tokenizer;

/// Bytes at an address of a given distance from a multiple of 64.
class ImageAt {
 public:
  ImageAt(const Tokenizer& tokenizer, std::size_t distance) : size_(image_bytes(tokenizer.tables())) {
    memory_.resize(size_ + 128);
    auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
    first_ = memory_.data() + (64 - address % 64) + distance;
    std::vector<std::uint64_t> aligned(size_ / 8);
    write_image(tokenizer.tables(), reinterpret_cast<std::byte*>(aligned.data()));
    std::memcpy(first_, aligned.data(), size_);
  }
  [[nodiscard]] std::span<std::byte> bytes() const { return {first_, size_}; }

 private:
  std::vector<std::byte> memory_;
  std::size_t size_;
  std::byte* first_ = nullptr;
};

std::vector<TokenId> all_of(std::span<const TokenId> ids) { return {ids.begin(), ids.end()}; }

TEST_CASE("tokenizer images: where they lie, tables give the ids and texts of the vocabulary") {
  const auto texts = golden_json("tokenizer/texts.json");
  for (const char* name : {"small.gguf", "medium.gguf", "tricky.gguf", "tricky.tokenizer.json"}) {
    CAPTURE(std::string(name));
    const Tokenizer built = golden_tokenizer(name);
    for (const std::size_t distance : {0U, 16U, 1U}) {
      const ImageAt image(built, distance);
      auto opened = Tokenizer::from_image(image.bytes(), name);
      REQUIRE(static_cast<bool>(opened));
      const auto* first = reinterpret_cast<const std::byte*>(opened->tables().merges.buckets.data());
      const bool lies_in_image =
          first >= image.bytes().data() && first < image.bytes().data() + image.bytes().size();
      CHECK(lies_in_image == (distance % 16 == 0));
      const Tokenizer viewed = std::move(*opened);
      REQUIRE(viewed.size() == built.size());
      for (TokenId id = 0; id < built.size(); ++id) {
        REQUIRE(viewed.piece(id) == built.piece(id));
        REQUIRE(viewed.is_special(id) == built.is_special(id));
        REQUIRE(viewed.is_byte(id) == built.is_byte(id));
      }
      for (const lamina::SpecialTokenText& entry : lamina::special_token_texts)
        CHECK(viewed.special().*entry.id == built.special().*entry.id);
      CHECK(all_of(viewed.stop_tokens()) == all_of(built.stop_tokens()));
      CHECK(all_of(viewed.suppressed_tokens()) == all_of(built.suppressed_tokens()));
      CHECK(viewed.chat_template() == built.chat_template());
      for (const auto& text : texts) {
        for (const auto special : {lamina::Special::match, lamina::Special::ignore})
          REQUIRE(encode(viewed, text["text"].get<std::string>(), special) ==
                  encode(built, text["text"].get<std::string>(), special));
      }
    }
  }
}

TEST_CASE("tokenizer images: truncated ones and other versions are refused") {
  const Tokenizer built = golden_tokenizer("small.gguf");
  const ImageAt image(built, 0);
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{100},
                                 image.bytes().size() / 2, image.bytes().size() - 1}) {
    CAPTURE(size);
    CHECK(!Tokenizer::from_image(image.bytes().first(size), "cut"));
  }
  const ImageAt newer(built, 0);
  newer.bytes()[6] = std::byte{'2'};
  CHECK(!lamina::is_known_image(newer.bytes()));
  CHECK(!Tokenizer::from_image(newer.bytes(), "newer"));
}

TEST_CASE("tokenizer images: damage is refused, or leads to wrong ids and not out of the tables") {
  const Tokenizer built = golden_tokenizer("small.gguf");
  const ImageAt whole(built, 0);
  std::mt19937 random(7);
  std::size_t refused = 0;
  std::size_t accepted = 0;
  const std::string text = "Hello \xE2\x82\xAC, <|turn>user\nwhat is 12 * 7? naïve <bos>";
  constexpr std::size_t header = sizeof(lamina::detail::TablesHeader);
  for (int round = 0; round < 3000; ++round) {
    const ImageAt image(built, 0);
    // Every bit of the header once, then anywhere.
    const std::size_t at =
        static_cast<std::size_t>(round) < header
            ? static_cast<std::size_t>(round)
            : std::uniform_int_distribution<std::size_t>(0, image.bytes().size() - 1)(random);
    image.bytes()[at] ^= static_cast<std::byte>(1U << (random() % 8));
    const auto opened = Tokenizer::from_image(image.bytes(), "damaged");
    if (!opened) {
      ++refused;
      continue;
    }
    ++accepted;
    std::vector<TokenId> ids;
    static_cast<void>(opened->encode(text, lamina::Special::match, ids));
    for (const TokenId id : ids) static_cast<void>(opened->piece(id));
    static_cast<void>(opened->decode(ids));
  }
  CHECK(refused > 100);
  CHECK(accepted > 100);
}

}  // namespace
