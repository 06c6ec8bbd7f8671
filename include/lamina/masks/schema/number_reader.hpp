// SPDX-License-Identifier: Apache-2.0
// Numbers while they come in: JSON's grammar, and whether the rules for the value can still be kept.
// Source: RFC 8259 §6.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <lamina/core/config.hpp>
#include <lamina/masks/numbers/decimal.hpp>
#include <lamina/masks/schema/scopes.hpp>
#include <lamina/masks/schema/state.hpp>

namespace lamina::masks {

/// Follows numbers within the limits of a text.
class NumberReader {
 public:
  NumberReader(Scopes& scopes, const JsonTextLimits& limits)
      : scopes_(&scopes), most_(limits.number), plain_(limits.plain) {}

  /// Whether the number goes on by this character; the state is as before if not.
  [[nodiscard]] bool take(SchemaState& state, char c) {
    Part part = state.part;
    if (!goes_on(part, c) || state.size >= most_) return false;
    const Scope& scope = *state.scope;
    if (plain_ && part == Part::e && !has_choices(scope)) return false;
    const Truth* const first = scope.truths;
    const Truth* const last = first + scope.group->atoms.size();
    const bool open = std::find(first, last, Truth::open) != last;
    if (!open && !scope.hashed) {  // nobody asks what it is
      state.part = part;
      ++state.size;
      return true;
    }
    char* text = scopes_->arena().take<char>(state.size + 1);
    std::copy_n(state.text, state.size, text);
    text[state.size] = c;
    if (open && !viable(scope, {text, state.size + 1})) return false;
    state.part = part;
    state.text = text;
    ++state.size;
    return true;
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

  [[nodiscard]] static bool has_choices(const Scope& scope) noexcept {
    for (std::size_t i = 0; i < scope.group->atoms.size(); ++i) {
      if (scope.truths[i] == Truth::open && scope.group->atoms[i]->number.choices) return true;
    }
    return false;
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
};

}  // namespace lamina::masks
