// SPDX-License-Identifier: Apache-2.0
// The text of a regular expression (ECMA-262, what a finite automaton can do) to a tree.
// Source: ECMA-262 §22.2.1 and, as browsers read old patterns, its Annex B.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/masks/regex/char_set.hpp>

namespace lamina::masks {

/// A part of a regular expression.
struct RegexNode {
  enum class Kind : std::uint8_t { empty, set, sequence, choice, repeat, begin, end };
  static constexpr std::uint32_t no_limit = UINT32_MAX;

  Kind kind = Kind::empty;
  std::uint32_t least = 0;  ///< of a repetition
  std::uint32_t most = 0;
  CharSet set;
  std::vector<RegexNode> parts;
};

/// How deep groups may nest, and how often a part may be repeated by number.
struct RegexLimits {
  std::size_t depth = 64;
  std::uint32_t repeat = 100'000;
  std::size_t states = std::size_t{1} << 18;  ///< of the automaton before it is made deterministic
};

/// Reads one pattern.
///
/// Look-around, back-references, word borders and Unicode properties are refused: `unsupported`.
class RegexParser {
 public:
  explicit RegexParser(std::string_view pattern, const RegexLimits& limits = {})
      : pattern_(pattern), limits_(limits) {}

  /// Errors   bad_argument (not well-formed), unsupported
  [[nodiscard]] Result<RegexNode> parse() {
    RegexNode root;
    if (!is_valid_utf8(pattern_)) return error(ErrorCode::bad_argument, "pattern is no UTF-8", "UTF-8");
    LAMINA_TRY(choice(root, 0));
    if (at_ < pattern_.size())
      return error(ErrorCode::bad_argument, "pattern has a closer too many", "its end");
    return root;
  }

 private:
  using Kind = RegexNode::Kind;

  [[nodiscard]] bool at(char c) const noexcept { return at_ < pattern_.size() && pattern_[at_] == c; }
  [[nodiscard]] bool take(std::string_view text) noexcept {
    if (!pattern_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  [[nodiscard]] char32_t next() noexcept {
    const Utf8Step step = decode_utf8(pattern_.substr(at_));
    at_ += step.size;
    return step.scalar;
  }
  [[nodiscard]] Error error(ErrorCode code, std::string_view what, std::string_view expected) const {
    const std::string_view rest = pattern_.substr(at_);
    return {code,     text("byte %zu of a pattern", at_).view(), what,
            expected, rest.empty() ? "its end" : rest,           ""};
  }

  [[nodiscard]] Status choice(RegexNode& out, std::size_t depth) {
    if (depth > limits_.depth) return error(ErrorCode::unsupported, "groups nest too deeply", "fewer");
    std::vector<RegexNode> branches;
    do {
      RegexNode branch;
      LAMINA_TRY(sequence(branch, depth));
      branches.push_back(std::move(branch));
    } while (take("|"));
    if (branches.size() == 1) {
      out = std::move(branches.front());
    } else {
      out.kind = Kind::choice;
      out.parts = std::move(branches);
    }
    return Done{};
  }

  [[nodiscard]] Status sequence(RegexNode& out, std::size_t depth) {
    out.kind = Kind::sequence;
    while (at_ < pattern_.size() && !at('|') && !at(')')) {
      RegexNode part;
      LAMINA_TRY(atom(part, depth));
      LAMINA_TRY(quantifier(part));
      out.parts.push_back(std::move(part));
    }
    return Done{};
  }

  [[nodiscard]] Status atom(RegexNode& out, std::size_t depth) {
    if (take("^")) {
      out.kind = Kind::begin;
    } else if (take("$")) {
      out.kind = Kind::end;
    } else if (take("(")) {
      if (take("?=") || take("?!") || take("?<=") || take("?<!"))
        return error(ErrorCode::unsupported, "look-around", "a pattern without it");
      if (take("?<")) {
        while (at_ < pattern_.size() && !at('>')) ++at_;
        if (!take(">")) return error(ErrorCode::bad_argument, "group has no name", "?<name>");
      } else if (!take("?:") && at('?')) {
        return error(ErrorCode::bad_argument, "unknown kind of group", "(?:");
      }
      LAMINA_TRY(choice(out, depth + 1));
      if (!take(")")) return error(ErrorCode::bad_argument, "group is not closed", ")");
    } else if (at('*') || at('+') || at('?')) {
      return error(ErrorCode::bad_argument, "nothing to repeat", "a character or group");
    } else {
      out.kind = Kind::set;
      if (take(".")) {
        out.set = any_but_line_ends();
      } else if (take("[")) {
        return char_class(out.set);
      } else if (take("\\")) {
        return escape(out.set, false);
      } else {
        const char32_t c = next();
        out.set.add(c, c);
      }
    }
    return Done{};
  }

  [[nodiscard]] Status quantifier(RegexNode& part) {
    std::uint32_t least = 0, most = RegexNode::no_limit;
    if (take("*")) {
    } else if (take("+")) {
      least = 1;
    } else if (take("?")) {
      most = 1;
    } else if (!counts(least, most)) {
      return Done{};
    }
    static_cast<void>(take("?"));  // lazy: the same texts match
    if (least > most)
      return error(ErrorCode::bad_argument, "numbers of a repetition are out of order", "{1,2}");
    if (least > limits_.repeat || (most != RegexNode::no_limit && most > limits_.repeat))
      return error(ErrorCode::unsupported, "repeated too often",
                   text("at most %u times", limits_.repeat).view());
    if (at('*') || at('+')) return error(ErrorCode::bad_argument, "nothing to repeat", "one quantifier");
    RegexNode inner = std::move(part);
    part = {};
    part.kind = Kind::repeat;
    part.least = least;
    part.most = most;
    part.parts.push_back(std::move(inner));
    return Done{};
  }

  /// "{2}", "{2,}" or "{2,3}"; anything else is ordinary text (Annex B).
  [[nodiscard]] bool counts(std::uint32_t& least, std::uint32_t& most) {
    const std::size_t begin = at_;
    if (take("{") && number(least)) {
      most = least;
      if (take(",") && !number(most)) most = RegexNode::no_limit;
      if (take("}")) return true;
    }
    at_ = begin;
    return false;
  }
  [[nodiscard]] bool number(std::uint32_t& out) noexcept {
    const std::size_t begin = at_;
    std::uint64_t value = 0;
    for (; at_ < pattern_.size() && pattern_[at_] >= '0' && pattern_[at_] <= '9'; ++at_)
      value = std::min<std::uint64_t>(value * 10 + static_cast<std::uint64_t>(pattern_[at_] - '0'),
                                      UINT32_MAX - 1);
    out = static_cast<std::uint32_t>(value);
    return at_ > begin;
  }

  [[nodiscard]] Status char_class(CharSet& out) {
    const bool negated = take("^");
    while (!at(']')) {
      if (at_ >= pattern_.size()) return error(ErrorCode::bad_argument, "class is not closed", "]");
      CharSet first;
      LAMINA_TRY(class_member(first));
      const bool is_range = at('-') && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']';
      if (!is_range) {
        out.add(first);
        continue;
      }
      ++at_;
      CharSet last;
      LAMINA_TRY(class_member(last));
      if (!is_one(first) || !is_one(last)) {  // Annex B: a dash beside a class is a dash
        out.add(first);
        out.add('-', '-');
        out.add(last);
        continue;
      }
      if (first.ranges()[0].first > last.ranges()[0].first)
        return error(ErrorCode::bad_argument, "range is out of order", "a-z");
      out.add(first.ranges()[0].first, last.ranges()[0].first);
    }
    ++at_;
    if (negated) out = out.complement();
    return Done{};
  }
  [[nodiscard]] static bool is_one(const CharSet& set) noexcept {
    return set.ranges().size() == 1 && set.ranges()[0].first == set.ranges()[0].last;
  }
  [[nodiscard]] Status class_member(CharSet& out) {
    if (take("\\")) return escape(out, true);
    const char32_t c = next();
    out.add(c, c);
    return Done{};
  }

  /// What follows a backslash.
  [[nodiscard]] Status escape(CharSet& out, bool in_class) {
    if (at_ >= pattern_.size())
      return error(ErrorCode::bad_argument, "backslash ends the pattern", "an escape");
    const char32_t c = next();
    out = named_class(c);
    if (!out.ranges().empty()) return Done{};
    char32_t scalar = c;
    if (c == 'p' || c == 'P') return error(ErrorCode::unsupported, "Unicode property", "a class like [a-z]");
    if ((c == 'b' || c == 'B') && !in_class) return error(ErrorCode::unsupported, "word border", "none");
    if ((c >= '1' && c <= '9' && !in_class) || (c == 'k' && !in_class))
      return error(ErrorCode::unsupported, "back-reference", "none");
    constexpr std::string_view letters = "fnrtvb0", values = "\f\n\r\t\v\b";
    if (const std::size_t i = letters.find(static_cast<char>(c)); c < 0x80 && i != letters.npos) {
      scalar = i < values.size() ? static_cast<char32_t>(values[i]) : U'\0';
    } else if (c == 'x') {
      if (!hex(2, scalar)) scalar = c;
    } else if (c == 'u') {
      LAMINA_TRY(unicode(scalar));
    } else if (c == 'c') {
      if (at_ >= pattern_.size())
        return error(ErrorCode::bad_argument, "control character has no letter", "a-z");
      scalar = next() % 32;
    }
    out.add(scalar, scalar);
    return Done{};
  }

  [[nodiscard]] Status unicode(char32_t& scalar) {
    scalar = 'u';
    if (take("{")) {
      scalar = 0;
      while (at_ < pattern_.size() && !at('}')) {
        char32_t digit = 0;
        if (!hex(1, digit) || scalar > largest_scalar)
          return error(ErrorCode::bad_argument, "no character number", "\\u{1F600}");
        scalar = scalar * 16 + digit;
      }
      if (!take("}") || scalar > largest_scalar)
        return error(ErrorCode::bad_argument, "no character number", "\\u{1F600}");
    } else if (hex(4, scalar) && scalar >= 0xD800 && scalar < 0xDC00) {
      char32_t low = 0;
      if (!take("\\u") || !hex(4, low) || low < 0xDC00 || low > 0xDFFF)
        return error(ErrorCode::unsupported, "half a surrogate pair", "both halves");
      scalar = 0x10000 + ((scalar - 0xD800) << 10) + (low - 0xDC00);
    }
    return Done{};
  }
  [[nodiscard]] bool hex(std::size_t digits, char32_t& out) noexcept {
    if (at_ + digits > pattern_.size()) return false;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const char c = pattern_[at_ + i];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return false;
      value = value * 16 + static_cast<std::uint32_t>(digit);
    }
    at_ += digits;
    out = value;
    return true;
  }

  std::string_view pattern_;
  RegexLimits limits_;
  std::size_t at_ = 0;
};

}  // namespace lamina::masks
