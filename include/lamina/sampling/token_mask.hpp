// SPDX-License-Identifier: Apache-2.0
// Which tokens of a vocabulary may come next, one bit each.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <lamina/core/types.hpp>

namespace lamina {

/// A set of tokens.
class TokenMask {
 public:
  explicit TokenMask(std::size_t tokens = 0) : tokens_(tokens), words_((tokens + 63) / 64, 0) {}

  [[nodiscard]] std::size_t tokens() const noexcept { return tokens_; }
  [[nodiscard]] bool has(TokenId id) const noexcept {
    return id < tokens_ && ((words_[id / 64] >> (id % 64)) & 1) != 0;
  }
  void set(TokenId id) noexcept { words_[id / 64] |= std::uint64_t{1} << (id % 64); }
  void clear() noexcept { std::fill(words_.begin(), words_.end(), std::uint64_t{0}); }
  void join(const TokenMask& other) noexcept {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  void meet(const TokenMask& other) noexcept {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
  }
  [[nodiscard]] std::size_t count() const noexcept {
    std::size_t count = 0;
    for (const std::uint64_t word : words_) count += static_cast<std::size_t>(std::popcount(word));
    return count;
  }
  /// 64 tokens at a time, the lowest in the lowest bit.
  [[nodiscard]] const std::vector<std::uint64_t>& words() const noexcept { return words_; }

  friend bool operator==(const TokenMask&, const TokenMask&) = default;

 private:
  std::size_t tokens_;
  std::vector<std::uint64_t> words_;
};

}  // namespace lamina
