// SPDX-License-Identifier: Apache-2.0
// What a tokenizer is built from, whatever file it comes from: token texts, merges, lists of ids.
// Source: tokenizer-and-chat.md §3.3 and §3.4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/tokenizer/special_tokens.hpp>
#include <lamina/tokenizer/token_table.hpp>

namespace lamina {

inline constexpr std::size_t most_merges = std::size_t{1} << 23;  ///< 16 times the published list

/// One merge rule; its rank is its place in the list.
struct Merge {
  TokenId left;
  TokenId right;
  TokenId result;  ///< the token whose text is left + right
};

/// A token that is found as a whole wherever its text stands, before anything is merged.
struct AddedToken {
  TokenId id;
  bool special;     ///< found in trusted text only, and no part of an answer's text
  bool normalized;  ///< looked for in what is left between those that are not
};

/// A checked vocabulary: every id it holds is smaller than `tokens.size()`.
struct VocabularyData {
  TokenTable tokens;
  std::vector<Merge> merges;        ///< best first
  std::vector<AddedToken> added;    ///< as the file lists them; those known by text are special in any case
  std::vector<TokenId> stop;        ///< stop tokens the file names beyond those known by text
  std::vector<TokenId> suppressed;  ///< ids the file forbids to sample
  std::vector<float> scores;  ///< [tokens]: tokens merge by score (SentencePiece), not by `merges`; or empty
  bool add_space_prefix = false;  ///< texts begin with a space that they do not hold (SentencePiece)
  std::string chat_template;      ///< the file's own template text; kept, not interpreted
  std::string source;             ///< the file's name for messages; may be empty
};

namespace detail {

/// Puts the file's name in front of what an error is about.
[[nodiscard]] inline Error located(Error error, std::string_view source) {
  FixedText<192> where(source);
  if (!source.empty() && !error.where.empty()) where.append(": ");
  where.append(error.where);
  error.where = where;
  return error;
}

/// Both halves of a merge as a file writes them.
struct MergeTexts {
  std::string_view left;
  std::string_view right;
};

/// Splits "left right" at the first space that is not the first character; both halves empty if there is
/// none.
[[nodiscard]] inline MergeTexts split_merge(std::string_view pair) noexcept {
  const std::size_t space = pair.find(' ', 1);
  if (space == std::string_view::npos) return {};
  return {pair.substr(0, space), pair.substr(space + 1)};
}

[[nodiscard]] inline Error unknown_piece(std::size_t rank, std::string_view part, std::string_view piece) {
  FixedText<160> what(part);
  what.append(" of a merge is not in the vocabulary");
  return Error{ErrorCode::bad_file, text("merge %zu", rank).view(), what, "the text of a token", piece, ""};
}

[[nodiscard]] inline Error empty_half(std::size_t rank) {
  return Error{ErrorCode::bad_file,
               text("merge %zu", rank).view(),
               "merge has no separating space",
               "\"left right\"",
               "one piece",
               ""};
}

/// Looks all merges up by text, best first: `texts_of(i)` gives the halves of merge i, in turn from 0 on.
///
/// Works in batches whose table buckets are prefetched: the look-ups are random reads of 4 MB and dominate
/// loading.
/// Errors   bad_file (a half or the whole is no token)
template <class TextsOf>
[[nodiscard]] Status resolve_merges(const TokenTable& tokens, std::size_t count, TextsOf&& texts_of,
                                    std::vector<Merge>& merges) {
  constexpr std::size_t batch = 32;
  struct Query {
    MergeTexts texts;
    std::uint64_t hashes[3];
    std::size_t end;  // of the joined text
  };
  Query queries[batch];
  std::string joined;
  merges.reserve(count);
  for (std::size_t first = 0; first < count; first += batch) {
    const std::size_t size = count - first < batch ? count - first : batch;
    joined.clear();
    for (std::size_t i = 0; i < size; ++i) {
      Query& query = queries[i];
      query.texts = texts_of(first + i);
      const std::size_t begin = joined.size();
      joined.append(query.texts.left).append(query.texts.right);
      query.end = joined.size();
      query.hashes[0] = hash_text(query.texts.left);
      query.hashes[1] = hash_text(query.texts.right);
      query.hashes[2] = hash_text(std::string_view(joined).substr(begin));
      for (const std::uint64_t hash : query.hashes) tokens.prefetch(hash);
    }
    std::size_t begin = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const Query& query = queries[i];
      const std::string_view whole = std::string_view(joined).substr(begin, query.end - begin);
      const Merge merge{tokens.find(query.texts.left, query.hashes[0]),
                        tokens.find(query.texts.right, query.hashes[1]), tokens.find(whole, query.hashes[2])};
      if (query.texts.left.empty()) return empty_half(first + i);
      if (merge.left == no_token) return unknown_piece(first + i, "left half", query.texts.left);
      if (merge.right == no_token) return unknown_piece(first + i, "right half", query.texts.right);
      if (merge.result == no_token) return unknown_piece(first + i, "result", whole);
      merges.push_back(merge);
      begin = query.end;
    }
  }
  return Done{};
}

/// Checks an id that a file names. Errors: bad_file.
[[nodiscard]] inline Result<TokenId> checked_id(std::string_view where, std::int64_t id, std::size_t tokens) {
  if (id < 0 || static_cast<std::uint64_t>(id) >= tokens) {
    return Error{ErrorCode::bad_file,
                 where,
                 "token id outside the vocabulary",
                 text("0 to %zu", tokens - 1),
                 text("%lld", static_cast<long long>(id)),
                 ""};
  }
  return static_cast<TokenId>(id);
}

}  // namespace detail

}  // namespace lamina
