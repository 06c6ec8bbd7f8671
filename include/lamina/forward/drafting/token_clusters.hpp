// SPDX-License-Identifier: Apache-2.0
// Which tokens belong to which cluster of a drafter's vocabulary, as files store it.
// Source: mtp-assistant.md §3.4, §4.2 (a map from token to cluster in one dialect).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/formats/byte_cursor.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// The tokens of a vocabulary, cluster by cluster, each of the same size.
struct TokenClusters {
  std::span<TokenId> tokens;          ///< [clusters, per_cluster]
  std::span<std::uint32_t> in_order;  ///< [clusters] scratch while they are read

  /// Takes memory from `arena`. Over a measuring arena only counts.
  static constexpr TokenClusters take(std::uint32_t vocab, std::uint32_t clusters, Arena& arena) noexcept {
    TokenClusters made;
    made.tokens = arena.take<TokenId>(vocab);
    made.in_order = arena.take<std::uint32_t>(clusters);
    return made;
  }

  [[nodiscard]] std::span<const TokenId> of(std::uint32_t cluster) const noexcept {
    const std::size_t size = tokens.size() / in_order.size();
    return tokens.subspan(cluster * size, size);
  }

  /// Reads them from a file: the list of tokens, or the cluster of each token.
  ///
  /// Errors   mismatch (there is neither, or of another size), bad_file (a token twice or outside the
  ///          vocabulary, clusters of different sizes)
  [[nodiscard]] Status read(const WeightFile& file) noexcept {
    const TensorView* listed = file.find("masked_embd_ordering");
    const TensorView* mapped = file.find("masked_embd_clusters");
    const TensorView* tensor = listed != nullptr ? listed : mapped;
    if (tensor == nullptr) {
      return file_error(ErrorCode::mismatch, place(file.path, "masked_embd_ordering"), "tensor is missing",
                        "the tokens of the clusters", "nothing");
    }
    const std::size_t words = tensor->bytes.size() / sizeof(std::uint32_t);
    // 64-bit integers are rows of two words.
    const std::size_t step = tensor->dims[0] == 2 && words == 2 * tokens.size() ? 2 : 1;
    if (tensor->format != Format::i32 || words != step * tokens.size()) {
      return file_error(ErrorCode::mismatch, place(file.path, tensor->name), "tensor has another shape",
                        text("%zu integers", tokens.size()),
                        text("%zu words of %s", words, info_of(tensor->format).name.data()));
    }
    const auto at = [&](std::size_t i) -> std::uint32_t {
      const std::byte* from = tensor->bytes.data() + i * step * sizeof(std::uint32_t);
      const bool is_wide = step == 2 && load_unaligned<std::uint32_t>(from + sizeof(std::uint32_t)) != 0;
      return is_wide ? UINT32_MAX : load_unaligned<std::uint32_t>(from);
    };
    const bool fits = listed != nullptr ? take_listed(at) : take_mapped(at);
    if (fits) return Done{};
    return bad_file(place(file.path, tensor->name), "tokens do not fill the clusters",
                    text("every token once in %zu clusters of one size", in_order.size()), "others");
  }

 private:
  /// `at(i)` is token number i of the list.
  template <class At>
  [[nodiscard]] bool take_listed(At at) noexcept {
    // Every place is marked before the tokens are written: what stays marked is a token that is not there.
    std::fill(tokens.begin(), tokens.end(), TokenId{0});
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const std::uint32_t token = at(i);
      if (token >= tokens.size() || tokens[token] != 0) return false;
      tokens[token] = 1;
    }
    for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = at(i);
    return true;
  }

  /// `at(i)` is the cluster of token i.
  template <class At>
  [[nodiscard]] bool take_mapped(At at) noexcept {
    const std::size_t size = tokens.size() / in_order.size();
    std::fill(in_order.begin(), in_order.end(), 0U);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const std::uint32_t cluster = at(i);
      if (cluster >= in_order.size() || in_order[cluster] == size) return false;
      tokens[cluster * size + in_order[cluster]++] = static_cast<TokenId>(i);
    }
    return true;
  }
};

}  // namespace lamina
