// SPDX-License-Identifier: Apache-2.0
// Numbers while they come in: JSON's grammar, and whether the rules for the value can still be kept.
// Source: RFC 8259 §6.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <lamina/core/config.hpp>
#include <lamina/masks/numbers/decimal.hpp>
#include <lamina/masks/numbers/number_rule.hpp>
#include <lamina/masks/numbers/number_set.hpp>
#include <lamina/masks/schema/scopes.hpp>
#include <lamina/masks/schema/state.hpp>

namespace lamina::masks {

/// Follows numbers within the limits of a text.
class NumberReader {
 public:
  NumberReader(Scopes& scopes, const JsonTextLimits& limits)
      : scopes_(&scopes), most_(limits.number), plain_(limits.plain) {}

  /// Whether the number goes on by this character; the state is as before if not. Where a model writes
  /// (`JsonTextLimits::plain`), a number that goes on comes to an end.
  [[nodiscard]] bool take(SchemaState& state, char c) {
    Part part = state.part;
    const Scope& scope = *state.scope;
    const Truth* const first = scope.truths;
    const Truth* const last = first + scope.group->atoms.size();
    const bool open = std::find(first, last, Truth::open) != last;
    const Allowed* const allowed = plain_ && open ? allowed_in(scope) : nullptr;
    if (!goes_on(part, c) || (allowed == nullptr && state.size >= most_)) return false;
    if (plain_ && part == Part::e && (allowed == nullptr || allowed->spellings.empty())) return false;
    if (plain_ && !open && state.size + 1 >= most_ && (part == Part::point || part == Part::minus))
      return false;
    if (!open && !scope.hashed) {  // nobody asks what it is
      state.part = part;
      ++state.size;
      return true;
    }
    char* text = scopes_->arena().take<char>(state.size + 1);
    std::copy_n(state.text, state.size, text);
    text[state.size] = c;
    const std::string_view begun(text, state.size + 1);
    if (open && !(allowed != nullptr ? allowed->leads(begun) : viable(scope, begun))) return false;
    state.part = part;
    state.text = text;
    ++state.size;
    return true;
  }

  /// Numbers that begin as the one that comes in, one of each kind that its rules tell apart; empty where
  /// these are too many to be followed, or do not ask what it is.
  [[nodiscard]] std::vector<std::string> examples(const SchemaState& state, std::size_t count) {
    const Allowed* const allowed = plain_ && state.text != nullptr ? allowed_in(*state.scope) : nullptr;
    if (allowed == nullptr) return {};
    const std::string_view begun(state.text, state.size);
    std::vector<std::string> out;
    for (const std::string_view spelling : allowed->spellings) {
      if (out.size() < count && spelling.starts_with(begun)) out.emplace_back(spelling);
    }
    if (begun.find_first_of("eE") != begun.npos) return out;
    for (std::string& number : allowed->set.examples(begun, allowed->most, count - out.size()))
      out.push_back(std::move(number));
    return out;
  }

  /// The value's scope with all atoms decided, and the value's hash; null if the number is not whole.
  [[nodiscard]] Scope* end(const SchemaState& state, std::uint64_t& hash) {
    if (state.part != Part::zero && state.part != Part::whole && state.part != Part::places &&
        state.part != Part::power)
      return nullptr;
    Scope* scope = scopes_->copy(*state.scope);
    if (state.text == nullptr) return scope;
    const std::string_view text(state.text, state.size);
    for (std::size_t i = 0; i < scope->group->atoms.size(); ++i) {
      if (scope->truths[i] != Truth::open) continue;
      scope->truths[i] = scope->group->atoms[i]->number.allows(text) ? Truth::yes : Truth::no;
    }
    if (!scope->hashed) return scope;
    const Decimal value = Decimal::read(text);
    hash = mixed(value.negative ? 3 : 5, static_cast<std::uint64_t>(value.exponent));
    for (const char digit : value.digits) hash = mixed(hash, static_cast<std::uint64_t>(digit));
    return scope;
  }

 private:
  using Part = SchemaState::Part;

  [[nodiscard]] static bool goes_on(Part& part, char c) noexcept {
    const bool digit = c >= '0' && c <= '9';
    switch (part) {
      case Part::plain:
        part = c == '-' ? Part::minus : c == '0' ? Part::zero : Part::whole;
        return true;
      case Part::minus:
        part = c == '0' ? Part::zero : Part::whole;
        return digit;
      case Part::zero:
      case Part::whole:
        if (digit) return part == Part::whole;
        part = c == '.' ? Part::point : Part::e;
        return c == '.' || c == 'e' || c == 'E';
      case Part::point:
        part = Part::places;
        return digit;
      case Part::places:
        if (digit) return true;
        part = Part::e;
        return c == 'e' || c == 'E';
      case Part::e:
        part = digit ? Part::power : Part::sign;
        return digit || c == '+' || c == '-';
      default:
        part = Part::power;
        return digit;
    }
  }

  /// What a value may be where its scope's other rules are decided.
  struct Allowed {
    NumberSet set;
    std::uint32_t most;                       ///< characters
    std::vector<std::string_view> spellings;  ///< of numbers from lists

    [[nodiscard]] bool leads(std::string_view text) const {
      const auto spells = [&](std::string_view spelling) { return spelling.starts_with(text); };
      if (std::any_of(spellings.begin(), spellings.end(), spells)) return true;
      return text.find_first_of("eE") == text.npos && set.may_become(text, most);
    }
  };

  /// Null where the rules are too many to be followed exactly.
  [[nodiscard]] const Allowed* allowed_in(const Scope& scope) {
    constexpr std::size_t most_kept = 256;
    if (const auto known = allowed_.find(scope.hash); known != allowed_.end())
      return known->second ? &*known->second : nullptr;
    if (allowed_.size() >= most_kept) allowed_.clear();
    return (allowed_[scope.hash] = find_allowed(scope)) ? &*allowed_[scope.hash] : nullptr;
  }
  [[nodiscard]] std::optional<Allowed> find_allowed(const Scope& scope) {
    const Group& group = *scope.group;
    std::vector<const NumberRule*> rules;
    std::vector<std::size_t> atoms;
    std::vector<Truth> truths(scope.truths, scope.truths + group.atoms.size());
    for (std::size_t i = 0; i < truths.size(); ++i) {
      if (truths[i] != Truth::open) continue;
      rules.push_back(&group.atoms[i]->number);
      atoms.push_back(i);
    }
    auto set = NumberSet::of(rules, [&](const std::vector<bool>& holds) {
      for (std::size_t i = 0; i < atoms.size(); ++i) truths[atoms[i]] = holds[i] ? Truth::yes : Truth::no;
      return scopes_->viable(&scope, truths.data());
    });
    if (!set) return std::nullopt;
    Allowed allowed{std::move(*set), std::min(most_, NumberSet::most_text), {}};
    // Numbers with more digits than are usual only where there is no other.
    if (!allowed.set.may_become("", allowed.most) && !allowed.set.may_become("-", allowed.most))
      allowed.most = NumberSet::most_text;
    for (const NumberRule* rule : rules) {
      if (!rule->choices) continue;
      for (const NumberChoice& choice : *rule->choices) {
        if (!allowed.set.has(choice.value)) continue;
        allowed.spellings.insert(allowed.spellings.end(), choice.spellings.begin(), choice.spellings.end());
      }
    }
    return allowed;
  }
  [[nodiscard]] bool viable(const Scope& scope, std::string_view text) {
    Arena& arena = scopes_->arena();
    const Arena::Mark mark = arena.mark();
    const Group& group = *scope.group;
    Truth* truths = arena.take<Truth>(group.atoms.size());
    bool dead = false;
    for (std::size_t i = 0; i < group.atoms.size(); ++i) {
      truths[i] = scope.truths[i];
      if (truths[i] != Truth::open || group.atoms[i]->number.may_become(text, plain_)) continue;
      truths[i] = Truth::no;
      dead = true;
    }
    const bool result = !dead || scopes_->viable(&scope, truths);
    arena.reset(mark);
    return result;
  }

  Scopes* scopes_;
  std::uint32_t most_;
  bool plain_;
  std::unordered_map<std::uint64_t, std::optional<Allowed>> allowed_;  ///< by the hash of a scope
};

}  // namespace lamina::masks
