// SPDX-License-Identifier: Apache-2.0
// From an automaton over bytes to the tokens that it allows: the vocabulary's tree is walked with it, and
// what was found is kept.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <lamina/core/config.hpp>
#include <lamina/masks/arena.hpp>
#include <lamina/masks/bytes.hpp>
#include <lamina/masks/string_body.hpp>
#include <lamina/masks/text_automaton.hpp>
#include <lamina/masks/token_constraint.hpp>
#include <lamina/masks/token_index.hpp>
#include <lamina/masks/token_trie.hpp>
#include <lamina/sampling/token_mask.hpp>

namespace lamina::masks {

/// Computes masks. A `Machine` has a `State` (copied freely), `step(State&, byte) -> bool`, `accepts(State)`,
/// `hash(State)` (equal where the same texts may follow), `body(State)` and an `arena()`.
///
/// Cost     keeps up to 320 masks (10 MB for 262 144 tokens)
/// Threads  one at a time
template <class Machine>
class Masker {
 public:
  using State = typename Machine::State;

  /// Both must outlive the masker.
  Masker(const TokenIndex& index, Machine& machine) : index_(&index), machine_(&machine) {
    states_.resize(TokenTrie::deepest + 1);
    marks_.resize(TokenTrie::deepest + 1);
  }

  /// The tokens that may come in a state; those that stop where the text may end. Valid until the next call.
  [[nodiscard]] const TokenMask& mask(const State& state) {
    const std::uint64_t hash = machine_->hash(state);
    Kept& kept = kept_[hash % kept_.size()];
    if (kept.is_filled && kept.hash == hash) return *kept.mask;
    if (!kept.mask) kept.mask = std::make_unique<TokenMask>(index_->tokens());
    kept.hash = hash;
    kept.is_filled = true;
    fill(state, *kept.mask);
    return *kept.mask;
  }

  /// See `TokenConstraint::crossing`; `state` is that in front of the text.
  [[nodiscard]] std::vector<CrossingToken> crossing(State state, std::string_view text) {
    std::vector<CrossingToken> tokens;
    const TokenTrie& trie = index_->all();
    const Arena::Mark begin = machine_->arena().mark();
    const std::size_t taken =
        take_bytes(state, text, [&](State& next, std::uint8_t byte) { return machine_->step(next, byte); });
    std::size_t from = text.size() > TokenTrie::deepest ? text.size() - TokenTrie::deepest : 0;
    for (; from < text.size() && taken == text.size(); ++from) {
      const std::string_view front = text.substr(from);
      trie.follow(front, [&](std::size_t node) {
        if (trie[node].depth < front.size()) return;
        walk(trie, node + 1, trie[node].end, state, [&](TokenId id) { tokens.push_back({from, id}); });
      });
    }
    machine_->arena().reset(begin);
    return tokens;
  }

 private:
  using Kind = StringBody::Kind;
  struct Kept {
    std::uint64_t hash = 0;
    bool is_filled = false;
    std::unique_ptr<TokenMask> mask;
  };

  void fill(const State& state, TokenMask& mask) {
    const StringBody body = machine_->body(state);
    mask.clear();
    switch (body.kind) {
      case Kind::none:
      case Kind::checked:
        walk(index_->all(), state, mask);
        break;
      case Kind::free:
        mask.join(index_->plain());
        walk(index_->odd_ends(), state, mask);
        break;
      case Kind::any_text:
        mask.join(index_->plain());
        walk(index_->odd(), state, mask);
        break;
      case Kind::limited:
        if (join_ways(body, mask)) {
          walk(index_->odd(), state, mask);
        } else {
          mask.clear();
          walk(index_->all(), state, mask);
        }
        break;
    }
    if (machine_->accepts(state)) mask.join(index_->stops());
  }

  /// Marks the tokens of a tree whose bytes the machine takes.
  void walk(const TokenTrie& trie, const State& state, TokenMask& mask) {
    walk(trie, 0, trie.size(), state, [&](TokenId id) { mask.set(id); });
  }
  /// Calls `take(id)` for the tokens of the nodes from `first` up to `last`, all that lie under one, whose
  /// bytes the machine takes behind a state of that one.
  template <class Take>
  void walk(const TokenTrie& trie, std::size_t first, std::size_t last, const State& state, Take take) {
    if (first >= last) return;
    Arena& arena = machine_->arena();
    const Arena::Mark begin = arena.mark();
    const std::size_t top = trie[first].depth - 1U;
    states_[top] = state;
    marks_[top] = begin;
    for (std::size_t i = first; i < last;) {
      const TokenTrie::Node node = trie[i];
      // What was tried beside this is over.
      arena.reset(marks_[node.depth - 1U]);
      states_[node.depth] = states_[node.depth - 1U];
      if (!machine_->step(states_[node.depth], node.byte)) {
        i = node.end;
        continue;
      }
      marks_[node.depth] = arena.mark();
      for (const TokenId id : trie.ids(i)) take(id);
      ++i;
    }
    arena.reset(begin);
  }

  /// Adds the tokens of plain text that some way allows; false if that is not clear.
  [[nodiscard]] bool join_ways(const StringBody& body, TokenMask& mask) {
    for (std::size_t i = 0; i < body.limits.size();) {
      const std::uint32_t way = body.limits[i].way;
      const std::size_t first = i;
      while (i < body.limits.size() && body.limits[i].way == way) ++i;
      if (i - first == 1) {
        const TokenMask* const allowed = body.limits[first].automaton != nullptr
                                             ? followed(body.limits[first])
                                             : &this->allowed(body.limits[first]);
        if (allowed == nullptr) return false;
        mask.join(*allowed);
        continue;
      }
      together_ = allowed(body.limits[first]);
      for (std::size_t j = first + 1; j < i; ++j) together_.meet(allowed(body.limits[j]));
      mask.join(together_);
    }
    return true;
  }

  /// Tokens of plain text that an automaton takes; null if it does not tell. Valid until the next call.
  [[nodiscard]] const TokenMask* followed(const TextLimit& limit) {
    TextAutomaton& automaton = *limit.automaton;
    if (automaton.takes_all(limit.state)) return &index_->plain();
    Kept& kept = keep(mixed(automaton.serial(), limit.state));
    if (kept.is_filled) return &*kept.mask;
    std::array<std::uint32_t, TokenTrie::deepest + 1> states;
    const TokenTrie& trie = index_->all();
    states[0] = limit.state;
    for (std::size_t i = 0; i < trie.size();) {
      const TokenTrie::Node node = trie[i];
      const std::uint32_t next = states[node.depth] = automaton.step(states[node.depth - 1U], node.byte);
      if (next == TextAutomaton::unclear) return nullptr;
      if (next == TextAutomaton::dead) {
        i = node.end;
        continue;
      }
      const bool takes_all = automaton.takes_all(next);
      const std::size_t last = takes_all ? node.end : i + 1;
      for (const TokenId id : trie.ids(i, last)) {
        if (index_->plain().has(id)) kept.mask->set(id);
      }
      i = last;
    }
    kept.is_filled = true;
    return &*kept.mask;
  }

  /// Tokens of plain text that a limit allows. Valid until the next call.
  [[nodiscard]] const TokenMask& allowed(const TextLimit& limit) {
    if (limit.is_list) {
      if (listed_.tokens() == 0) listed_ = TokenMask(index_->tokens());
      listed_.clear();
      for (const std::string_view text : limit.texts) {
        index_->all().follow(text, [&](std::size_t node) {
          for (const TokenId id : index_->all().ids(node)) {
            if (index_->plain().has(id)) listed_.set(id);
          }
        });
      }
      return listed_;
    }
    if (limit.dfa == nullptr || limit.state == Dfa::everything) return index_->plain_up_to(limit.room);
    // With room for any token and whatever must follow it, the limit does not matter.
    const bool roomy = limit.room >= index_->longest_plain() + limit.dfa->farthest();
    if (roomy && limit.dfa->never_dies()) return index_->plain();
    const std::uint64_t pattern = mixed(reinterpret_cast<std::uintptr_t>(limit.dfa), limit.state);
    const std::uint64_t hash = mixed(pattern, roomy ? UINT32_MAX : limit.room);
    Kept& kept = keep(hash);
    if (!kept.is_filled) walk_pattern(limit, *kept.mask);
    kept.is_filled = true;
    return *kept.mask;
  }
  /// The place of a mask of `patterns_`, empty if it is not filled.
  [[nodiscard]] Kept& keep(std::uint64_t hash) {
    Kept& kept = patterns_[hash % patterns_.size()];
    if (kept.is_filled && kept.hash == hash) return kept;
    if (!kept.mask) kept.mask = std::make_unique<TokenMask>(index_->tokens());
    kept.hash = hash;
    kept.is_filled = false;
    kept.mask->clear();
    return kept;
  }

  void walk_pattern(const TextLimit& limit, TokenMask& mask) const {
    std::array<std::uint32_t, TokenTrie::deepest + 1> states;
    std::array<std::uint32_t, TokenTrie::deepest + 1> characters;
    const TokenTrie& trie = index_->all();
    const TokenMask& plain = index_->plain();
    Dfa& dfa = *limit.dfa;
    states[0] = limit.state;
    characters[0] = 0;
    for (std::size_t i = 0; i < trie.size();) {
      const TokenTrie::Node node = trie[i];
      const std::uint32_t next = dfa.step(states[node.depth - 1U], node.byte);
      const std::uint32_t count = characters[node.depth - 1U] + ((node.byte & 0xC0) != 0x80 ? 1U : 0U);
      if (next == Dfa::dead ||
          (limit.room != UINT32_MAX && std::uint64_t{count} + dfa.distance(next) > limit.room)) {
        i = node.end;
        continue;
      }
      states[node.depth] = next;
      characters[node.depth] = count;
      const std::size_t last = next == Dfa::everything && limit.room == UINT32_MAX ? node.end : i + 1;
      for (const TokenId id : trie.ids(i, last)) {
        if (plain.has(id)) mask.set(id);
      }
      i = last;
    }
  }

  const TokenIndex* index_;
  Machine* machine_;
  std::vector<State> states_;       // [depth]
  std::vector<Arena::Mark> marks_;  // [depth]
  TokenMask together_;
  TokenMask listed_;
  std::array<Kept, 64> kept_;       // by state
  std::array<Kept, 256> patterns_;  // by state of a pattern
};

}  // namespace lamina::masks
