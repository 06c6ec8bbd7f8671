// SPDX-License-Identifier: Apache-2.0
// Which neighbours merge: rules by pair of tokens in a flat hash table, or scores of the tokens they make.
// Source: tokenizer-and-chat.md §3 step 4, §3.4.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/tokenizer/token_table.hpp>
#include <lamina/tokenizer/vocabulary.hpp>

namespace lamina {

/// The rank of a pair that does not merge; larger than every rank.
inline constexpr std::uint32_t no_rank = 0xFFFF'FFFF;

/// What two neighbours merge to.
struct MergeFound {
  std::uint32_t rank = no_rank;
  TokenId result = no_token;
};

/// Place in the table of merges.
struct MergeBucket {
  std::uint64_t key = ~std::uint64_t{0};  ///< left token, right token; all ones: empty
  MergeFound found;
};

/// Finds the rank and the result of merging two neighbours; a view. Without buckets there are no rules.
class MergeTable {
 public:
  std::span<const MergeBucket> buckets;  ///< [power of two]
  TokenId tokens = no_token;             ///< results are below it: of tables that a file holds

  /// Makes the buckets of a table. Errors: bad_file (a pair occurs twice).
  [[nodiscard]] static Result<std::vector<MergeBucket>> fill(std::span<const Merge> merges) {
    std::vector<MergeBucket> filled(detail::buckets_for(merges.size()));
    const std::size_t mask = filled.size() - 1;
    for (std::size_t rank = 0; rank < merges.size(); ++rank) {
      const std::uint64_t key = key_of(merges[rank].left, merges[rank].right);
      std::size_t at = detail::mix_bits(key) & mask;
      std::size_t probes = 0;
      for (; filled[at].key != no_key; at = (at + 1) & mask) {
        if (filled[at].key == key || ++probes > detail::most_probes) {
          return Error{ErrorCode::bad_file,
                       text("merge %zu", rank).view(),
                       "merge occurs twice",
                       "unique pairs",
                       text("the pair of merge %u", filled[at].found.rank),
                       ""};
        }
      }
      filled[at] = {key, {static_cast<std::uint32_t>(rank), merges[rank].result}};
    }
    return filled;
  }

  [[nodiscard]] MergeFound find(TokenId left, TokenId right) const noexcept {
    const std::uint64_t key = key_of(left, right);
    const std::size_t mask = buckets.size() - 1;
    const std::size_t home = detail::mix_bits(key);
    for (std::size_t probe = 0; probe <= detail::most_probes && !buckets.empty(); ++probe) {
      const MergeBucket& bucket = buckets[(home + probe) & mask];
      if (bucket.key == key) return bucket.found.result < tokens ? bucket.found : MergeFound{};
      if (bucket.key == no_key) break;
    }
    return {};
  }

 private:
  static constexpr std::uint64_t no_key = ~std::uint64_t{0};

  [[nodiscard]] static constexpr std::uint64_t key_of(TokenId left, TokenId right) noexcept {
    return (std::uint64_t{left} << 32) | right;
  }
};

/// Merges as SentencePiece does them: any neighbours whose joined text is a token, highest score first; a
/// view.
///
/// Symbols are tokens, and characters that have none: `symbol_of(character)`, a number above all ids.
class ScoreMerges {
 public:
  std::span<const std::uint32_t> ranks;  ///< [tokens], 0 is best; `no_rank`: never made
  std::uint32_t longest = 0;             ///< bytes of the longest text

  /// Ranks the tokens by `scores` [tokens.size()], equal ones alike; those for which `is_text(id)` is false
  /// (control and byte tokens) are never made.
  template <class IsText>
  [[nodiscard]] static std::vector<std::uint32_t> rank(const TokenTexts& tokens,
                                                       std::span<const float> scores, IsText&& is_text) {
    std::vector<std::uint32_t> ranks(tokens.size(), no_rank);
    std::vector<TokenId> order(tokens.size());
    std::iota(order.begin(), order.end(), TokenId{0});
    std::sort(order.begin(), order.end(), [&](TokenId a, TokenId b) { return scores[a] > scores[b]; });
    std::uint32_t rank = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (i > 0 && scores[order[i]] != scores[order[i - 1]]) ++rank;
      if (is_text(order[i])) ranks[order[i]] = rank;
    }
    return ranks;
  }

  [[nodiscard]] bool empty() const noexcept { return ranks.empty(); }
  [[nodiscard]] TokenId symbol_of(char32_t scalar) const noexcept {
    return static_cast<TokenId>(ranks.size() + scalar);
  }
  [[nodiscard]] bool is_token(TokenId symbol) const noexcept { return symbol < ranks.size(); }
  /// The character of a symbol that is no token.
  [[nodiscard]] char32_t character_of(TokenId symbol) const noexcept {
    return static_cast<char32_t>(symbol - ranks.size());
  }

  /// What `merge_word` asks; `joined`, a list of characters, is scratch memory.
  template <class Characters>
  struct Finder {
    const ScoreMerges& merges;
    const TokenTexts& tokens;
    Characters& joined;

    [[nodiscard]] MergeFound find(TokenId left, TokenId right) const {
      joined.clear();
      append(left);
      append(right);
      if (joined.size() > merges.longest) return {};
      const TokenId id = tokens.find({joined.data(), joined.size()});
      return id == no_token ? MergeFound{} : MergeFound{merges.ranks[id], id};
    }

   private:
    void append(TokenId symbol) const {
      if (!merges.is_token(symbol)) return append_utf8(joined, merges.character_of(symbol));
      const std::string_view text = tokens.text_of(symbol);
      joined.insert(joined.end(), text.begin(), text.end());
    }
  };
};

}  // namespace lamina
