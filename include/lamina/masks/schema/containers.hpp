// SPDX-License-Identifier: Apache-2.0
// Objects and arrays while they come in: keys, items and ends.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <lamina/core/config.hpp>
#include <lamina/masks/schema/scopes.hpp>
#include <lamina/masks/schema/strings.hpp>

namespace lamina::masks {

/// How much a name is needed in an object.
enum class NameNeed : std::uint8_t {
  none,
  asked,  ///< by some rule, which may be one that must not hold
  must,
};

/// Follows what rules say of containers.
class ContainerRules {
 public:
  explicit ContainerRules(Scopes& scopes) : scopes_(&scopes) {}

  /// The scope of one more item of an array, with `*array` as it is while the item comes in; null if there
  /// can be none.
  [[nodiscard]] const Scope* begin_item(const Scope& array) {
    Scope* around = scopes_->copy(array);
    scopes_->begin_places(around);
    for (std::uint32_t i = 0; i < array.group->atoms.size(); ++i) {
      if (around->truths[i] != Truth::open) continue;
      const ArrayRule& rule = array.group->atoms[i]->array;
      if (array.count >= rule.most) {
        around->truths[i] = Truth::no;
        continue;
      }
      scopes_->add_place(i, array.count < rule.prefix.size() ? rule.prefix[array.count] : rule.rest);
      if (rule.contains) scopes_->add_place(i, *rule.contains, true);
    }
    return viable_value();
  }

  /// Decides an array's open atoms at its end.
  void end_array(Scope& array) const {
    for (std::size_t i = 0; i < array.group->atoms.size(); ++i) {
      if (array.truths[i] != Truth::open) continue;
      const ArrayRule& rule = array.group->atoms[i]->array;
      const bool contains = !rule.contains || array.contained[i] >= rule.least_contained;
      array.truths[i] = array.count >= rule.least && contains ? Truth::yes : Truth::no;
    }
  }
  /// Decides an object's open atoms at its end.
  void end_object(Scope& object) const {
    for (std::size_t i = 0; i < object.group->atoms.size(); ++i) {
      if (object.truths[i] != Truth::open) continue;
      const ObjectRule& rule = object.group->atoms[i]->object;
      const bool fits = object.count >= rule.least && missing(object, i) == 0;
      object.truths[i] = fits ? Truth::yes : Truth::no;
    }
  }

  /// The object as it is while one more key comes in; null if there can be none.
  [[nodiscard]] const Scope* begin_key(const Scope& object) {
    Scope* around = scopes_->copy(object);
    const Group& group = *object.group;
    for (std::size_t i = 0; i < group.atoms.size(); ++i) {
      if (around->truths[i] != Truth::open) continue;
      const ObjectRule& rule = group.atoms[i]->object;
      const bool full =
          rule.most != no_limit && object.count + std::max<std::size_t>(missing(object, i), 1) > rule.most;
      const bool closed = rule.additional == SchemaGraph::never && rule.patterns.empty() &&
                          !has_name(object, i, {0, static_cast<std::uint32_t>(group.names.size())});
      if (full || closed) around->truths[i] = Truth::no;
    }
    Scopes::finish(around);
    return scopes_->viable(around) ? around : nullptr;
  }

  /// How much each name of the schema is needed.
  [[nodiscard]] std::vector<NameNeed> needs(const Scope& object) {
    const Group& group = *object.group;
    std::vector<NameNeed> needs(group.names.size(), NameNeed::none);
    for (std::size_t i = 0; i < group.atoms.size(); ++i) {
      if (object.truths[i] != Truth::open || group.atoms[i]->object.required.empty()) continue;
      const NameNeed need = scopes_->must_hold(object, i) ? NameNeed::must : NameNeed::asked;
      for (std::size_t n = 0; n < needs.size(); ++n) {
        const std::uint64_t required = group.required[i * group.name_words + n / 64] >> (n % 64);
        if ((required & 1) != 0) needs[n] = std::max(needs[n], need);
      }
    }
    return needs;
  }

  /// States of a key's checks at its beginning: the range of names, then the patterns.
  [[nodiscard]] std::uint32_t* begin_words(const Scope& object) {
    const Group& group = *object.group;
    auto* words = scopes_->arena().take<std::uint32_t>(2 + group.key_patterns.size());
    words[0] = 0;
    words[1] = static_cast<std::uint32_t>(group.names.size());
    for (std::size_t i = 0; i < group.key_patterns.size(); ++i)
      words[2 + i] = scopes_->dfa(group.key_patterns[i]).start();
    return words;
  }
  [[nodiscard]] static std::size_t count_words(const Scope& object) noexcept {
    return 2 + object.group->key_patterns.size();
  }

  void step(const Scope& object, const StringProgress& before, char byte, std::uint32_t* words) {
    const Group& group = *object.group;
    TextRange range{words[0], words[1]};
    if (range.first < range.last) range.narrow(group.names, before.bytes, byte);
    words[0] = range.first;
    words[1] = range.last;
    for (std::size_t i = 0; i < group.key_patterns.size(); ++i)
      words[2 + i] = scopes_->dfa(group.key_patterns[i]).step(words[2 + i], static_cast<std::uint8_t>(byte));
  }

  /// Whether any key that begins like this can be valid. `more`: at least one character must follow.
  [[nodiscard]] bool viable_key(const Scope& object, const StringProgress& now, bool more) {
    const Group& group = *object.group;
    if (!group.has_closed) return true;
    Arena& arena = scopes_->arena();
    const Arena::Mark mark = arena.mark();
    Truth* truths = nullptr;
    TextRange range{now.words[0], now.words[1]};
    if (more && range.is_whole(group.names, now.bytes)) ++range.first;
    for (std::size_t i = 0; i < group.atoms.size(); ++i) {
      if (object.truths[i] != Truth::open || group.atoms[i]->object.additional != SchemaGraph::never)
        continue;
      if (has_name(object, i, range) || matches_later(group, i, now.words)) continue;
      if (truths == nullptr) {
        truths = arena.take<Truth>(group.atoms.size());
        std::copy_n(object.truths, group.atoms.size(), truths);
      }
      truths[i] = Truth::no;
    }
    const bool result = truths == nullptr || scopes_->viable(&object, truths);
    arena.reset(mark);
    return result;
  }

  /// How a key may go on.
  [[nodiscard]] StringBody body(const Scope& object, const StringProgress& now) {
    const Group& group = *object.group;
    std::vector<std::uint32_t> closed;
    std::vector<Truth> truths(object.truths, object.truths + group.atoms.size());
    for (std::uint32_t i = 0; i < group.atoms.size(); ++i) {
      if (object.truths[i] != Truth::open || group.atoms[i]->object.additional != SchemaGraph::never)
        continue;
      closed.push_back(i);
      truths[i] = Truth::no;
    }
    if (scopes_->viable(&object, truths.data())) return {StringBody::Kind::any_text};
    if (closed.size() != 1) return {StringBody::Kind::checked};
    const std::uint32_t atom = closed.front();
    StringBody body{StringBody::Kind::limited};
    for (const auto& [pattern, child] : group.atoms[atom]->object.patterns) {
      if (child == SchemaGraph::never) continue;
      const auto way = static_cast<std::uint32_t>(body.limits.size());
      body.limits.push_back({way, no_limit, &scopes_->dfa(pattern), word_of(group, pattern, now.words)});
    }
    TextLimit names{static_cast<std::uint32_t>(body.limits.size()), no_limit, nullptr, 0, true};
    for (std::uint32_t i = now.words[0]; i < now.words[1]; ++i) {
      if (has_name(object, atom, {i, i + 1})) names.texts.push_back(group.names[i].substr(now.bytes));
    }
    body.limits.push_back(std::move(names));
    return body;
  }

  /// The scope of the value behind a key that ended; null if the key cannot be valid here. `names` is the
  /// key itself as a value, where `propertyNames` say something of it.
  [[nodiscard]] const Scope* end_key(const Scope& object, const StringProgress& now, const Scope* names) {
    const Group& group = *object.group;
    const TextRange range{now.words[0], now.words[1]};
    const bool named = range.is_whole(group.names, now.bytes);
    Scope* around = names == nullptr ? scopes_->copy(object) : after_names(*names);
    if (around == nullptr) return nullptr;
    if (named) {
      std::uint64_t& word = around->used[range.first / 64];
      const std::uint64_t bit = std::uint64_t{1} << (range.first % 64);
      if ((word & bit) != 0) return nullptr;
      word |= bit;
    } else {
      if (Seen::holds(object.seen, now.hash)) return nullptr;
      around->seen = scopes_->add_seen(object.seen, now.hash);
    }
    around->count = std::min(object.count + 1, group.count_cap);
    scopes_->begin_places(around);
    for (std::uint32_t i = 0; i < group.atoms.size(); ++i) {
      if (around->truths[i] != Truth::open) continue;
      const ObjectRule& rule = group.atoms[i]->object;
      bool known = false;
      if (named) {
        const NodeId child = group.children[i * group.names.size() + range.first];
        known = child != Group::unnamed;
        if (known) scopes_->add_place(i, child);
      }
      for (const auto& [pattern, child] : rule.patterns) {
        if (!scopes_->dfa(pattern).accepts(word_of(group, pattern, now.words))) continue;
        known = true;
        scopes_->add_place(i, child);
      }
      if (!known) scopes_->add_place(i, rule.additional);
      if (around->truths[i] == Truth::open && rule.only_required() && missing(*around, i) == 0)
        around->truths[i] = Truth::yes;
    }
    return viable_value(now.hash);
  }

  /// The key as a value of its own, for `propertyNames`; null if it can never be valid.
  [[nodiscard]] const Scope* begin_names(const Scope& object) {
    Scope* around = scopes_->copy(object);
    scopes_->begin_places(around);
    for (std::uint32_t i = 0; i < object.group->atoms.size(); ++i) {
      if (around->truths[i] == Truth::open) scopes_->add_place(i, object.group->atoms[i]->object.names);
    }
    Scope* names = scopes_->take_places();
    Scopes::finish(names);
    Scope* typed = scopes_->typed(names, JsonTypes::string);
    if (typed != nullptr) Scopes::finish(typed);
    return typed;
  }

 private:
  /// The object after a key that was checked as a value; null if the key is not valid.
  [[nodiscard]] Scope* after_names(const Scope& names) {
    const Group& group = *names.group;
    Scope* around = scopes_->copy(*names.parent);
    Truth* gates = scopes_->arena().take<Truth>(group.gates.size());
    group.answer(names.truths, gates);
    for (std::uint32_t i = 0; i < names.binding_count; ++i) {
      if (gates[group.roots[names.bindings[i].root]] != Truth::yes)
        around->truths[names.bindings[i].atom] = Truth::no;
    }
    return scopes_->viable(around) ? around : nullptr;
  }

  [[nodiscard]] const Scope* viable_value(std::uint64_t key_hash = 0) {
    Scope* value = scopes_->take_places();
    value->key_hash = key_hash;
    Scopes::finish(value);
    return scopes_->viable(value->parent) && scopes_->viable(value) ? value : nullptr;
  }

  /// Required names that were not there.
  [[nodiscard]] static std::size_t missing(const Scope& object, std::size_t atom) noexcept {
    const Group& group = *object.group;
    std::size_t count = 0;
    for (std::size_t w = 0; w < group.name_words; ++w)
      count += static_cast<std::size_t>(
          std::popcount(group.required[atom * group.name_words + w] & ~object.used[w]));
    return count;
  }
  /// Whether a range holds a name that an atom allows and that was not there.
  [[nodiscard]] static bool has_name(const Scope& object, std::size_t atom, TextRange range) noexcept {
    const Group& group = *object.group;
    const std::uint64_t* allowed = group.allowed.data() + atom * group.name_words;
    for (std::uint32_t i = range.first; i < range.last;) {
      const std::uint64_t left = (allowed[i / 64] & ~object.used[i / 64]) >> (i % 64);
      const std::uint32_t next =
          left == 0 ? (i / 64 + 1) * 64 : i + static_cast<std::uint32_t>(std::countr_zero(left));
      if (left != 0) return next < range.last;
      i = next;
    }
    return false;
  }
  [[nodiscard]] static std::uint32_t word_of(const Group& group, std::uint32_t pattern,
                                             const std::uint32_t* words) noexcept {
    const auto at = std::lower_bound(group.key_patterns.begin(), group.key_patterns.end(), pattern);
    return words[2 + (at - group.key_patterns.begin())];
  }
  [[nodiscard]] static bool matches_later(const Group& group, std::size_t atom,
                                          const std::uint32_t* words) noexcept {
    const auto& patterns = group.atoms[atom]->object.patterns;
    return std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) {
      return pattern.second != SchemaGraph::never && word_of(group, pattern.first, words) != Dfa::dead;
    });
  }

  Scopes* scopes_;
};

}  // namespace lamina::masks
