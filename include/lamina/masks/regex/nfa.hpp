// SPDX-License-Identifier: Apache-2.0
// A regular expression as an automaton over bytes of UTF-8, not yet deterministic.
// Source: Thompson's construction, from the end to the beginning.
#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/masks/regex/parser.hpp>

namespace lamina::masks {

/// Calls `emit(first, last, size)` with the bytes of UTF-8 that spell the characters of a range: `size`
/// bytes, each of its own range.
template <class Emit>
void utf8_ranges(char32_t first, char32_t last, Emit&& emit) {
  constexpr char32_t borders[] = {0x7F, 0x7FF, 0xFFFF};
  for (const char32_t border : borders) {
    if (first <= border && last > border) {
      utf8_ranges(first, border, emit);
      return utf8_ranges(border + 1, last, emit);
    }
  }
  const std::size_t size = last <= 0x7F ? 1 : last <= 0x7FF ? 2 : last <= 0xFFFF ? 3 : 4;
  for (std::size_t i = 1; i < size; ++i) {
    const char32_t low = (char32_t{1} << (6 * i)) - 1;
    if ((first & ~low) == (last & ~low)) continue;
    if ((first & low) != 0) {
      utf8_ranges(first, first | low, emit);
      return utf8_ranges((first | low) + 1, last, emit);
    }
    if ((last & low) != low) {
      utf8_ranges(first, (last & ~low) - 1, emit);
      return utf8_ranges(last & ~low, last, emit);
    }
  }
  constexpr std::uint8_t leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
  std::array<std::uint8_t, 4> low{}, high{};
  for (std::size_t i = size; i-- > 0;) {
    const std::uint32_t lead = i > 0 ? 0x80 : leads[size];
    const char32_t bits = i > 0 ? 0x3F : 0xFF;
    low[i] = static_cast<std::uint8_t>(lead | (first & bits));
    high[i] = static_cast<std::uint8_t>(lead | (last & bits));
    first >>= 6;
    last >>= 6;
  }
  emit(low, high, size);
}

/// How much of a text a pattern must match.
enum class RegexUse : std::uint8_t {
  search,  ///< some part of it, as in JSON Schema
  whole,   ///< all of it
};

/// An automaton with edges that take no byte.
struct Nfa {
  enum class Kind : std::uint8_t { split, bytes, begin, end, match };
  static constexpr std::uint32_t nowhere = UINT32_MAX;

  struct Node {
    Kind kind;
    std::uint32_t next;      ///< of a split: the first way
    std::uint32_t other;     ///< of a split: the second way; of bytes: which of `sets`
    std::uint32_t distance;  ///< characters to a match, at least; `nowhere` if there is none
  };

  std::vector<Node> nodes;
  std::vector<std::bitset<256>> sets;
  std::uint32_t start = nowhere;
};

namespace detail {

/// Builds nodes from the last to the first, so that each knows what follows it.
class NfaBuilder {
 public:
  NfaBuilder(Nfa& nfa, std::size_t limit) : nfa_(nfa), limit_(limit) {}

  [[nodiscard]] std::uint32_t add(Nfa::Kind kind, std::uint32_t next, std::uint32_t other,
                                  std::uint32_t distance) {
    if (nfa_.nodes.size() >= limit_) return Nfa::nowhere;
    nfa_.nodes.push_back({kind, next, other, distance});
    return static_cast<std::uint32_t>(nfa_.nodes.size() - 1);
  }
  [[nodiscard]] bool full() const noexcept { return nfa_.nodes.size() >= limit_; }

  [[nodiscard]] std::uint32_t split(std::uint32_t one, std::uint32_t two) {
    return add(Nfa::Kind::split, one, two, std::min(distance(one), distance(two)));
  }
  [[nodiscard]] std::uint32_t bytes(const std::bitset<256>& set, std::uint32_t next) {
    std::size_t i = 0;
    while (i < nfa_.sets.size() && nfa_.sets[i] != set) ++i;
    if (i == nfa_.sets.size()) nfa_.sets.push_back(set);
    // A character counts when it begins, not where it goes on.
    const std::uint32_t weight = !set[0x80] && !set[0xBF] ? 1 : 0;
    const std::uint32_t rest = distance(next);
    return add(Nfa::Kind::bytes, next, static_cast<std::uint32_t>(i),
               set.none() || rest == Nfa::nowhere ? Nfa::nowhere : rest + weight);
  }

  [[nodiscard]] std::uint32_t build(const RegexNode& node, std::uint32_t next) {
    using Kind = RegexNode::Kind;
    if (full()) return Nfa::nowhere;
    switch (node.kind) {
      case Kind::empty:
        return next;
      case Kind::set:
        return build_set(node.set, next);
      case Kind::sequence:
        for (std::size_t i = node.parts.size(); i-- > 0;) next = build(node.parts[i], next);
        return next;
      case Kind::choice: {
        std::uint32_t way = build(node.parts.back(), next);
        for (std::size_t i = node.parts.size() - 1; i-- > 0;) way = split(build(node.parts[i], next), way);
        return way;
      }
      case Kind::repeat:
        return build_repeat(node, next);
      case Kind::begin:
        return add(Nfa::Kind::begin, next, 0, distance(next));
      case Kind::end:
        return add(Nfa::Kind::end, next, 0, distance(next));
    }
    return next;
  }

 private:
  [[nodiscard]] std::uint32_t distance(std::uint32_t node) const noexcept {
    return node == Nfa::nowhere ? Nfa::nowhere : nfa_.nodes[node].distance;
  }

  [[nodiscard]] std::uint32_t build_repeat(const RegexNode& node, std::uint32_t next) {
    const RegexNode& body = node.parts.front();
    std::uint32_t way = next;
    if (node.most == RegexNode::no_limit) {
      const std::uint32_t loop = add(Nfa::Kind::split, next, next, distance(next));
      if (loop == Nfa::nowhere) return loop;
      const std::uint32_t first = build(body, loop);
      nfa_.nodes[loop].other = first == Nfa::nowhere ? next : first;
      way = loop;
    } else {
      for (std::uint32_t i = node.least; i < node.most && !full(); ++i) way = split(build(body, way), next);
    }
    for (std::uint32_t i = 0; i < node.least && !full(); ++i) way = build(body, way);
    return way;
  }

  [[nodiscard]] std::uint32_t build_set(const CharSet& set, std::uint32_t next) {
    std::bitset<256> ascii;
    std::uint32_t way = Nfa::nowhere;
    const auto join = [&](std::uint32_t one) { way = way == Nfa::nowhere ? one : split(one, way); };
    for (const CharSet::Range& range : set.ranges()) {
      for (char32_t c = range.first; c <= std::min<char32_t>(range.last, 0x7F); ++c) ascii.set(c);
      const char32_t first = std::max<char32_t>(range.first, 0x80);
      if (first > range.last) continue;
      if (first == 0x80 && range.last == largest_scalar) {
        // All that is not ASCII: texts are well-formed, so the length suffices.
        constexpr std::uint8_t leads[] = {0xC2, 0xE0, 0xF0, 0xF5};
        std::uint32_t rest = next;
        for (std::size_t i = 0; i < 3; ++i) {
          rest = bytes(byte_range(0x80, 0xBF), rest);
          join(bytes(byte_range(leads[i], leads[i + 1] - 1), rest));
        }
        continue;
      }
      utf8_ranges(first, range.last, [&](const auto& low, const auto& high, std::size_t size) {
        std::uint32_t rest = next;
        for (std::size_t i = size; i-- > 0;) rest = bytes(byte_range(low[i], high[i]), rest);
        join(rest);
      });
    }
    if (ascii.any() || way == Nfa::nowhere) join(bytes(ascii, next));
    return way;
  }
  [[nodiscard]] static std::bitset<256> byte_range(std::uint32_t first, std::uint32_t last) {
    std::bitset<256> set;
    for (std::uint32_t byte = first; byte <= last; ++byte) set.set(byte);
    return set;
  }

  Nfa& nfa_;
  std::size_t limit_;
};

}  // namespace detail

/// Builds the automaton of a pattern's tree.
///
/// Errors   unsupported (more states than `limits` allow)
[[nodiscard]] inline Result<Nfa> build_nfa(const RegexNode& root, RegexUse use,
                                           const RegexLimits& limits = {}) {
  Nfa nfa;
  detail::NfaBuilder builder(nfa, limits.states + 1);
  std::uint32_t last = builder.add(Nfa::Kind::match, 0, 0, 0);
  if (use == RegexUse::whole) last = builder.add(Nfa::Kind::end, last, 0, 0);
  nfa.start = builder.build(root, last);
  if (builder.full() || nfa.start == Nfa::nowhere) {
    return Error{
        ErrorCode::unsupported, "pattern", "is too large", text("at most %zu states", limits.states), "more",
        "repeat less often"};
  }
  if (use == RegexUse::whole)
    nfa.start = builder.add(Nfa::Kind::begin, nfa.start, 0, nfa.nodes[nfa.start].distance);
  return nfa;
}

/// Parses a pattern and builds its automaton. Errors: those of `RegexParser` and `build_nfa`.
[[nodiscard]] inline Result<Nfa> compile_regex(std::string_view pattern, RegexUse use,
                                               const RegexLimits& limits = {}) {
  const auto root = RegexParser(pattern, limits).parse();
  if (!root) return root.error();
  return build_nfa(*root, use, limits);
}

}  // namespace lamina::masks
