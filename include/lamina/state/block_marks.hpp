// SPDX-License-Identifier: Apache-2.0
// Which tokens of a sequence stand in one block with the token before: pictures whose rows see each other.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/arena.hpp>

namespace lamina {

/// A bit for each token: set where a sequence cannot be cut, since what lies before has seen what comes.
/// Views words that somebody else owns.
class BlockMarks {
 public:
  static constexpr std::uint32_t bits = 64;
  [[nodiscard]] static constexpr std::uint32_t words(std::uint32_t tokens) noexcept {
    return (tokens + bits - 1) / bits;
  }

  constexpr BlockMarks() noexcept = default;
  explicit constexpr BlockMarks(std::span<std::uint64_t> memory) noexcept : words_(memory) {}

  [[nodiscard]] bool is_joined(std::uint32_t token) const noexcept {
    return (words_[token / bits] >> token % bits & 1) != 0;
  }
  void set(std::uint32_t token, bool joined) noexcept {
    const std::uint64_t bit = std::uint64_t{1} << token % bits;
    std::uint64_t& word = words_[token / bits];
    word = joined ? word | bit : word & ~bit;
  }
  void copy(std::span<const std::uint64_t> first_words) noexcept {
    std::copy(first_words.begin(), first_words.end(), words_.begin());
  }
  /// The last place up to `token` where a sequence that goes on behind it can be cut.
  [[nodiscard]] std::uint32_t cut_before(std::uint32_t token) const noexcept {
    while (token > 0 && is_joined(token)) --token;
    return token;
  }
  /// The words of the first `tokens` marks; clears the bits behind them in the last one.
  [[nodiscard]] std::span<const std::uint64_t> first(std::uint32_t tokens) const noexcept {
    const std::span<std::uint64_t> used = words_.first(words(tokens));
    if (tokens % bits != 0) used.back() &= (std::uint64_t{1} << tokens % bits) - 1;
    return used;
  }

 private:
  std::span<std::uint64_t> words_;
};

}  // namespace lamina
