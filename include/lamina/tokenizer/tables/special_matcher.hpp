// SPDX-License-Identifier: Apache-2.0
// Finds special texts in trusted text: at each position the longest one that matches.
// Source: tokenizer-and-chat.md §3 step 1.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <lamina/core/types.hpp>
#include <lamina/tokenizer/token_table.hpp>

namespace lamina {

/// Knows which lengths special texts have and how they begin; the texts themselves stay in the vocabulary. A
/// view.
///
/// One hash look-up for each length that occurs, so thousands of special texts cost no more than a few.
class SpecialMatcher {
 public:
  std::span<const std::uint8_t> begins;    ///< [256] 1: a special text begins with this byte; or empty
  std::span<const std::uint32_t> lengths;  ///< of special texts, descending

  /// Makes both.
  struct Lists {
    std::vector<std::uint8_t> begins = std::vector<std::uint8_t>(256);
    std::vector<std::uint32_t> lengths;

    /// Adds a text that is not empty.
    void add(std::string_view text) {
      begins[static_cast<std::uint8_t>(text.front())] = 1;
      const auto length = static_cast<std::uint32_t>(text.size());
      const auto longer = [](std::uint32_t a, std::uint32_t b) { return a > b; };
      const auto at = std::lower_bound(lengths.begin(), lengths.end(), length, longer);
      if (at == lengths.end() || *at != length) lengths.insert(at, length);
    }
    [[nodiscard]] SpecialMatcher view() const noexcept {
      SpecialMatcher matcher;
      matcher.begins = begins;
      matcher.lengths = lengths;
      return matcher;
    }
  };

  struct Match {
    std::size_t begin = 0;  ///< the text's size if nothing matches
    std::size_t size = 0;   ///< 0 if nothing matches
    TokenId id = no_token;
  };

  /// Finds the first position where a special text matches, and the longest one there.
  /// `find(string_view)` gives the id of a special text, `no_token` for any other text.
  template <class Find>
  [[nodiscard]] Match first_in(std::string_view text, Find&& find) const {
    for (std::size_t at = 0; at < text.size() && !lengths.empty(); ++at) {
      if (begins[static_cast<std::uint8_t>(text[at])] == 0) continue;
      const std::string_view rest = tail_of(text, at);
      for (const std::uint32_t length : lengths) {
        if (length > rest.size()) continue;
        const TokenId id = find(head_of(rest, length));
        if (id != no_token) return {at, length, id};
      }
    }
    return {text.size(), 0, no_token};
  }
};

}  // namespace lamina
