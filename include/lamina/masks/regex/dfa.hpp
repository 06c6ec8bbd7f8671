// SPDX-License-Identifier: Apache-2.0
// The deterministic form of a pattern's automaton, made while it runs.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include <lamina/core/config.hpp>
#include <lamina/masks/arena.hpp>
#include <lamina/masks/regex/nfa.hpp>

namespace lamina::masks {

/// Runs an automaton; states that are met are kept.
///
/// State 0 leads nowhere; state 1 accepts whatever follows. Threads: one at a time.
class Dfa {
 public:
  static constexpr std::uint32_t dead = 0;
  static constexpr std::uint32_t everything = 1;

  /// The automaton must outlive this.
  Dfa(const Nfa& nfa, RegexUse use) : nfa_(&nfa), seen_(nfa.nodes.size(), 0) {
    find_classes();
    for (const Nfa::Node& node : nfa.nodes) {
      if (node.distance != Nfa::nowhere) farthest_ = std::max(farthest_, node.distance);
    }
    endless_ = find_endless();
    states_.push_back({{}, false, false, Nfa::nowhere});
    states_.push_back({{}, true, true, 0});
    next_.assign(2 * classes_, dead);
    std::fill(next_.begin() + static_cast<std::ptrdiff_t>(classes_), next_.end(), everything);
    if (use == RegexUse::search) {
      begin_closure();
      follow(nfa.start, false);
      restart_ = found_;
    }
    begin_closure();
    follow(nfa.start, true);
    for (const std::uint32_t node : restart_) follow(node, true);
    start_ = intern();
  }

  [[nodiscard]] std::uint32_t start() const noexcept { return start_; }
  [[nodiscard]] std::uint32_t step(std::uint32_t state, std::uint8_t byte) {
    const std::uint32_t known = next_[state * classes_ + class_of_[byte]];
    return known != unknown ? known : make(state, byte);
  }
  /// Equal for bytes that no part of the pattern tells apart.
  [[nodiscard]] std::uint8_t class_of(std::uint8_t byte) const noexcept { return class_of_[byte]; }
  /// Whether the text may end here.
  [[nodiscard]] bool accepts(std::uint32_t state) const noexcept { return states_[state].accepts; }
  /// Whether any character may follow.
  [[nodiscard]] bool goes_on(std::uint32_t state) const noexcept { return states_[state].goes_on; }
  /// Characters that must follow, at least.
  [[nodiscard]] std::uint32_t distance(std::uint32_t state) const noexcept { return states_[state].distance; }
  /// The greatest of these distances.
  [[nodiscard]] std::uint32_t farthest() const noexcept { return farthest_; }
  /// Whether every beginning of a match is one of matches without end.
  [[nodiscard]] bool is_endless() const noexcept { return endless_; }
  /// Whether a match may begin at any place, so that no text is one too many.
  [[nodiscard]] bool never_dies() const noexcept { return !restart_.empty(); }
  /// Whether it needed more memory than it may have; from then on it accepts nothing new.
  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  static constexpr std::uint32_t unknown = UINT32_MAX;
  static constexpr std::size_t most_nodes = std::size_t{1} << 22;  // in all states together: 16 MB

  struct State {
    std::vector<std::uint32_t> nodes;  // ascending, those that take bytes or end
    bool accepts;
    bool goes_on;
    std::uint32_t distance;
  };

  /// Bytes that no part of the pattern tells apart.
  void find_classes() {
    std::vector<std::pair<std::uint64_t, std::uint8_t>> signatures;
    for (std::size_t byte = 0; byte < 256; ++byte) {
      std::uint64_t hash = 1;
      for (const auto& set : nfa_->sets) hash = mixed(hash, set[byte] ? 2 : 1);
      std::size_t i = 0;
      while (i < signatures.size() && signatures[i].first != hash) ++i;
      if (i == signatures.size()) signatures.push_back({hash, static_cast<std::uint8_t>(byte)});
      class_of_[byte] = static_cast<std::uint8_t>(i);
    }
    classes_ = signatures.size();
  }

  /// Nodes lead to those before them, but for the splits that begin a part again.
  [[nodiscard]] bool find_endless() const {
    std::vector<bool> endless(nfa_->nodes.size());
    bool all = true;
    for (std::size_t i = 0; i < endless.size(); ++i) {
      const Nfa::Node& node = nfa_->nodes[i];
      const auto leads = [&](std::uint32_t to) { return to != Nfa::nowhere && (to >= i || endless[to]); };
      endless[i] = node.kind == Nfa::Kind::match || (node.kind != Nfa::Kind::end && leads(node.next)) ||
                   (node.kind == Nfa::Kind::split && leads(node.other));
      if (node.kind == Nfa::Kind::bytes && node.distance != Nfa::nowhere) all = all && endless[i];
    }
    return all && nfa_->start != Nfa::nowhere && endless[nfa_->start];
  }

  void begin_closure() {
    ++round_;
    found_.clear();
    matched_ = false;
  }
  /// Collects what can be reached from a node without taking a byte.
  void follow(std::uint32_t node, bool at_begin) {
    pending_.push_back(node);
    while (!pending_.empty()) {
      node = pending_.back();
      pending_.pop_back();
      if (node == Nfa::nowhere || seen_[node] == round_) continue;
      seen_[node] = round_;
      const Nfa::Node& it = nfa_->nodes[node];
      if (it.distance == Nfa::nowhere) continue;
      switch (it.kind) {
        case Nfa::Kind::split:
          pending_.push_back(it.next);
          pending_.push_back(it.other);
          break;
        case Nfa::Kind::begin:
          if (at_begin) pending_.push_back(it.next);
          break;
        case Nfa::Kind::match:
          matched_ = true;
          break;
        case Nfa::Kind::bytes:
        case Nfa::Kind::end:
          found_.push_back(node);
          break;
      }
    }
  }

  /// Whether a text that ends here matches.
  [[nodiscard]] bool matches_at_end(std::span<const std::uint32_t> nodes, bool at_begin) {
    begin_closure();
    for (const std::uint32_t node : nodes) {
      if (nfa_->nodes[node].kind == Nfa::Kind::end) follow(nfa_->nodes[node].next, at_begin);
    }
    // Ends may follow each other: "a$$".
    for (std::size_t i = 0; i < found_.size() && !matched_; ++i) {
      const Nfa::Node it = nfa_->nodes[found_[i]];
      if (it.kind == Nfa::Kind::end) follow(it.next, at_begin);
    }
    return matched_;
  }

  /// The state of what `follow` found.
  [[nodiscard]] std::uint32_t intern() {
    if (matched_) return everything;
    if (found_.empty()) return dead;
    std::sort(found_.begin(), found_.end());
    std::uint64_t hash = found_.size();
    for (const std::uint32_t node : found_) hash = mixed(hash, node);
    const auto [first, last] = index_.equal_range(hash);
    for (auto it = first; it != last; ++it) {
      if (states_[it->second].nodes == found_) return it->second;
    }
    held_ += found_.size() + classes_ + 16;
    if (held_ > most_nodes) {
      failed_ = true;
      return dead;
    }
    const auto id = static_cast<std::uint32_t>(states_.size());
    State state{found_, false, false, Nfa::nowhere};
    for (const std::uint32_t node : state.nodes) {
      state.distance = std::min(state.distance, nfa_->nodes[node].distance);
      state.goes_on = state.goes_on || nfa_->nodes[node].kind == Nfa::Kind::bytes;
    }
    state.accepts = matches_at_end(state.nodes, states_.size() == 2);
    states_.push_back(std::move(state));
    next_.resize(next_.size() + classes_, unknown);
    index_.emplace(hash, id);
    return id;
  }

  [[nodiscard]] std::uint32_t make(std::uint32_t state, std::uint8_t byte) {
    if (failed_) return dead;
    begin_closure();
    for (std::size_t i = 0; i < states_[state].nodes.size(); ++i) {
      const Nfa::Node& it = nfa_->nodes[states_[state].nodes[i]];
      if (it.kind == Nfa::Kind::bytes && nfa_->sets[it.other][byte]) follow(it.next, false);
    }
    for (const std::uint32_t node : restart_) follow(node, false);
    const std::uint32_t made = intern();
    next_[state * classes_ + class_of_[byte]] = made;
    return made;
  }

  const Nfa* nfa_;
  std::array<std::uint8_t, 256> class_of_{};
  std::size_t classes_ = 0;
  std::vector<State> states_;
  std::vector<std::uint32_t> next_;  // [states, classes]
  std::unordered_multimap<std::uint64_t, std::uint32_t> index_;
  std::vector<std::uint32_t> restart_;  // where a match may begin at any place
  std::uint32_t start_ = dead;
  std::uint32_t farthest_ = 0;
  std::vector<std::uint32_t> seen_;  // [nodes] round in which a node was met
  std::uint32_t round_ = 0;
  std::vector<std::uint32_t> found_;
  std::vector<std::uint32_t> pending_;
  bool matched_ = false;
  bool failed_ = false;
  bool endless_ = false;
  std::size_t held_ = 0;
};

}  // namespace lamina::masks
