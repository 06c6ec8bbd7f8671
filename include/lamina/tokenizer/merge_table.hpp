// SPDX-License-Identifier: Apache-2.0
// Which neighbours merge: rules by pair of tokens in a flat hash table, or scores of the tokens they make.
// Source: tokenizer-and-chat.md §3 step 4, §3.4.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
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

/// Finds the rank and the result of merging two neighbours. A default-constructed table has no rules.
class MergeTable {
 public:
  struct Found {
    std::uint32_t rank = no_rank;
    TokenId result = no_token;
  };

  /// Builds the table. Errors: bad_file (a pair occurs twice).
  [[nodiscard]] static Result<MergeTable> create(std::span<const Merge> merges) {
    MergeTable table;
    table.buckets_.assign(detail::buckets_for(merges.size()), Bucket{});
    const std::size_t mask = table.buckets_.size() - 1;
    for (std::size_t rank = 0; rank < merges.size(); ++rank) {
      const std::uint64_t key = key_of(merges[rank].left, merges[rank].right);
      std::size_t at = detail::mix_bits(key) & mask;
      std::size_t probes = 0;
      for (; table.buckets_[at].key != no_key; at = (at + 1) & mask) {
        if (table.buckets_[at].key == key || ++probes > detail::most_probes) {
          return Error{ErrorCode::bad_file,
                       text("merge %zu", rank).view(),
                       "merge occurs twice",
                       "unique pairs",
                       text("the pair of merge %u", table.buckets_[at].found.rank),
                       ""};
        }
      }
      table.buckets_[at] = {key, {static_cast<std::uint32_t>(rank), merges[rank].result}};
    }
    return table;
  }

  [[nodiscard]] Found find(TokenId left, TokenId right) const noexcept {
    const std::uint64_t key = key_of(left, right);
    const std::size_t mask = buckets_.size() - 1;
    for (std::size_t at = detail::mix_bits(key) & mask;; at = (at + 1) & mask) {
      const Bucket& bucket = buckets_[at];
      if (bucket.key == key) return bucket.found;
      if (bucket.key == no_key) return {};
    }
  }

 private:
  static constexpr std::uint64_t no_key = ~std::uint64_t{0};
  struct Bucket {
    std::uint64_t key = no_key;
    Found found;
  };

  [[nodiscard]] static constexpr std::uint64_t key_of(TokenId left, TokenId right) noexcept {
    return (std::uint64_t{left} << 32) | right;
  }

  std::vector<Bucket> buckets_ = std::vector<Bucket>(1);  ///< [power of two]
};

/// Merges as SentencePiece does them: any neighbours whose joined text is a token, highest score first.
///
/// Symbols are tokens, and characters that have none: `symbol_of(character)`, a number above all ids.
class ScoreMerges {
 public:
  ScoreMerges() = default;

  /// Ranks the tokens by `scores` [tokens.size()], equal ones alike; those for which `is_text(id)` is false
  /// (control and byte tokens) are never made. `tokens` must outlive `Finder`s only.
  template <class IsText>
  ScoreMerges(const TokenTable& tokens, std::span<const float> scores, IsText&& is_text)
      : ranks_(tokens.size(), no_rank) {
    std::vector<TokenId> order(tokens.size());
    std::iota(order.begin(), order.end(), TokenId{0});
    std::sort(order.begin(), order.end(), [&](TokenId a, TokenId b) { return scores[a] > scores[b]; });
    std::uint32_t rank = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (i > 0 && scores[order[i]] != scores[order[i - 1]]) ++rank;
      const std::string_view text = tokens.text_of(order[i]);
      longest_ = std::max(longest_, text.size());
      if (is_text(order[i])) ranks_[order[i]] = rank;
    }
  }

  [[nodiscard]] bool empty() const noexcept { return ranks_.empty(); }
  [[nodiscard]] TokenId symbol_of(char32_t scalar) const noexcept {
    return static_cast<TokenId>(ranks_.size() + scalar);
  }
  [[nodiscard]] bool is_token(TokenId symbol) const noexcept { return symbol < ranks_.size(); }
  /// The character of a symbol that is no token.
  [[nodiscard]] char32_t character_of(TokenId symbol) const noexcept {
    return static_cast<char32_t>(symbol - ranks_.size());
  }

  /// What `merge_word` asks; `joined` is scratch memory.
  struct Finder {
    const ScoreMerges& merges;
    const TokenTable& tokens;
    std::string& joined;

    [[nodiscard]] MergeTable::Found find(TokenId left, TokenId right) const {
      joined.clear();
      append(left);
      append(right);
      if (joined.size() > merges.longest_) return {};
      const TokenId id = tokens.find(joined);
      return id == no_token ? MergeTable::Found{} : MergeTable::Found{merges.ranks_[id], id};
    }

   private:
    friend class ScoreMerges;
    Finder(const ScoreMerges& of, const TokenTable& table, std::string& scratch)
        : merges(of), tokens(table), joined(scratch) {}
    void append(TokenId symbol) const {
      if (merges.is_token(symbol)) {
        joined.append(tokens.text_of(symbol));
      } else {
        append_utf8(joined, merges.character_of(symbol));
      }
    }
  };
  [[nodiscard]] Finder finder(const TokenTable& tokens, std::string& scratch) const {
    return {*this, tokens, scratch};
  }

 private:
  std::vector<std::uint32_t> ranks_;  ///< [tokens], 0 is best; `no_rank`: never made
  std::size_t longest_ = 0;           ///< bytes of the longest text
};

}  // namespace lamina
