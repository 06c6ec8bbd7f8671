// SPDX-License-Identifier: Apache-2.0
// Whether a vocabulary still has what Gemma 4 needs: its control tokens, and merges that build its tokens.
// Source: tokenizer-and-chat.md §2.1 (control tokens), §3 steps 3 and 4 (which tokens merges build).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/tokenizer/special_tokens.hpp>
#include <lamina/tokenizer/token_table.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/tokenizer/vocabulary.hpp>

namespace lamina {

namespace detail {

/// Tokens without which no conversation can be written.
inline constexpr std::array<TokenId SpecialTokens::*, 3> turn_token_members{
    &SpecialTokens::bos, &SpecialTokens::turn_open, &SpecialTokens::turn_close};

/// Tokens of tools and thoughts. All published vocabularies have them; one that has none of them serves for
/// plain turns (a prompt that needs one is refused), but one that has only some has lost the others.
inline constexpr std::array<TokenId SpecialTokens::*, 10> tool_token_members{
    &SpecialTokens::tool_open,     &SpecialTokens::tool_close,    &SpecialTokens::call_open,
    &SpecialTokens::call_close,    &SpecialTokens::response_open, &SpecialTokens::response_close,
    &SpecialTokens::quote,         &SpecialTokens::think,         &SpecialTokens::channel_open,
    &SpecialTokens::channel_close,
};

/// Texts of the members that `found` lacks, with commas between them.
template <std::size_t N>
[[nodiscard]] FixedText<160> list_missing(const SpecialTokens& found,
                                          const std::array<TokenId SpecialTokens::*, N>& members,
                                          std::size_t& count) {
  FixedText<160> list;
  count = 0;
  for (const auto member : members) {
    if (found.*member != no_token) continue;
    for (const SpecialTokenText& entry : special_token_texts) {
      if (entry.id != member) continue;
      if (count++ > 0) list.append(", ");
      list.append(entry.text);
    }
  }
  return list;
}

[[nodiscard]] inline Status check_control_tokens(const TokenTable& tokens) {
  const SpecialTokens found = find_special_tokens(tokens.view());
  const auto refuse = [](const FixedText<160>& missing) {
    FixedText<160> without("none of ");
    without.append(missing);
    return Error{
        ErrorCode::bad_file,     "vocabulary", "control tokens are missing",
        "the tokens of Gemma 4", without,      "convert the model again with a converter that knows Gemma 4"};
  };
  std::size_t count = 0;
  const FixedText<160> turns = list_missing(found, turn_token_members, count);
  if (count > 0) return refuse(turns);
  const FixedText<160> tools = list_missing(found, tool_token_members, count);
  if (count > 0 && count < tool_token_members.size()) return refuse(tools);
  return Done{};
}

/// Could `text` be merged from two other tokens? `budget` bounds the bytes that are looked at, because a
/// hostile file can hold a gigabyte of long texts.
[[nodiscard]] inline bool has_two_halves(const TokenTable& tokens, std::string_view text,
                                         std::size_t& budget) {
  for (std::size_t at = 1; at < text.size() && budget > text.size(); ++at) {
    budget -= text.size();
    if (tokens.find(text.substr(0, at)) != no_token && tokens.find(text.substr(at)) != no_token) return true;
  }
  return false;
}

/// A token that only merges can produce. Byte tokens, tags such as "</s>" or "<unused7>" and characters are
/// not: they stand for bytes, for themselves, or need no merge.
[[nodiscard]] inline bool needs_merge(std::string_view text) {
  const bool is_tag = text.size() > 2 && text.front() == '<' && text.back() == '>';
  return !is_tag && decode_utf8(text).size < text.size();
}

}  // namespace detail

/// Checks that a vocabulary has the control tokens of Gemma 4 and enough merges.
///
/// Merges are missing when a token of several characters is the text of two others one after another, and no
/// merge builds it: converters write a merge for every such token. One token in 1024 may break that rule
/// (vocabularies that were edited by hand), which in vocabularies of tests is none.
///
/// `no_merges_needed(id)` is true for tokens of other kinds: added, unused, bytes. `merges_key` names the
/// list in messages.
/// Errors   bad_file, naming what is missing
/// Cost     about 10 ms for the published vocabulary
template <class NoMergesNeeded>
[[nodiscard]] Status check_complete(const VocabularyData& data, std::string_view merges_key,
                                    NoMergesNeeded&& no_merges_needed) {
  LAMINA_TRY(detail::check_control_tokens(data.tokens));
  std::vector<bool> is_built(data.tokens.size(), false);
  for (const Merge& merge : data.merges) is_built[merge.result] = true;
  std::size_t wanted = 0;
  std::size_t lost = 0;
  TokenId first = no_token;
  std::size_t budget = std::size_t{1} << 28;
  for (TokenId id = 0; id < data.tokens.size(); ++id) {
    const std::string_view text = data.tokens.text_of(id);
    if (!detail::needs_merge(text) || no_merges_needed(id)) continue;
    ++wanted;
    if (is_built[id] || !detail::has_two_halves(data.tokens, text, budget)) continue;
    // A message shows newlines as '?': a token that has none tells more.
    if (lost++ == 0 || data.tokens.text_of(first).front() == '\n') first = id;
  }
  if (lost <= wanted / 1024) return Done{};
  FixedText<160> found = text("none for %zu of %zu, the first is ", lost, wanted);
  found.append(data.tokens.text_of(first));
  return Error{ErrorCode::bad_file,
               merges_key,
               "merges are missing",
               "merges for all tokens of several characters",
               found,
               "convert the model again: its merges were lost"};
}

}  // namespace lamina
