// SPDX-License-Identifier: Apache-2.0
// A well-formed vocabulary of any size for synthetic models: control tokens where Gemma 4 has them, bytes,
// characters, and random merged tokens with the merges that build them. Source: tokenizer-and-chat.md §2.1
// (ids), weight-files.md §2.4 (token types, sizes).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <lamina/testing/random_weights.hpp>
#include <lamina/tokenizer/special_tokens.hpp>

namespace bench {

/// Token texts in id order, their GGUF types, and "left right" merges, best first.
struct SynthVocabulary {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;
  std::vector<std::string> merges;
};

/// Builds a vocabulary; the same size and seed give the same one.
class VocabularyBuilder {
 public:
  /// Least number of tokens: control tokens, bytes, printable characters and some merges.
  static constexpr std::size_t least = 512;

  VocabularyBuilder(std::size_t size, std::uint64_t seed) : random_(seed), size_(size) {}

  /// Requires a size of at least `least`.
  [[nodiscard]] SynthVocabulary build() {
    vocabulary_.tokens.resize(size_);
    vocabulary_.types.assign(size_, normal);
    if (size_ >= published_size) {
      place_published();
    } else {
      place_compact();
    }
    merge_pieces(place_characters());
    add_other_splits();
    for (const Pair& pair : pairs_) vocabulary_.merges.push_back(pair.left + " " + pair.right);
    return std::move(vocabulary_);
  }

 private:
  enum Type : std::int32_t { normal = 1, control = 3, user_defined = 4, byte = 6 };
  struct Pair {
    std::string left;
    std::string right;
  };
  struct Special {
    std::size_t id;
    Type type;
  };
  /// Ids of `special_token_texts`, in its order, and their types as converters write them.
  static constexpr std::array<Special, 24> specials{{
      {0, control},       {1, control},       {2, control},       {3, control},        {4, control},
      {46, control},      {47, control},      {48, user_defined}, {49, user_defined},  {50, user_defined},
      {51, user_defined}, {52, user_defined}, {98, control},      {100, user_defined}, {101, user_defined},
      {105, control},     {106, control},     {255'999, control}, {256'000, control},  {258'880, control},
      {258'881, control}, {258'882, control}, {258'883, control}, {258'884, control},
  }};
  static constexpr std::size_t published_size = 262'144;
  static constexpr std::size_t longest = 16;  ///< characters of a merged token
  static constexpr double merges_per_token = 1.964;
  static constexpr std::string_view space = "\u2581";

  static std::size_t characters_in(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  }
  static std::string character(std::uint32_t code) {  // below U+10000
    if (code < 0x80) return {static_cast<char>(code)};
    if (code < 0x800) return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
    return {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 63)),
            static_cast<char>(0x80 | (code & 63))};
  }
  static std::string repeated(std::string_view text, std::size_t times) {
    std::string out;
    while (times-- > 0) out += text;
    return out;
  }

  void place(std::size_t id, std::string text, Type type) {
    known_.insert(text);
    vocabulary_.tokens[id] = std::move(text);
    vocabulary_.types[id] = type;
  }
  void place_bytes(std::size_t first) {
    for (std::size_t i = 0; i < 256; ++i) {
      std::array<char, 8> text{};
      std::snprintf(text.data(), text.size(), "<0x%02X>", static_cast<unsigned>(i));
      place(first + i, text.data(), byte);
    }
  }

  /// Control tokens, runs of newlines and spaces, and bytes at the ids of the published vocabulary.
  void place_published() {
    for (std::size_t i = 0; i < specials.size(); ++i) {
      place(specials[i].id, std::string(lamina::special_token_texts[i].text), specials[i].type);
    }
    std::size_t unused = 0;
    const auto reserve = [&](std::size_t first, std::size_t end) {
      for (std::size_t id = first; id < end; ++id) {
        if (vocabulary_.tokens[id].empty()) place(id, "<unused" + std::to_string(unused++) + ">", control);
      }
    };
    reserve(5, 107);
    for (std::size_t i = 0; i < 31; ++i) place(107 + i, repeated("\n", i + 1), normal);
    for (std::size_t i = 0; i < 30; ++i) place(138 + i, repeated(space, i + 2), normal);
    for (const std::string_view one : {std::string_view("\n"), space}) {
      for (std::size_t n = 31; n > 1; --n) {
        for (std::size_t k = n - 1; k > 0; --k) pairs_.push_back({repeated(one, k), repeated(one, n - k)});
      }
    }
    reserve(168, 238);
    place_bytes(238);
  }

  void place_compact() {
    std::size_t id = 0;
    for (std::size_t i = 0; i < specials.size(); ++i) {
      place(id++, std::string(lamina::special_token_texts[i].text), specials[i].type);
    }
    place(id++, "\n", normal);
    place_bytes(id);
  }

  /// Single characters take the last free ids, as in the published vocabulary; returns the ids left before
  /// them.
  std::vector<std::size_t> place_characters() {
    std::vector<std::size_t> free;
    for (std::size_t id = 0; id < size_; ++id) {
      if (vocabulary_.tokens[id].empty()) free.push_back(id);
    }
    std::vector<std::string> characters{std::string(space)};
    for (std::uint32_t code = 33; code < 127; ++code) characters.push_back(character(code));
    if (size_ >= published_size) {  // Latin, Greek, Cyrillic, Hiragana and some Chinese characters
      constexpr std::uint32_t ranges[][2] = {{0xA1, 0x180},  {0x391, 0x3A2},   {0x3A3, 0x3CA},
                                             {0x410, 0x450}, {0x3041, 0x3097}, {0x4E00, 0x5600}};
      for (const auto& range : ranges) {
        for (std::uint32_t code = range[0]; code < range[1]; ++code) characters.push_back(character(code));
      }
    }
    const std::size_t first = free.size() - characters.size();
    for (std::size_t i = 0; i < characters.size(); ++i) place(free[first + i], characters[i], normal);
    pieces_ = std::move(characters);
    free.resize(first);
    return free;
  }

  [[nodiscard]] const std::string& any_of(const std::vector<std::string>& list) {
    return list[random_.next() % list.size()];
  }

  /// Fills `ids` with random tokens made of two earlier ones; common letters and word beginnings come up more
  /// often.
  void merge_pieces(const std::vector<std::size_t>& ids) {
    constexpr std::size_t most_starts = 2000;
    std::vector<std::string> starts{std::string(space)};
    for (const char letter : std::string_view("etaoinshrdlcumwfgypbvk")) {
      starts.emplace_back(1, letter);
      pieces_.emplace_back(1, letter);
    }
    pairs_.reserve(size_ * 2);
    for (const std::size_t id : ids) {
      std::string left, right;
      do {
        left = random_.next() % 10 < 3 ? any_of(starts) : any_of(pieces_);
        right = any_of(pieces_);
      } while (right.starts_with(space) || characters_in(left) + characters_in(right) > longest ||
               known_.contains(left + right));
      place(id, left + right, normal);
      pieces_.push_back(left + right);
      if (left.starts_with(space) || starts.size() < most_starts) starts.push_back(left + right);
      merged_.push_back({left, right});
    }
    pairs_.insert(pairs_.end(), merged_.begin(), merged_.end());
  }

  /// Published files have almost two merges a token: adds other ways to split the merged tokens.
  void add_other_splits() {
    const auto wanted = static_cast<std::size_t>(merges_per_token * static_cast<double>(size_));
    for (const Pair& pair : merged_) {
      const std::string whole = pair.left + pair.right;
      for (std::size_t k = 1; k < whole.size() && pairs_.size() < wanted; ++k) {
        const bool inside_character = (static_cast<unsigned char>(whole[k]) & 0xC0) == 0x80;
        if (k == pair.left.size() || inside_character) continue;
        std::string left = whole.substr(0, k);
        std::string right = whole.substr(k);
        if (known_.contains(left) && known_.contains(right))
          pairs_.push_back({std::move(left), std::move(right)});
      }
    }
  }

  lamina::testing::RandomNumbers random_;
  std::size_t size_;
  SynthVocabulary vocabulary_;
  std::unordered_set<std::string> known_;
  std::vector<std::string> pieces_;
  std::vector<Pair> merged_;
  std::vector<Pair> pairs_;
};

}  // namespace bench
