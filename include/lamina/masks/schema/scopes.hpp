// SPDX-License-Identifier: Apache-2.0
// The values that are open while JSON comes in: what is known of the rules for each, and whether the whole
// can still become valid.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <lamina/core/config.hpp>
#include <lamina/masks/arena.hpp>
#include <lamina/masks/regex/dfa.hpp>
#include <lamina/masks/graph/graph.hpp>
#include <lamina/masks/graph/group.hpp>

namespace lamina::masks {

/// Hashes of keys or items that were there already.
struct Seen {
  std::uint64_t hash;
  std::uint64_t all;  ///< of this and those before, in any order
  const Seen* before;

  [[nodiscard]] static bool holds(const Seen* list, std::uint64_t wanted) noexcept {
    for (; list != nullptr; list = list->before) {
      if (list->hash == wanted) return true;
    }
    return false;
  }
};

/// What a place of a value means for an atom of the value around it.
struct Binding {
  std::uint32_t atom;
  std::uint32_t root;
  bool counts;  ///< the value is counted if it fits (`contains`); else the atom fails if it does not
};

/// One value, never changed once others point to it.
struct Scope {
  const Scope* parent;  ///< the container around it
  const Group* group;
  const Binding* bindings;
  std::uint32_t binding_count;
  std::uint32_t count;     ///< items or keys, up to the group's `count_cap`
  const Seen* seen;        ///< keys without a name in the group, or items that must differ
  std::uint64_t key_hash;  ///< of the key in front of the value
  std::uint64_t content;   ///< hash of what came, where `hashed`
  std::uint64_t hash;      ///< of all that matters of this and what is around it
  std::uint64_t shape;     ///< as `hash`, but for the values that must differ and their keys
  bool is_object;
  bool hashed;               ///< some array around it wants unlike items
  Truth* truths;             ///< [atoms]
  std::uint32_t* contained;  ///< [atoms] items that `contains` counted
  std::uint64_t* used;       ///< [name_words] names that were there

  [[nodiscard]] std::uint64_t hash_of(bool alike) const noexcept { return alike ? shape : hash; }
};

/// Makes scopes and follows what their ends mean.
class Scopes {
 public:
  explicit Scopes(const SchemaGraph& graph) : graph_(&graph), groups_(graph), dfas_(graph.patterns.size()) {}

  [[nodiscard]] Arena& arena() noexcept { return arena_; }
  [[nodiscard]] Groups& groups() noexcept { return groups_; }
  [[nodiscard]] Dfa& dfa(std::uint32_t pattern) {
    std::unique_ptr<Dfa>& dfa = dfas_[pattern];
    if (!dfa) dfa = std::make_unique<Dfa>(graph_->patterns[pattern], RegexUse::search);
    return *dfa;
  }
  [[nodiscard]] bool failed() const noexcept {
    return std::any_of(dfas_.begin(), dfas_.end(), [](const auto& dfa) { return dfa && dfa->failed(); });
  }

  /// The scope of the document.
  [[nodiscard]] const Scope* root() {
    places_.assign(1, graph_->root);
    return finish(make(nullptr, groups_.of(places_), {}));
  }

  /// The scope of a document to which all places of a group apply.
  [[nodiscard]] const Scope* lone(const Group& group) { return finish(make(nullptr, group, {})); }

  /// A copy that may be changed until `finish`.
  [[nodiscard]] Scope* copy(const Scope& from) {
    Scope* scope = allocate(*from.group);
    Truth* truths = scope->truths;
    std::uint32_t* contained = scope->contained;
    std::uint64_t* used = scope->used;
    *scope = from;
    scope->truths = truths;
    scope->contained = contained;
    scope->used = used;
    std::copy_n(from.truths, from.group->atoms.size(), truths);
    std::copy_n(from.contained, from.group->atoms.size(), contained);
    std::copy_n(from.used, from.group->name_words, used);
    return scope;
  }
  /// Ends the changes of a scope.
  static const Scope* finish(Scope* scope) noexcept {
    const Group& group = *scope->group;
    std::uint64_t hash = mixed(scope->parent == nullptr ? 0 : scope->parent->shape, group.id);
    hash = mixed(
        hash, (std::uint64_t{scope->count} << 2) | (scope->is_object ? 2U : 0U) | (scope->hashed ? 1U : 0U));
    for (std::size_t i = 0; i < group.atoms.size(); ++i)
      hash = mixed(hash,
                   (std::uint64_t{scope->contained[i]} << 2) | static_cast<std::uint64_t>(scope->truths[i]));
    for (std::size_t i = 0; i < group.name_words; ++i) hash = mixed(hash, scope->used[i]);
    for (std::uint32_t i = 0; i < scope->binding_count; ++i)
      hash = mixed(mixed(hash, scope->bindings[i].root),
                   scope->bindings[i].atom * 2 + (scope->bindings[i].counts ? 1U : 0U));
    scope->shape = hash;
    if (scope->parent != nullptr) hash = mixed(hash, scope->parent->hash);
    if (scope->seen != nullptr) hash = mixed(hash, scope->seen->all);
    if (scope->hashed) hash = mixed(mixed(hash, scope->content), scope->key_hash);
    scope->hash = hash;
    return scope;
  }

  /// Whether the document can still be valid if a scope's atoms have these answers.
  [[nodiscard]] bool viable(const Scope* scope, const Truth* truths) {
    if (scope->group->roots.empty()) return true;
    const Arena::Mark mark = arena_.mark();
    bool result = true;
    for (;;) {
      const Group& group = *scope->group;
      Truth* gates = arena_.take<Truth>(group.gates.size());
      group.answer(truths, gates);
      const bool fails = std::any_of(group.roots.begin(), group.roots.end(),
                                     [&](std::uint32_t root) { return gates[root] == Truth::no; });
      if (!fails) break;
      if (scope->parent == nullptr) {
        result = false;
        break;
      }
      Truth* around = arena_.take<Truth>(scope->parent->group->atoms.size());
      std::copy_n(scope->parent->truths, scope->parent->group->atoms.size(), around);
      bool changed = false;
      for (std::uint32_t i = 0; i < scope->binding_count; ++i) {
        const Binding& binding = scope->bindings[i];
        if (binding.counts || gates[group.roots[binding.root]] != Truth::no ||
            around[binding.atom] == Truth::no)
          continue;
        around[binding.atom] = Truth::no;
        changed = true;
      }
      if (!changed) break;
      scope = scope->parent;
      truths = around;
    }
    arena_.reset(mark);
    return result;
  }
  [[nodiscard]] bool viable(const Scope* scope) { return viable(scope, scope->truths); }

  /// Begins to collect the places that apply to a value inside `parent`.
  void begin_places(Scope* parent) {
    parent_ = parent;
    bindings_.clear();
  }
  /// A place for the value, wanted by an atom of the parent.
  void add_place(std::uint32_t atom, NodeId place, bool counts = false) {
    if (place == SchemaGraph::always && !counts) return;
    if (place == SchemaGraph::never && !counts) {
      parent_->truths[atom] = Truth::no;
      return;
    }
    bindings_.push_back({atom, place, counts});
  }
  /// The scope of the value; finishes the parent.
  [[nodiscard]] Scope* take_places() {
    places_.clear();
    for (const Binding& binding : bindings_) places_.push_back(binding.root);
    std::sort(places_.begin(), places_.end());
    places_.erase(std::unique(places_.begin(), places_.end()), places_.end());
    for (Binding& binding : bindings_)
      binding.root = static_cast<std::uint32_t>(
          std::lower_bound(places_.begin(), places_.end(), binding.root) - places_.begin());
    finish(parent_);
    return make(parent_, groups_.of(places_), bindings_);
  }

  /// A value whose first byte says that it is one of `types`; null if none of these can be valid here.
  [[nodiscard]] Scope* typed(const Scope* scope, std::uint8_t types) {
    Scope* out = copy(*scope);
    const Group& group = *scope->group;
    for (std::size_t i = 0; i < group.atoms.size(); ++i) {
      if (out->truths[i] != Truth::open) continue;
      const SchemaAtom& atom = *group.atoms[i];
      if ((atom.types & types) == 0) {
        out->truths[i] = Truth::no;
      } else if (says_nothing(atom, types)) {
        out->truths[i] = Truth::yes;
      }
    }
    return viable(out) ? out : nullptr;
  }

  /// The container around a value that ended, all of whose atoms are decided; null if that cannot be valid.
  /// `hash` is that of the value.
  [[nodiscard]] const Scope* end_value(const Scope* scope, std::uint64_t hash) {
    const Group& group = *scope->group;
    Scope* parent = copy(*scope->parent);
    const Arena::Mark mark = arena_.mark();
    Truth* gates = arena_.take<Truth>(group.gates.size());
    group.answer(scope->truths, gates);
    for (std::uint32_t i = 0; i < scope->binding_count; ++i) {
      const Binding& binding = scope->bindings[i];
      const bool fits = gates[group.roots[binding.root]] == Truth::yes;
      if (!binding.counts) {
        if (!fits) parent->truths[binding.atom] = Truth::no;
      } else if (fits) {
        const ArrayRule& rule = parent->group->atoms[binding.atom]->array;
        std::uint32_t& count = parent->contained[binding.atom];
        if (count >= rule.most_contained && parent->truths[binding.atom] == Truth::open)
          parent->truths[binding.atom] = Truth::no;
        if (count < rule.least_contained || count < rule.most_contained) ++count;
        if (rule.most_contained == no_limit) count = std::min(count, rule.least_contained);
      }
    }
    arena_.reset(mark);
    if (!parent->is_object) {
      if (parent->group->has_unique) check_unique(*parent, hash);
      parent->count = std::min(parent->count + 1, parent->group->count_cap);
      if (parent->hashed) parent->content = mixed(parent->content, hash);
    } else if (parent->hashed) {
      parent->content += mixed(scope->key_hash, hash);  // in any order
    }
    finish(parent);
    return viable(parent) ? parent : nullptr;
  }

  /// A list with one more hash.
  [[nodiscard]] const Seen* add_seen(const Seen* before, std::uint64_t hash) {
    Seen* seen = arena_.take<Seen>(1);
    // That of an empty key is 0.
    *seen = {hash, (hash + 1) * 0x9E37'79B9'7F4A'7C15 + (before == nullptr ? 0 : before->all), before};
    return seen;
  }

  /// Whether a value can only be valid as one for which an atom holds.
  [[nodiscard]] bool must_hold(const Scope& scope, std::size_t atom) {
    const std::size_t count = scope.group->atoms.size();
    const Arena::Mark mark = arena_.mark();
    Truth* const truths = arena_.take<Truth>(count);
    std::copy_n(scope.truths, count, truths);
    truths[atom] = Truth::no;
    const bool must = !viable(&scope, truths);
    arena_.reset(mark);
    return must;
  }

  /// Whether an atom allows all values of a type that it allows at all.
  [[nodiscard]] static bool says_nothing(const SchemaAtom& atom, std::uint8_t types) noexcept {
    if ((types & JsonTypes::number) != 0)
      return atom.number.is_empty() && (atom.types & JsonTypes::number) == JsonTypes::number;
    if (types == JsonTypes::string) return atom.string.is_empty();
    if (types == JsonTypes::array) return atom.array.is_empty();
    if (types == JsonTypes::object) return atom.object.is_empty();
    return true;
  }

  /// Whether a document whose atoms are all decided is valid.
  [[nodiscard]] bool document_fits(const Scope* scope) {
    const Arena::Mark mark = arena_.mark();
    Truth* gates = arena_.take<Truth>(scope->group->gates.size());
    scope->group->answer(scope->truths, gates);
    const bool fits = std::all_of(scope->group->roots.begin(), scope->group->roots.end(),
                                  [&](std::uint32_t root) { return gates[root] == Truth::yes; });
    arena_.reset(mark);
    return fits;
  }

 private:
  [[nodiscard]] Scope* allocate(const Group& group) {
    Scope* scope = arena_.take<Scope>(1);
    scope->truths = arena_.take<Truth>(group.atoms.size());
    scope->contained = arena_.take<std::uint32_t>(group.atoms.size());
    scope->used = arena_.take<std::uint64_t>(group.name_words);
    return scope;
  }
  [[nodiscard]] Scope* make(const Scope* parent, const Group& group, std::span<const Binding> bindings) {
    Scope* scope = allocate(group);
    Binding* kept = arena_.take<Binding>(bindings.size());
    std::copy(bindings.begin(), bindings.end(), kept);
    const bool hashed = parent != nullptr && (parent->hashed || parent->group->has_unique);
    *scope = {parent,
              &group,
              kept,
              static_cast<std::uint32_t>(bindings.size()),
              0,
              nullptr,
              0,
              0,
              0,
              0,
              false,
              hashed,
              scope->truths,
              scope->contained,
              scope->used};
    std::fill_n(scope->truths, group.atoms.size(), Truth::open);
    std::fill_n(scope->contained, group.atoms.size(), 0U);
    std::fill_n(scope->used, group.name_words, std::uint64_t{0});
    return scope;
  }

  void check_unique(Scope& array, std::uint64_t hash) {
    if (!Seen::holds(array.seen, hash)) {
      array.seen = add_seen(array.seen, hash);
      return;
    }
    for (std::size_t i = 0; i < array.group->atoms.size(); ++i) {
      if (array.group->atoms[i]->array.unique && array.truths[i] == Truth::open) array.truths[i] = Truth::no;
    }
  }

  const SchemaGraph* graph_;
  Groups groups_;
  std::vector<std::unique_ptr<Dfa>> dfas_;
  Arena arena_;
  std::vector<NodeId> places_;
  std::vector<Binding> bindings_;
  Scope* parent_ = nullptr;
};

}  // namespace lamina::masks
