// SPDX-License-Identifier: Apache-2.0
// The texts of a vocabulary as a tree of bytes, so that tokens that begin alike are tried together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/types.hpp>

namespace lamina::masks {

/// A tree of bytes in one list: each node is followed by what lies under it.
class TokenTrie {
 public:
  static constexpr std::size_t deepest = 255;  ///< longer texts are left out

  struct Node {
    std::uint8_t byte;
    std::uint8_t depth;       ///< 1 for first bytes
    std::uint32_t end;        ///< the first node that lies beside or above
    std::uint32_t ids_begin;  ///< tokens that end here: up to those of the next node
  };

  TokenTrie() = default;
  /// Builds the tree of texts; empty ones are left out.
  explicit TokenTrie(std::vector<std::pair<std::string_view, TokenId>> texts) {
    std::sort(texts.begin(), texts.end());
    std::vector<std::uint32_t> open;  // the node at each depth
    std::string_view before;
    for (const auto& [text, id] : texts) {
      if (text.empty() || text.size() > deepest) continue;
      std::size_t shared = 0;
      while (shared < std::min(before.size(), text.size()) && before[shared] == text[shared]) ++shared;
      close(open, shared);
      for (std::size_t i = shared; i < text.size(); ++i) {
        open.push_back(static_cast<std::uint32_t>(nodes_.size()));
        nodes_.push_back({static_cast<std::uint8_t>(text[i]), static_cast<std::uint8_t>(i + 1), 0,
                          static_cast<std::uint32_t>(ids_.size())});
      }
      ids_.push_back(id);
      before = text;
    }
    close(open, 0);
    nodes_.push_back({0, 0, 0, static_cast<std::uint32_t>(ids_.size())});
  }

  /// Nodes without the one that ends the list.
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.empty() ? 0 : nodes_.size() - 1; }
  [[nodiscard]] const Node& operator[](std::size_t i) const noexcept { return nodes_[i]; }
  /// Calls `take(node)` for each node on the way of a text from the root.
  template <class Take>
  void follow(std::string_view text, Take&& take) const {
    std::size_t i = 0, end = size();
    for (const char c : text) {
      while (i < end && nodes_[i].byte != static_cast<std::uint8_t>(c)) i = nodes_[i].end;
      if (i >= end) return;
      take(i);
      end = nodes_[i].end;
      ++i;
    }
  }
  /// Tokens whose text ends at a node.
  [[nodiscard]] std::span<const TokenId> ids(std::size_t i) const noexcept { return ids(i, i + 1); }
  /// Tokens whose text ends at one of the nodes from `first` up to `last`.
  [[nodiscard]] std::span<const TokenId> ids(std::size_t first, std::size_t last) const noexcept {
    return std::span(ids_).subspan(nodes_[first].ids_begin, nodes_[last].ids_begin - nodes_[first].ids_begin);
  }

 private:
  void close(std::vector<std::uint32_t>& open, std::size_t depth) {
    for (; open.size() > depth; open.pop_back())
      nodes_[open.back()].end = static_cast<std::uint32_t>(nodes_.size());
  }

  std::vector<Node> nodes_;
  std::vector<TokenId> ids_;
};

}  // namespace lamina::masks
