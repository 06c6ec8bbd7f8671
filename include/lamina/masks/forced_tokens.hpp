// SPDX-License-Identifier: Apache-2.0
// Which tokens a text must go on with: those that a tokenizer makes of what must come, whatever follows it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/masks/token_constraint.hpp>
#include <lamina/sampling/token_mask.hpp>
#include <lamina/tokenizer/tokenizer.hpp>

namespace lamina {

namespace masks {

/// A text without the bytes behind its last whole character.
[[nodiscard]] inline std::string_view whole_characters(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    const Utf8Step step = decode_utf8(text.substr(at));
    if (step.status == Utf8Status::incomplete) break;
    at += step.size;
  }
  return text.substr(0, at);
}

/// Whether tokens are a text byte for byte.
[[nodiscard]] inline bool spells(const Tokenizer& tokenizer, std::span<const TokenId> ids,
                                 std::string_view text) noexcept {
  for (const TokenId id : ids) {
    if (tokenizer.is_special(id)) return false;
    if (tokenizer.is_byte(id)) {
      if (text.empty() || static_cast<std::uint8_t>(text.front()) != tokenizer.byte_of(id)) return false;
      text.remove_prefix(1);
    } else {
      const std::string_view piece = tokenizer.piece(id);
      if (piece.empty() || !text.starts_with(piece)) return false;
      text.remove_prefix(piece.size());
    }
  }
  return text.empty();
}

/// Of a text that must come, the tokens that a tokenizer makes of it whatever follows: merges stay on their
/// side of a border between tokens, so only a token that crosses the text's end can change those before it,
/// and it does so if it is what the text up to its own end ends in.
///
/// Errors   those of the tokenizer
[[nodiscard]] inline Result<std::vector<TokenId>> settled_tokens(TokenConstraint& constraint,
                                                                 const Tokenizer& tokenizer,
                                                                 std::string_view text) {
  std::vector<TokenId> ids, before, with;
  LAMINA_TRY(tokenizer.encode(text, Special::ignore, ids));
  if (!spells(tokenizer, ids, text)) return std::vector<TokenId>();
  std::size_t from = text.size(), shared = 0;
  for (const CrossingToken& token : constraint.crossing(text)) {
    if (token.from != from) {
      from = token.from;
      before.clear();
      LAMINA_TRY(tokenizer.encode(text.substr(0, from), Special::ignore, before));
      shared = static_cast<std::size_t>(
          std::mismatch(ids.begin(), ids.end(), before.begin(), before.end()).first - ids.begin());
    }
    if (shared == ids.size()) continue;
    std::string longer(text.substr(0, from));
    longer += tokenizer.piece(token.id);
    with.clear();
    LAMINA_TRY(tokenizer.encode(longer, Special::ignore, with));
    if (with.size() == before.size() + 1 && with.back() == token.id) ids.resize(shared);
  }
  return ids;
}

/// The token of a mask that holds no other; else `otherwise` if the mask holds it and nothing but stops.
[[nodiscard]] inline TokenId only_token(const TokenMask& mask, const Tokenizer& tokenizer,
                                        TokenId otherwise) noexcept {
  TokenId only = no_token;
  std::size_t count = 0;
  for (std::size_t i = 0; i < mask.words().size(); ++i) {
    for (std::uint64_t word = mask.words()[i]; word != 0; word &= word - 1) {
      const auto id = static_cast<TokenId>(64 * i + static_cast<std::size_t>(std::countr_zero(word)));
      if (++count > 1 && !(tokenizer.is_stop(id) && tokenizer.is_stop(only))) return no_token;
      only = id;
    }
  }
  return count <= 1 ? only : mask.has(otherwise) ? otherwise : no_token;
}

}  // namespace masks

/// Tokens that must come next under a constraint: of a text that must come those that are settled, else one
/// that has no other beside it. Behind them there may be more: accept them and ask again. Of several stops
/// the usual one is taken; none if the text does not end at one (`ends`).
///
/// Errors   those of the constraint and of the tokenizer
/// Cost     that of `TokenConstraint::mask` where no text must come; else microseconds for each byte
[[nodiscard]] inline Result<std::vector<TokenId>> forced_tokens(TokenConstraint& constraint,
                                                                const Tokenizer& tokenizer, bool ends) {
  const std::string text = constraint.forced();
  if (const std::string_view whole = masks::whole_characters(text); !whole.empty()) {
    auto ids = masks::settled_tokens(constraint, tokenizer, whole);
    if (!ids || !ids->empty()) return ids;
  }
  const auto mask = constraint.mask();
  if (!mask) return mask.error();
  const TokenId only = masks::only_token(**mask, tokenizer, constraint.usual_stop());
  if (only == no_token || (!ends && tokenizer.is_stop(only))) return std::vector<TokenId>();
  return std::vector<TokenId>{only};
}

}  // namespace lamina
