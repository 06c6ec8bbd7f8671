// SPDX-License-Identifier: Apache-2.0
// Everything that a tokenizer looks up, as flat arrays wherever they lie: on the heap, in a mapped file, in
// flash. Source: tokenizer-and-chat.md §4 (decoding), §9 (stop and suppressed tokens).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <lamina/core/types.hpp>
#include <lamina/tokenizer/merge_table.hpp>
#include <lamina/tokenizer/special_tokens.hpp>
#include <lamina/tokenizer/tables/token_kinds.hpp>
#include <lamina/tokenizer/token_table.hpp>

namespace lamina {

/// The tables of a vocabulary; a view, whose owner must outlive it. Allocates nothing.
///
/// Threads  all functions are safe to call from any number of threads.
struct TokenizerTables {
  TokenTexts tokens;
  MergeTable merges;
  ScoreMerges scores;  ///< instead of `merges`, unless empty
  SpecialTokens special;
  TokenKinds kinds;
  TextColumn pieces;                    ///< texts with spaces
  std::span<const TokenId> characters;  ///< token of each character up to the last that has one
  std::span<const TokenId> stop;        ///< ascending
  std::span<const TokenId> suppressed;  ///< ascending
  std::string_view chat_template;
  bool splits_at_newlines = false;
  bool splits_at_spaces = false;
  bool add_space_prefix = false;

  [[nodiscard]] std::size_t size() const noexcept { return tokens.size(); }
  /// One token's text with spaces; empty for ids outside the vocabulary. Byte tokens show as "<0x0A>".
  [[nodiscard]] std::string_view piece(TokenId id) const noexcept {
    return id < size() ? pieces[id] : std::string_view();
  }
  [[nodiscard]] bool is_special(TokenId id) const noexcept { return id < size() && kinds.is_special(id); }
  [[nodiscard]] bool is_byte(TokenId id) const noexcept { return id < size() && kinds.is_byte(id); }
  [[nodiscard]] bool is_stop(TokenId id) const noexcept {
    return std::binary_search(stop.begin(), stop.end(), id);
  }
};

}  // namespace lamina
