// SPDX-License-Identifier: Apache-2.0
// What each token of a vocabulary is: a byte, ordinary text, or a text that is found as a whole before
// anything is merged. Source: tokenizer-and-chat.md §2.1, §3 steps 1 and 5.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/tokenizer/tables/special_matcher.hpp>
#include <lamina/tokenizer/special_tokens.hpp>
#include <lamina/tokenizer/token_table.hpp>
#include <lamina/tokenizer/vocabulary.hpp>

namespace lamina {

/// The kinds of the tokens of a vocabulary, and the search in texts for those that are found as wholes; a
/// view.
///
/// Threads  all functions are safe to call from any number of threads.
class TokenKinds {
 public:
  static constexpr std::uint16_t ordinary_kind = 256;  // below: the value of a byte token
  static constexpr std::uint16_t special_kind = 257;
  static constexpr std::uint16_t added_kind = 258;  // found as a whole, but text like any other

  std::span<const std::uint16_t> kinds;  ///< [tokens] value of a byte token, or one of the kinds
  std::span<const TokenId> bytes;        ///< [256] token of each byte; `no_token` if there is none
  SpecialMatcher matcher;                ///< of tokens that are looked for first
  SpecialMatcher late_matcher;           ///< of those looked for in what is left
  std::span<const TokenId> normalized;   ///< the latter, ascending
  bool has_added = false;                ///< some tokens are found in untrusted text too

  /// Token of a byte; `no_token` if there is none.
  [[nodiscard]] TokenId of_byte(std::uint8_t byte) const noexcept { return bytes[byte]; }

  // Requires `id` < tokens of the vocabulary.
  [[nodiscard]] bool is_byte(TokenId id) const noexcept { return kinds[id] < ordinary_kind; }
  [[nodiscard]] std::uint8_t byte_of(TokenId id) const noexcept {
    return static_cast<std::uint8_t>(kinds[id]);
  }
  [[nodiscard]] bool is_special(TokenId id) const noexcept { return kinds[id] == special_kind; }

  /// Finds tokens that are wholes, from left to right, the longest one at each place; special ones only if
  /// the text is `trusted`. Those that the file calls normalized are looked for in what the others leave.
  /// `on_text(text)` gets the text between them, which may be empty, and `on_token(id)` each of them.
  template <class OnText, class OnToken>
  void split(const TokenTexts& tokens, std::string_view text, bool trusted, OnText&& on_text,
             OnToken&& on_token) const {
    const auto in_rest = [&](std::string_view rest) {
      if (normalized.empty()) return on_text(rest);
      split_once(late_matcher, true, tokens, rest, trusted, on_text, on_token);
    };
    split_once(matcher, false, tokens, text, trusted, in_rest, on_token);
  }

 private:
  [[nodiscard]] bool is_normalized(TokenId id) const noexcept {
    return std::binary_search(normalized.begin(), normalized.end(), id);
  }

  template <class OnText, class OnToken>
  void split_once(const SpecialMatcher& searched, bool late, const TokenTexts& tokens, std::string_view text,
                  bool trusted, OnText&& on_text, OnToken&& on_token) const {
    if (!trusted && !has_added) return on_text(text);
    const auto find = [&](std::string_view piece) {
      const TokenId id = tokens.find(piece);
      const bool is_whole =
          id != no_token && (kinds[id] == added_kind || (trusted && kinds[id] == special_kind));
      return is_whole && is_normalized(id) == late ? id : no_token;
    };
    while (!text.empty()) {
      const SpecialMatcher::Match match = searched.first_in(text, find);
      on_text(head_of(text, match.begin));
      if (match.size > 0) on_token(match.id);
      text.remove_prefix(match.begin + match.size);
    }
  }
};

/// What `TokenKinds` views, while a vocabulary is built.
class TokenKindLists {
 public:
  /// Asks for the kind of every token; control tokens are special whatever `added` says, and byte tokens stay
  /// bytes. Errors: bad_file (neither byte tokens nor `<unk>` for characters without a token).
  [[nodiscard]] static Result<TokenKindLists> create(const TokenTexts& tokens, const SpecialTokens& special,
                                                     std::span<const AddedToken> added) {
    TokenKindLists made;
    LAMINA_TRY(made.find_bytes(tokens, special));
    made.mark(tokens, special, added);
    return made;
  }

  /// Valid until the lists are moved.
  [[nodiscard]] TokenKinds view() const noexcept {
    TokenKinds kinds;
    kinds.kinds = kinds_;
    kinds.bytes = bytes_;
    kinds.matcher = matcher_.view();
    kinds.late_matcher = late_matcher_.view();
    kinds.normalized = normalized_;
    kinds.has_added = has_added_;
    return kinds;
  }

 private:
  [[nodiscard]] Status find_bytes(const TokenTexts& tokens, const SpecialTokens& special) {
    kinds_.assign(tokens.size(), TokenKinds::ordinary_kind);
    for (std::uint16_t byte = 0; byte < 256; ++byte) {
      char text[8];
      std::snprintf(text, sizeof text, "<0x%02X>", byte);
      bytes_[byte] = tokens.find(text);
      if (bytes_[byte] != no_token) {
        kinds_[bytes_[byte]] = byte;
      } else if (special.unknown == no_token) {
        return Error{ErrorCode::bad_file, text,   "byte token is missing and there is no <unk>",
                     "256 byte tokens",   "less", ""};
      }
    }
    return Done{};
  }

  void mark(const TokenTexts& tokens, const SpecialTokens& special, std::span<const AddedToken> added) {
    for (const SpecialTokenText& entry : special_token_texts) {
      if (special.*entry.id != no_token) kinds_[special.*entry.id] = TokenKinds::special_kind;
    }
    for (const AddedToken& token : added) {
      std::uint16_t& kind = kinds_[token.id];
      if (kind == TokenKinds::ordinary_kind)
        kind = token.special ? TokenKinds::special_kind : TokenKinds::added_kind;
      if (kind > TokenKinds::ordinary_kind && token.normalized) normalized_.push_back(token.id);
    }
    std::sort(normalized_.begin(), normalized_.end());
    for (TokenId id = 0; id < tokens.size(); ++id) {
      if (kinds_[id] <= TokenKinds::ordinary_kind) continue;
      has_added_ = has_added_ || kinds_[id] == TokenKinds::added_kind;
      (is_normalized(id) ? late_matcher_ : matcher_).add(tokens.text_of(id));
    }
  }

  [[nodiscard]] bool is_normalized(TokenId id) const noexcept {
    return std::binary_search(normalized_.begin(), normalized_.end(), id);
  }

  std::vector<std::uint16_t> kinds_;
  std::vector<TokenId> bytes_ = std::vector<TokenId>(256);
  SpecialMatcher::Lists matcher_;
  SpecialMatcher::Lists late_matcher_;
  std::vector<TokenId> normalized_;
  bool has_added_ = false;
};

}  // namespace lamina
