// SPDX-License-Identifier: Apache-2.0
// A text of a grammar, byte by byte: all ways to read it are followed together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include <lamina/core/config.hpp>
#include <lamina/masks/arena.hpp>
#include <lamina/masks/grammar/grammar.hpp>
#include <lamina/masks/string_body.hpp>
#include <lamina/masks/utf8_progress.hpp>

namespace lamina::masks {

/// Runs a grammar, which must outlive it. At most 4 096 ways are open at a time.
class GrammarMachine {
 public:
  /// Where reading goes on, and where after the rule's end.
  struct Place {
    std::uint32_t position;
    const Place* above;  ///< null: nothing more
    std::uint64_t hash;
  };
  struct State {
    const Place* const* ways = nullptr;  ///< each at a set; null for the whole text read
    std::uint32_t count = 0;
    Utf8Progress utf8;
    char32_t scalar = 0;  ///< bits of the character so far
  };

  explicit GrammarMachine(const Grammar& grammar) : grammar_(&grammar) {}

  [[nodiscard]] Arena& arena() noexcept { return arena_; }
  [[nodiscard]] bool failed() const noexcept { return failed_; }

  [[nodiscard]] State start() {
    ways_.clear();
    for (const std::uint32_t begin : grammar_->rules[grammar_->root]) expand(begin, nullptr);
    return keep();
  }

  [[nodiscard]] bool step(State& state, std::uint8_t byte) {
    const bool first = state.utf8.need == 0;
    if (!state.utf8.take(byte)) return false;
    const std::uint32_t mask = !first        ? 0x3F
                               : byte < 0x80 ? 0x7F
                               : byte < 0xE0 ? 0x1F
                               : byte < 0xF0 ? 0x0F
                                             : 0x07;
    state.scalar = (first ? 0 : state.scalar << 6) | (byte & mask);
    // What the character can still become.
    const std::uint32_t bits = 6U * state.utf8.need;
    char32_t low = state.scalar << bits, high = low | ((char32_t{1} << bits) - 1);
    if (state.utf8.need > 0) {
      low = std::max<char32_t>(low, (state.scalar << bits) | ((state.utf8.low & 0x3FU) << (bits - 6)));
      high = std::min<char32_t>(high, (state.scalar << bits) | ((state.utf8.high & 0x3FU) << (bits - 6)) |
                                          ((char32_t{1} << (bits - 6)) - 1));
      return any_way(state, low, high);
    }
    ways_.clear();
    const State before = state;
    for (std::uint32_t i = 0; i < before.count; ++i) {
      const Place* place = before.ways[i];
      if (place != nullptr && overlaps(place->position, low, high)) expand(place->position + 1, place->above);
    }
    if (ways_.empty()) return false;
    state = keep();
    return true;
  }

  [[nodiscard]] bool accepts(const State& state) const noexcept {
    if (state.utf8.need > 0) return false;
    return std::find(state.ways, state.ways + state.count, nullptr) != state.ways + state.count;
  }
  [[nodiscard]] std::uint64_t hash(const State& state) const noexcept {
    std::uint64_t sum = state.count;
    for (std::uint32_t i = 0; i < state.count; ++i)
      sum += state.ways[i] == nullptr ? 1 : mixed(7, state.ways[i]->hash);
    return mixed(mixed(sum, state.utf8.need), state.utf8.need > 0 ? state.scalar : 0);
  }
  [[nodiscard]] static StringBody body(const State&) noexcept { return {}; }
  [[nodiscard]] static bool is_other_spelling(const State&, std::uint8_t) noexcept { return false; }

  /// Gives back the memory of ways that are over. Other copies of states are lost.
  void compact(State& state) {
    Arena fresh;
    std::unordered_map<const Place*, const Place*> moved{{nullptr, nullptr}};
    auto** ways = fresh.take<const Place*>(state.count);
    for (std::uint32_t i = 0; i < state.count; ++i) {
      std::vector<const Place*> chain;
      const Place* place = state.ways[i];
      for (; moved.find(place) == moved.end(); place = place->above) chain.push_back(place);
      const Place* above = moved[place];
      for (std::size_t k = chain.size(); k-- > 0;) {
        Place* copy = fresh.take<Place>(1);
        *copy = {chain[k]->position, above, chain[k]->hash};
        above = copy;
        moved.emplace(chain[k], above);
      }
      ways[i] = above;
    }
    state.ways = ways;
    arena_ = std::move(fresh);
  }

 private:
  static constexpr std::size_t most_ways = 4096;
  static constexpr std::size_t most_steps = 100'000;  // of one expansion
  using Kind = Grammar::Kind;

  [[nodiscard]] bool overlaps(std::uint32_t position, char32_t low, char32_t high) const noexcept {
    const auto& ranges = grammar_->sets[grammar_->symbols[position].index].ranges();
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const CharSet::Range& range) { return range.first <= high && range.last >= low; });
  }
  [[nodiscard]] bool any_way(const State& state, char32_t low, char32_t high) const noexcept {
    return std::any_of(state.ways, state.ways + state.count, [&](const Place* place) {
      return place != nullptr && overlaps(place->position, low, high);
    });
  }

  [[nodiscard]] const Place* place(std::uint32_t position, const Place* above) {
    Place* out = arena_.take<Place>(1);
    *out = {position, above, mixed(above == nullptr ? 3 : above->hash, position)};
    return out;
  }

  /// Adds the ways that begin at a position: down to the first set of each.
  void expand(std::uint32_t position, const Place* above) {
    pending_.push_back({position, above});
    for (std::size_t steps = 0; !pending_.empty(); ++steps) {
      const Pending next = pending_.back();
      pending_.pop_back();
      const Grammar::Symbol symbol = grammar_->symbols[next.position];
      if (symbol.kind == Kind::end) {
        if (next.above == nullptr) {
          add(nullptr);
        } else {
          pending_.push_back({next.above->position, next.above->above});
        }
      } else if (symbol.kind == Kind::set) {
        add(place(next.position, next.above));
      } else {
        // A rule at the end of another needs no way back to it.
        const bool tail = grammar_->symbols[next.position + 1].kind == Kind::end;
        const Place* back = tail ? next.above : place(next.position + 1, next.above);
        for (const std::uint32_t begin : grammar_->rules[symbol.index]) pending_.push_back({begin, back});
      }
      if (pending_.size() > most_ways || steps > most_steps) failed_ = true;
      if (failed_) pending_.clear();
    }
  }
  void add(const Place* way) {
    const std::uint64_t hash = way == nullptr ? 1 : way->hash;
    for (const Place* known : ways_) {
      if ((known == nullptr ? 1 : known->hash) == hash) return;
    }
    ways_.push_back(way);
    if (ways_.size() > most_ways) failed_ = true;
  }
  [[nodiscard]] State keep() {
    auto** ways = arena_.take<const Place*>(ways_.size());
    std::copy(ways_.begin(), ways_.end(), ways);
    State state;
    state.ways = ways;
    state.count = static_cast<std::uint32_t>(ways_.size());
    return state;
  }

  struct Pending {
    std::uint32_t position;
    const Place* above;
  };

  const Grammar* grammar_;
  Arena arena_;
  std::vector<const Place*> ways_;
  std::vector<Pending> pending_;
  bool failed_ = false;
};

}  // namespace lamina::masks
