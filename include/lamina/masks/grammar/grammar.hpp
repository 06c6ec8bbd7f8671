// SPDX-License-Identifier: Apache-2.0
// A small notation for grammars, a subset of llama.cpp's GBNF: rules of texts, classes, groups and
// repetition.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/masks/regex/char_set.hpp>

namespace lamina::masks {

/// Rules as lists of symbols. A position is an index into `symbols`; each alternative ends in an `end`.
struct Grammar {
  enum class Kind : std::uint8_t { set, rule, end };
  struct Symbol {
    Kind kind;
    std::uint32_t index;  ///< of `sets` or `rules`
  };

  std::vector<CharSet> sets;
  std::vector<Symbol> symbols;
  std::vector<std::vector<std::uint32_t>> rules;  ///< where the alternatives begin
  std::uint32_t root = 0;
};

/// Bounds on a grammar's text.
struct GrammarLimits {
  std::size_t symbols = 100'000;
  std::size_t depth = 64;        ///< groups inside each other
  std::uint32_t repeat = 1'000;  ///< of {2,3}
};

/// Reads a grammar:
///
///     root   ::= "yes" | "no" | list        # the answer is what `root` says
///     list   ::= "[" item ("," item)* "]"
///     item   ::= [a-z0-9_]+ | [^"\n]{1,8}
///
/// A rule ends with its line, unless a group is open or the next line begins with "|". Texts and classes know
/// \n \r \t \\ \" \] \xHH \uHHHH. No rule may begin with itself.
class GrammarReader {
 public:
  explicit GrammarReader(std::string_view text, const GrammarLimits& limits = {})
      : text_(text), limits_(limits) {}

  /// Errors   bad_argument (no grammar), unsupported (left recursion, too large)
  [[nodiscard]] Result<Grammar> read() {
    if (!is_valid_utf8(text_)) return error("grammar is no UTF-8", "UTF-8");
    for (skip(true); at_ < text_.size(); skip(true)) {
      const std::string_view name = word();
      if (name.empty()) return error("rule has no name", "name ::= ...");
      skip(false);
      if (!take("::=")) return error("rule has no ::=", "::=");
      const std::uint32_t rule = rule_of(name);
      if (defined_[rule]) return error("rule is there twice", "one of each name");
      defined_[rule] = true;
      LAMINA_TRY(alternatives(rule, 0));
      if (at_ < text_.size() && text_[at_] == ')') return error("group is not open", "the next rule");
    }
    const auto root = names_.find("root");
    if (root == names_.end() || !defined_[root->second])
      return error("there is no rule \"root\"", "root ::= ...");
    for (const auto& [name, rule] : names_) {
      if (!defined_[rule])
        return Error{ErrorCode::bad_argument, "grammar", "rule is not there", "a rule of this name",
                     std::string_view(name),  ""};
    }
    grammar_.root = root->second;
    LAMINA_TRY(check_left_recursion());
    return std::move(grammar_);
  }

 private:
  using Kind = Grammar::Kind;
  using Symbols = std::vector<Grammar::Symbol>;

  [[nodiscard]] Error error(std::string_view what, std::string_view expected) const {
    const std::string_view rest = text_.substr(at_);
    return {ErrorCode::bad_argument,
            text("byte %zu of a grammar", at_).view(),
            what,
            expected,
            rest.empty() ? "its end" : rest.substr(0, 40),
            ""};
  }
  [[nodiscard]] Error too_large() const {
    return {ErrorCode::unsupported,
            "grammar",
            "is too large",
            text("at most %zu symbols", limits_.symbols),
            "more",
            ""};
  }

  void skip(bool lines) {
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '#') {
        while (at_ + 1 < text_.size() && text_[at_ + 1] != '\n') ++at_;
      } else if (text_[at_] != ' ' && text_[at_] != '\t' && text_[at_] != '\r' &&
                 !(lines && text_[at_] == '\n')) {
        return;
      }
    }
  }
  [[nodiscard]] bool take(std::string_view wanted) {
    if (!text_.substr(at_).starts_with(wanted)) return false;
    at_ += wanted.size();
    return true;
  }
  [[nodiscard]] std::string_view word() {
    const std::size_t begin = at_;
    const auto is_part = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
             c == '_';
    };
    while (at_ < text_.size() && is_part(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  std::uint32_t new_rule(bool defined) {
    grammar_.rules.emplace_back();
    defined_.push_back(defined);
    return static_cast<std::uint32_t>(grammar_.rules.size() - 1);
  }
  std::uint32_t rule_of(std::string_view name) {
    const auto known = names_.find(std::string(name));
    if (known != names_.end()) return known->second;
    const std::uint32_t rule = new_rule(false);
    names_.emplace(name, rule);
    return rule;
  }
  void add_alternative(std::uint32_t rule, const Symbols& symbols) {
    grammar_.rules[rule].push_back(static_cast<std::uint32_t>(grammar_.symbols.size()));
    grammar_.symbols.insert(grammar_.symbols.end(), symbols.begin(), symbols.end());
    grammar_.symbols.push_back({Kind::end, 0});
  }

  [[nodiscard]] Status alternatives(std::uint32_t rule, std::size_t depth) {
    if (depth > limits_.depth)
      return Error{ErrorCode::unsupported,
                   "grammar",
                   "groups nest too deeply",
                   text("at most %zu", limits_.depth),
                   "more",
                   ""};
    for (;;) {
      Symbols symbols;
      LAMINA_TRY(sequence(symbols, depth));
      add_alternative(rule, symbols);
      if (grammar_.symbols.size() > limits_.symbols) return too_large();
      // A rule goes on where the next line begins with "|".
      const std::size_t line = at_;
      skip(true);
      if (take("|")) continue;
      if (depth == 0) at_ = line;
      return Done{};
    }
  }

  [[nodiscard]] Status sequence(Symbols& out, std::size_t depth) {
    for (;;) {
      skip(depth > 0);
      if (at_ >= text_.size() || text_[at_] == '\n' || text_[at_] == '|' || text_[at_] == ')') return Done{};
      Symbols item;
      if (take("\"")) {
        LAMINA_TRY(literal(item));
      } else if (take("[")) {
        LAMINA_TRY(char_class(item));
      } else if (take("(")) {
        const std::uint32_t group = new_rule(true);
        LAMINA_TRY(alternatives(group, depth + 1));
        if (!take(")")) return error("group is not closed", ")");
        item.push_back({Kind::rule, group});
      } else if (take(".")) {
        item.push_back(set_symbol(CharSet{{0, largest_scalar}}));
      } else {
        const std::string_view name = word();
        if (name.empty()) return error("neither text nor rule", "\"text\", [class], (group) or a name");
        item.push_back({Kind::rule, rule_of(name)});
      }
      LAMINA_TRY(repetition(item));
      out.insert(out.end(), item.begin(), item.end());
      if (out.size() > limits_.symbols) return too_large();
    }
  }

  [[nodiscard]] Status repetition(Symbols& item) {
    std::uint32_t least = 1, most = 1;
    if (take("*")) {
      least = 0;
      most = UINT32_MAX;
    } else if (take("+")) {
      most = UINT32_MAX;
    } else if (take("?")) {
      least = 0;
    } else if (take("{")) {
      if (!number(least)) return error("repetition has no number", "{2}, {2,} or {2,3}");
      most = least;
      if (take(",") && !number(most)) most = UINT32_MAX;
      if (!take("}")) return error("repetition is not closed", "}");
    } else {
      return Done{};
    }
    if (least > limits_.repeat || (most != UINT32_MAX && most > limits_.repeat) || least > most)
      return Error{ErrorCode::unsupported,  "grammar",
                   "cannot be repeated so", text("0 to %u times", limits_.repeat),
                   "other numbers",         ""};
    const Symbols body = std::move(item);
    item.clear();
    for (std::uint32_t i = 0; i < least; ++i) item.insert(item.end(), body.begin(), body.end());
    if (most == least) return Done{};
    // What may follow, from the inside out: (body (body ...)?)?, or a rule that calls itself.
    const std::uint32_t first = new_rule(true);
    std::uint32_t rule = first;
    for (std::uint32_t i = least; i < most; ++i) {
      Symbols more = body;
      const bool last = most != UINT32_MAX && i + 1 == most;
      const std::uint32_t next = most == UINT32_MAX ? rule : last ? 0 : new_rule(true);
      if (!last) more.push_back({Kind::rule, next});
      add_alternative(rule, more);
      add_alternative(rule, {});
      if (grammar_.symbols.size() > limits_.symbols) return too_large();
      if (most == UINT32_MAX) break;
      rule = next;
    }
    item.push_back({Kind::rule, first});
    return Done{};
  }
  [[nodiscard]] bool number(std::uint32_t& out) {
    const std::size_t begin = at_;
    out = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
      out = std::min(out * 10 + static_cast<std::uint32_t>(text_[at_] - '0'), 100'000U);
    return at_ > begin;
  }

  [[nodiscard]] Grammar::Symbol set_symbol(CharSet set) {
    grammar_.sets.push_back(std::move(set));
    return {Kind::set, static_cast<std::uint32_t>(grammar_.sets.size() - 1)};
  }
  [[nodiscard]] Status literal(Symbols& out) {
    while (!take("\"")) {
      char32_t c = 0;
      LAMINA_TRY(character(c));
      out.push_back(set_symbol(CharSet{{c, c}}));
    }
    // As a whole, so that it can be repeated.
    if (out.size() == 1) return Done{};
    const std::uint32_t rule = new_rule(true);
    add_alternative(rule, out);
    out = {{Kind::rule, rule}};
    return Done{};
  }
  [[nodiscard]] Status char_class(Symbols& out) {
    const bool negated = take("^");
    CharSet set;
    while (!take("]")) {
      char32_t first = 0;
      LAMINA_TRY(character(first));
      char32_t last = first;
      if (text_.substr(at_).starts_with("-") && !text_.substr(at_).starts_with("-]")) {
        ++at_;
        LAMINA_TRY(character(last));
      }
      if (last < first) return error("range is out of order", "a-z");
      set.add(first, last);
    }
    out.push_back(set_symbol(negated ? set.complement() : std::move(set)));
    return Done{};
  }
  [[nodiscard]] Status character(char32_t& out) {
    if (at_ >= text_.size() || text_[at_] == '\n') return error("text is not closed", "its end");
    const Utf8Step step = decode_utf8(text_.substr(at_));
    at_ += step.size;
    out = step.scalar;
    if (out != '\\') return Done{};
    if (at_ >= text_.size()) return error("backslash ends the grammar", "an escape");
    const char c = text_[at_++];
    constexpr std::string_view names = "nrt\\\"]-[^", values = "\n\r\t\\\"]-[^";
    if (const std::size_t i = names.find(c); i != names.npos) {
      out = static_cast<unsigned char>(values[i]);
      return Done{};
    }
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 0;
    if (digits == 0) return error("unknown escape", "\\n \\r \\t \\\\ \\\" \\] \\xHH \\uHHHH");
    out = 0;
    for (std::size_t i = 0; i < digits; ++i, ++at_) {
      const char h = at_ < text_.size() ? text_[at_] : ' ';
      const int digit = h >= '0' && h <= '9'   ? h - '0'
                        : h >= 'a' && h <= 'f' ? h - 'a' + 10
                        : h >= 'A' && h <= 'F' ? h - 'A' + 10
                                               : -1;
      if (digit < 0) return error("no character number", "hexadecimal digits");
      out = out * 16 + static_cast<char32_t>(digit);
    }
    return Done{};
  }

  /// Refuses rules that can reach themselves before any character: they would be expanded for ever.
  [[nodiscard]] Status check_left_recursion() const {
    std::vector<bool> nullable(grammar_.rules.size());
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t r = 0; r < grammar_.rules.size(); ++r) {
        for (const std::uint32_t begin : grammar_.rules[r]) {
          std::uint32_t at = begin;
          while (grammar_.symbols[at].kind == Kind::rule && nullable[grammar_.symbols[at].index]) ++at;
          if (nullable[r] || grammar_.symbols[at].kind != Kind::end) continue;
          nullable[r] = changed = true;
        }
      }
    }
    // Depth first over what each rule may begin with, without recursion of our own.
    std::vector<std::uint8_t> seen(grammar_.rules.size(), 0);
    for (std::uint32_t start = 0; start < grammar_.rules.size(); ++start) {
      std::vector<std::pair<std::uint32_t, bool>> open{{start, false}};
      while (!open.empty()) {
        const auto [rule, done] = open.back();
        open.pop_back();
        if (done) {
          seen[rule] = 2;
          continue;
        }
        if (seen[rule] == 2) continue;
        if (seen[rule] == 1)
          return Error{ErrorCode::unsupported,       "grammar",        "a rule begins with itself",
                       "other rules or texts first", "left recursion", ""};
        seen[rule] = 1;
        open.emplace_back(rule, true);
        for (const std::uint32_t begin : grammar_.rules[rule]) {
          for (std::uint32_t at = begin; grammar_.symbols[at].kind == Kind::rule; ++at) {
            const std::uint32_t next = grammar_.symbols[at].index;
            if (seen[next] != 2) open.emplace_back(next, false);
            if (!nullable[next]) break;
          }
        }
      }
    }
    return Done{};
  }

  std::string_view text_;
  GrammarLimits limits_;
  std::size_t at_ = 0;
  Grammar grammar_;
  std::unordered_map<std::string, std::uint32_t> names_;
  std::vector<bool> defined_;
};

/// A grammar that allows a few texts and nothing else.
[[nodiscard]] inline Grammar choice_grammar(const std::vector<std::string_view>& texts) {
  Grammar grammar;
  grammar.rules.emplace_back();
  for (const std::string_view choice : texts) {
    grammar.rules[0].push_back(static_cast<std::uint32_t>(grammar.symbols.size()));
    for (std::string_view rest = choice; !rest.empty();) {
      const Utf8Step step = decode_utf8(rest);
      rest.remove_prefix(std::max<std::size_t>(step.size, 1));
      grammar.symbols.push_back({Grammar::Kind::set, static_cast<std::uint32_t>(grammar.sets.size())});
      grammar.sets.push_back(CharSet{{step.scalar, step.scalar}});
    }
    grammar.symbols.push_back({Grammar::Kind::end, 0});
  }
  return grammar;
}

}  // namespace lamina::masks
