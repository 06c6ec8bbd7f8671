// SPDX-License-Identifier: Apache-2.0
// Snapshots by the tokens that they have read: whoever begins alike goes on from them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/core/types.hpp>
#include <lamina/state/snapshot.hpp>

namespace lamina {

/// What a store knows of a list of tokens.
struct PrefixMatch {
  std::optional<Snapshot> snapshot;  ///< the longest one whose tokens are a beginning of the list
  /// Tokens of the list that are the beginning of something in the store: where this is more than the
  /// snapshot has, it is worth a snapshot of its own, for somebody else went another way there.
  std::uint32_t common = 0;
};

/// Keeps snapshots of the sequences of one engine in a tree of their tokens, within a budget of bytes.
///
/// Each counts its own memory and the pages that it did not share, when it came, with the one before it on
/// its way: never less than there are. When there are too many, those go that were not used for longest and
/// that no other goes on from.
/// Threads   any number
class PrefixStore {
 public:
  /// `page_bytes`: `ModelEntry::page_bytes`; 0 where pages are not to count.
  explicit PrefixStore(std::size_t budget_bytes, std::size_t page_bytes) noexcept
      : budget_(budget_bytes), page_bytes_(page_bytes) {}

  /// The longest beginning of `tokens` that is kept. Its snapshot stays whole as long as the caller holds it.
  [[nodiscard]] PrefixMatch find(std::span<const TokenId> tokens) noexcept {
    const std::lock_guard lock(mutex_);
    ++clock_;
    PrefixMatch match;
    for (Node* node = &root_;;) {
      node->used = clock_;
      if (node->snapshot) match.snapshot = node->snapshot;
      Node* next = node->child(tokens, match.common);
      if (next == nullptr) return match;
      const std::uint32_t shared = next->common_with(tokens.subspan(match.common));
      match.common += shared;
      if (shared < next->edge.size()) return match;
      node = next;
    }
  }

  /// Keeps a snapshot, unless there is one of the same tokens; then lets go of others until all are within
  /// the budget. One that is larger than that is not kept.
  ///
  /// Errors   out_of_memory: nothing is kept then
  [[nodiscard]] Status put(const Snapshot& snapshot) {
    return guard_memory("prefix store", [&]() -> Status {
      const std::lock_guard lock(mutex_);
      ++clock_;
      Node* node = reach(snapshot.tokens());
      if (node->snapshot) return Done{};
      node->snapshot = snapshot;
      node->bytes = bytes_of(*node, snapshot);
      bytes_ += node->bytes;
      while (bytes_ > budget_ && evict_one()) continue;
      return Done{};
    });
  }

  /// Lets go of the one that was not used for longest, for the sake of its pages. False if there is none.
  bool evict() noexcept {
    const std::lock_guard lock(mutex_);
    return evict_one();
  }
  void clear() noexcept {
    const std::lock_guard lock(mutex_);
    while (evict_one()) continue;
  }

  /// Bytes of all that is kept: snapshots, pages, the tree's tokens.
  [[nodiscard]] std::size_t bytes() const noexcept {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }
  [[nodiscard]] std::size_t budget() const noexcept { return budget_; }
  [[nodiscard]] std::size_t count() const noexcept {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count_if(
               nodes_.begin(), nodes_.end(), [](const auto& node) { return node->snapshot.has_value(); })) +
           (root_.snapshot ? 1 : 0);
  }

 private:
  /// All nodes lie in one list, so that nothing here is recursive: a long talk is a tree without branches.
  struct Node {
    Node* parent = nullptr;
    std::size_t index = 0;      ///< in the list
    std::vector<TokenId> edge;  ///< tokens between the parent and this
    std::vector<Node*> children;
    std::optional<Snapshot> snapshot;
    std::size_t bytes = 0;  ///< that count for the snapshot
    std::uint64_t used = 0;

    /// The child that goes on as `tokens` do from `at` on; null if none does.
    [[nodiscard]] Node* child(std::span<const TokenId> tokens, std::size_t at) const noexcept {
      if (at == tokens.size()) return nullptr;
      const auto found = std::find_if(children.begin(), children.end(),
                                      [&](const Node* one) { return one->edge.front() == tokens[at]; });
      return found != children.end() ? *found : nullptr;
    }
    [[nodiscard]] std::uint32_t common_with(std::span<const TokenId> tokens) const noexcept {
      const auto most = static_cast<std::ptrdiff_t>(std::min(tokens.size(), edge.size()));
      return static_cast<std::uint32_t>(
          std::mismatch(edge.begin(), edge.begin() + most, tokens.begin()).first - edge.begin());
    }
  };

  /// The node of `tokens`, made if need be.
  [[nodiscard]] Node* reach(std::span<const TokenId> tokens) {
    Node* node = &root_;
    for (std::size_t at = 0; at < tokens.size();) {
      node->used = clock_;
      Node* next = node->child(tokens, at);
      if (next == nullptr) {
        auto made = std::make_unique<Node>();
        made->edge.assign(tokens.begin() + static_cast<std::ptrdiff_t>(at), tokens.end());
        next = hang(std::move(made), *node);
      }
      const std::uint32_t shared = next->common_with(tokens.subspan(at));
      if (shared < next->edge.size()) split(*next, shared);
      at += shared;
      node = next;
    }
    node->used = clock_;
    return node;
  }

  /// Adds a node below `parent`.
  Node* hang(std::unique_ptr<Node> made, Node& parent) {
    made->parent = &parent;
    made->index = nodes_.size();
    parent.children.reserve(parent.children.size() + 1);
    nodes_.push_back(std::move(made));
    parent.children.push_back(nodes_.back().get());
    bytes_ += nodes_.back()->edge.size() * sizeof(TokenId);
    return nodes_.back().get();
  }

  /// Cuts the edge of a node: what it was is its only child from then on.
  void split(Node& node, std::uint32_t at) {
    auto rest = std::make_unique<Node>();
    const auto cut = node.edge.begin() + at;
    rest->edge.assign(cut, node.edge.end());
    std::vector<TokenId> front(node.edge.begin(), cut);
    std::vector<Node*> only;
    only.reserve(1);
    nodes_.reserve(nodes_.size() + 1);
    // Nothing is refused from here on.
    rest->parent = &node;
    rest->index = nodes_.size();
    rest->children = std::move(node.children);
    for (Node* child : rest->children) child->parent = rest.get();
    rest->snapshot = std::exchange(node.snapshot, std::nullopt);
    rest->bytes = std::exchange(node.bytes, 0);
    rest->used = node.used;
    node.edge = std::move(front);
    only.push_back(rest.get());
    node.children = std::move(only);
    nodes_.push_back(std::move(rest));
  }

  /// What a snapshot counts: its memory, and the pages that the one before it does not have.
  [[nodiscard]] std::size_t bytes_of(const Node& node, const Snapshot& snapshot) const noexcept {
    const Node* before = node.parent;
    while (before != nullptr && !before->snapshot) before = before->parent;
    const auto pages = snapshot.pages();
    std::size_t own = pages.size();
    if (before != nullptr) {
      const auto others = before->snapshot->pages();
      for (std::size_t i = 0; i < std::min(pages.size(), others.size()); ++i)
        own -= pages[i] == others[i] ? 1U : 0U;
    }
    return snapshot.memory_bytes() + own * page_bytes_;
  }

  bool evict_one() noexcept {
    Node* oldest = root_.children.empty() && root_.snapshot ? &root_ : nullptr;
    for (const auto& node : nodes_) {
      // Leaves without a snapshot are left from where memory was refused: they go first.
      const auto rank = [](const Node& one) { return one.snapshot ? one.used : 0; };
      if (node->children.empty() && (oldest == nullptr || rank(*node) < rank(*oldest))) oldest = node.get();
    }
    if (oldest == nullptr) return false;
    oldest->snapshot.reset();
    bytes_ -= std::exchange(oldest->bytes, 0);
    while (oldest != &root_ && oldest->children.empty() && !oldest->snapshot) oldest = take_off(*oldest);
    return true;
  }

  /// Removes a leaf; returns its parent.
  Node* take_off(Node& leaf) noexcept {
    Node* parent = leaf.parent;
    std::erase(parent->children, &leaf);
    bytes_ -= leaf.edge.size() * sizeof(TokenId);
    const std::size_t index = leaf.index;
    nodes_[index].swap(nodes_.back());
    nodes_[index]->index = index;
    nodes_.pop_back();
    return parent;
  }

  mutable std::mutex mutex_;
  Node root_;
  std::vector<std::unique_ptr<Node>> nodes_;  ///< all but the root
  std::size_t budget_;
  std::size_t page_bytes_;
  std::size_t bytes_ = 0;
  std::uint64_t clock_ = 0;
};

}  // namespace lamina
