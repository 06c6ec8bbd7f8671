// SPDX-License-Identifier: Apache-2.0
// Finds special texts in trusted text: at each position the longest one that matches.
// Source: tokenizer-and-chat.md §3 step 1.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <lamina/core/types.hpp>
#include <lamina/tokenizer/token_table.hpp>

namespace lamina {

/// Knows which lengths special texts have and how they begin; the texts themselves stay in the vocabulary.
///
/// One hash look-up for each length that occurs, so thousands of special texts cost no more than a few.
class SpecialMatcher {
 public:
  struct Match {
    std::size_t begin = 0;  ///< the text's size if nothing matches
    std::size_t size = 0;   ///< 0 if nothing matches
    TokenId id = no_token;
  };

  /// Adds a text that is not empty.
  void add(std::string_view text) {
    begins_[static_cast<std::uint8_t>(text.front())] = true;
    const auto longer = [](std::size_t a, std::size_t b) { return a > b; };
    const auto at = std::lower_bound(lengths_.begin(), lengths_.end(), text.size(), longer);
    if (at == lengths_.end() || *at != text.size()) lengths_.insert(at, text.size());
  }

  /// Finds the first position where a special text matches, and the longest one there.
  /// `find(string_view)` gives the id of a special text, `no_token` for any other text.
  template <class Find>
  [[nodiscard]] Match first_in(std::string_view text, Find&& find) const {
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (!begins_[static_cast<std::uint8_t>(text[at])]) continue;
      const std::string_view rest = text.substr(at);
      for (const std::size_t length : lengths_) {
        if (length > rest.size()) continue;
        const TokenId id = find(rest.substr(0, length));
        if (id != no_token) return {at, length, id};
      }
    }
    return {text.size(), 0, no_token};
  }

 private:
  std::array<bool, 256> begins_{};    // can a special text begin with this byte?
  std::vector<std::size_t> lengths_;  // descending
};

}  // namespace lamina
