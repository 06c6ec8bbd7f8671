// SPDX-License-Identifier: Apache-2.0
// Merge rules by pair of tokens: a flat hash table, one cache line a look-up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
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
    table.slots_.assign(detail::slots_for(merges.size()), Slot{});
    const std::size_t mask = table.slots_.size() - 1;
    for (std::size_t rank = 0; rank < merges.size(); ++rank) {
      const std::uint64_t key = key_of(merges[rank].left, merges[rank].right);
      std::size_t at = detail::mix_bits(key) & mask;
      std::size_t probes = 0;
      for (; table.slots_[at].key != no_key; at = (at + 1) & mask) {
        if (table.slots_[at].key == key || ++probes > detail::most_probes) {
          return Error{ErrorCode::bad_file,
                       text("merge %zu", rank).view(),
                       "merge occurs twice",
                       "unique pairs",
                       text("the pair of merge %u", table.slots_[at].found.rank),
                       ""};
        }
      }
      table.slots_[at] = {key, {static_cast<std::uint32_t>(rank), merges[rank].result}};
    }
    return table;
  }

  [[nodiscard]] Found find(TokenId left, TokenId right) const noexcept {
    const std::uint64_t key = key_of(left, right);
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = detail::mix_bits(key) & mask;; at = (at + 1) & mask) {
      const Slot& slot = slots_[at];
      if (slot.key == key) return slot.found;
      if (slot.key == no_key) return {};
    }
  }

 private:
  static constexpr std::uint64_t no_key = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = no_key;
    Found found;
  };

  [[nodiscard]] static constexpr std::uint64_t key_of(TokenId left, TokenId right) noexcept {
    return (std::uint64_t{left} << 32) | right;
  }

  std::vector<Slot> slots_ = std::vector<Slot>(1);  ///< [power of two]
};

}  // namespace lamina
