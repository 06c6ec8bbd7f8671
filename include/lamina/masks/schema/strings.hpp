// SPDX-License-Identifier: Apache-2.0
// Strings and keys while they come in: which checks of their rules are still open, and what they say at the
// end.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/config.hpp>
#include <lamina/masks/schema/scopes.hpp>
#include <lamina/masks/string_body.hpp>

namespace lamina::masks {

/// A range of sorted texts that begin with what came so far.
struct TextRange {
  std::uint32_t first;
  std::uint32_t last;

  /// Goes on by the byte at place `at`.
  template <class Texts>
  void narrow(const Texts& texts, std::size_t at, char byte) noexcept {
    const auto byte_of = [&](std::uint32_t i) {
      return at < texts[i].size() ? static_cast<int>(static_cast<unsigned char>(texts[i][at])) : -1;
    };
    const int wanted = static_cast<unsigned char>(byte);
    // Most ranges are short; long ones are halved.
    std::uint32_t low = first, high = last;
    while (low < high) {
      const std::uint32_t middle = low + (high - low) / 2;
      if (byte_of(middle) < wanted) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    first = low;
    for (high = last; low < high;) {
      const std::uint32_t middle = low + (high - low) / 2;
      if (byte_of(middle) <= wanted) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    last = low;
  }
  /// Whether the first text ends at `size` bytes, and so is what came.
  template <class Texts>
  [[nodiscard]] bool is_whole(const Texts& texts, std::size_t size) const noexcept {
    return first < last && texts[first].size() == size;
  }
};

/// How far a string or key has come.
struct StringProgress {
  std::uint32_t bytes = 0;
  std::uint32_t characters = 0;
  std::uint64_t hash = 0;
  std::uint32_t* words = nullptr;  ///< states of the checks; null where there is nothing to check
};

/// Follows the checks of values that are strings.
class StringRules {
 public:
  explicit StringRules(Scopes& scopes) : scopes_(&scopes) {}

  /// States at the beginning; null if no check is open.
  [[nodiscard]] std::uint32_t* begin(const Scope& scope) {
    const Group& group = *scope.group;
    const bool open = std::any_of(group.checks.begin(), group.checks.end(),
                                  [&](const auto& check) { return scope.truths[check.atom] == Truth::open; });
    if (!open) return nullptr;
    auto* words = scopes_->arena().take<std::uint32_t>(std::max(group.words, 1U));
    words[0] = 0;
    for (const Group::StringCheck& check : group.checks) {
      using Kind = Group::StringCheck::Kind;
      if (check.kind == Kind::pattern) words[check.word] = scopes_->dfa(check.pattern).start();
      if (check.kind == Kind::choices) {
        words[check.word] = 0;
        words[check.word + 1] = static_cast<std::uint32_t>(group.atoms[check.atom]->string.choices->size());
      }
    }
    return words;
  }

  /// Takes a byte of the content. `words` are the caller's own copy.
  void step(const Scope& scope, const StringProgress& before, char byte, std::uint32_t* words) {
    const Group& group = *scope.group;
    for (const Group::StringCheck& check : group.checks) {
      using Kind = Group::StringCheck::Kind;
      if (scope.truths[check.atom] != Truth::open) continue;
      if (check.kind == Kind::pattern) {
        words[check.word] =
            scopes_->dfa(check.pattern).step(words[check.word], static_cast<std::uint8_t>(byte));
      } else if (check.kind == Kind::choices) {
        TextRange range{words[check.word], words[check.word + 1]};
        range.narrow(*group.atoms[check.atom]->string.choices, before.bytes, byte);
        words[check.word] = range.first;
        words[check.word + 1] = range.last;
      }
    }
  }

  /// Whether an open atom cannot hold any more: `more` says that another character must follow.
  [[nodiscard]] bool is_dead(const Scope& scope, const StringProgress& now, std::size_t atom,
                             bool more) const {
    const StringRule& rule = scope.group->atoms[atom]->string;
    std::uint32_t wanted = more ? 1 : 0;
    for (const Group::StringCheck& check : scope.group->checks) {
      using Kind = Group::StringCheck::Kind;
      if (check.atom != atom) continue;
      if (check.kind == Kind::pattern) {
        Dfa& dfa = scopes_->dfa(check.pattern);
        const std::uint32_t state = now.words[check.word];
        if (state == Dfa::dead || (more && state != Dfa::everything && !dfa.goes_on(state))) return true;
        wanted = std::max(wanted, dfa.distance(state));
      } else if (check.kind == Kind::choices) {
        const TextRange range{now.words[check.word], now.words[check.word + 1]};
        if (range.first >= range.last) return true;
        if (more && range.last - range.first == 1 && range.is_whole(*rule.choices, now.bytes)) return true;
      }
    }
    return rule.most != no_limit && std::uint64_t{now.characters} + wanted > rule.most;
  }

  /// Whether the document can still be valid.
  [[nodiscard]] bool viable(const Scope& scope, const StringProgress& now, bool more) {
    const Group& group = *scope.group;
    bool any = false;
    Arena& arena = scopes_->arena();
    const Arena::Mark mark = arena.mark();
    Truth* truths = nullptr;
    for (std::size_t i = 0; i < group.atoms.size(); ++i) {
      if (scope.truths[i] != Truth::open || !is_dead(scope, now, i, more)) continue;
      if (!any) {
        truths = arena.take<Truth>(group.atoms.size());
        std::copy_n(scope.truths, group.atoms.size(), truths);
        any = true;
      }
      truths[i] = Truth::no;
    }
    const bool result = !any || scopes_->viable(&scope, truths);
    arena.reset(mark);
    return result;
  }

  /// How the string may go on: exact where all open atoms must hold, or each of them suffices.
  [[nodiscard]] StringBody body(const Scope& scope, const StringProgress& now) {
    const Group& group = *scope.group;
    std::vector<std::uint32_t> open;
    for (std::uint32_t i = 0; i < group.atoms.size(); ++i) {
      if (scope.truths[i] == Truth::open) open.push_back(i);
    }
    std::vector<Truth> truths(scope.truths, scope.truths + group.atoms.size());
    const auto viable_with = [&](std::uint32_t atom, Truth it, Truth others) {
      for (const std::uint32_t i : open) truths[i] = i == atom ? it : others;
      return scopes_->viable(&scope, truths.data());
    };
    if (viable_with(0, Truth::no, Truth::no)) return {StringBody::Kind::any_text};
    bool all_needed = true, one_suffices = true;
    for (const std::uint32_t i : open) {
      all_needed = all_needed && !viable_with(i, Truth::no, Truth::open);
      one_suffices = one_suffices && viable_with(i, Truth::open, Truth::no);
    }
    if (!all_needed && !one_suffices) return {StringBody::Kind::checked};
    StringBody body{StringBody::Kind::limited};
    std::uint32_t way = 0;
    for (const std::uint32_t i : open) {
      add_limits(body, group, now, i, way);
      if (!all_needed) ++way;
    }
    return body;
  }

  /// Decides all open atoms at the string's end.
  void end(Scope& scope, const StringProgress& now) {
    const Group& group = *scope.group;
    for (std::size_t i = 0; i < group.atoms.size(); ++i) {
      if (scope.truths[i] == Truth::open) scope.truths[i] = fits(group, now, i) ? Truth::yes : Truth::no;
    }
  }

 private:
  /// What one atom demands of the rest; an atom without limits allows everything.
  void add_limits(StringBody& body, const Group& group, const StringProgress& now, std::uint32_t atom,
                  std::uint32_t way) {
    const StringRule& rule = group.atoms[atom]->string;
    const std::uint32_t room =
        rule.most == no_limit ? no_limit : rule.most - std::min(rule.most, now.characters);
    const std::size_t before = body.limits.size();
    for (const Group::StringCheck& check : group.checks) {
      using Kind = Group::StringCheck::Kind;
      if (check.atom != atom) continue;
      if (check.kind == Kind::pattern) {
        body.limits.push_back({way, room, &scopes_->dfa(check.pattern), now.words[check.word]});
      } else if (check.kind == Kind::choices) {
        TextLimit list{way, room, nullptr, 0, true};
        for (std::uint32_t i = now.words[check.word]; i < now.words[check.word + 1]; ++i)
          list.texts.push_back(std::string_view((*rule.choices)[i]).substr(now.bytes));
        body.limits.push_back(std::move(list));
      }
    }
    if (body.limits.size() == before) body.limits.push_back({way, room});
  }

  [[nodiscard]] bool fits(const Group& group, const StringProgress& now, std::size_t atom) {
    const StringRule& rule = group.atoms[atom]->string;
    if (now.characters < rule.least || now.characters > rule.most) return false;
    for (const Group::StringCheck& check : group.checks) {
      using Kind = Group::StringCheck::Kind;
      if (check.atom != atom) continue;
      if (check.kind == Kind::pattern && !scopes_->dfa(check.pattern).accepts(now.words[check.word]))
        return false;
      if (check.kind == Kind::choices) {
        const TextRange range{now.words[check.word], now.words[check.word + 1]};
        if (!range.is_whole(*rule.choices, now.bytes)) return false;
      }
    }
    return true;
  }

  Scopes* scopes_;
};

}  // namespace lamina::masks
