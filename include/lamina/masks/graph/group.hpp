// SPDX-License-Identifier: Apache-2.0
// All that is said of one value: the places of a schema that apply to it, and how their answers combine.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <lamina/core/config.hpp>
#include <lamina/masks/arena.hpp>
#include <lamina/masks/graph/graph.hpp>

namespace lamina::masks {

/// What is known of a rule while a value comes in.
enum class Truth : std::uint8_t { open, yes, no };

/// The rules for one value. Made once for each set of places.
struct Group {
  /// A combination of answers.
  struct Gate {
    SchemaNode::Kind kind;
    std::uint32_t first;  ///< of an atom: which; else where its parts begin in `links`
    std::uint32_t count;
  };
  /// One thing to watch while a string comes in.
  struct StringCheck {
    enum class Kind : std::uint8_t { pattern, choices, length };
    std::uint32_t atom;
    Kind kind;
    std::uint32_t pattern;  ///< of `SchemaGraph::patterns`
    std::uint32_t word;     ///< where its state lies
  };
  static constexpr NodeId unnamed = UINT32_MAX;

  std::uint32_t id = 0;
  std::vector<const SchemaAtom*> atoms;
  std::vector<Gate> gates;
  std::vector<std::uint32_t> links;
  std::vector<std::uint32_t> roots;  ///< gates that answer for the places

  std::vector<StringCheck> checks;
  std::uint32_t words = 0;  ///< states of `checks`

  std::vector<std::string_view> names;      ///< of properties, ascending
  std::size_t name_words = 0;               ///< words of a bit for each name
  std::vector<NodeId> children;             ///< [atoms, names], or `unnamed`
  std::vector<std::uint64_t> required;      ///< [atoms, name_words]
  std::vector<std::uint64_t> allowed;       ///< [atoms, name_words] names whose value may be something
  std::vector<std::uint32_t> key_patterns;  ///< of `SchemaGraph::patterns`
  bool has_closed = false;                  ///< some atom allows no other names
  bool has_name_rules = false;              ///< some atom has `propertyNames`
  bool has_unique = false;
  std::uint32_t count_cap = 0;  ///< no rule tells greater counts apart

  /// Answers all gates. Shapes: truths [atoms], out [gates].
  void answer(const Truth* truths, Truth* out) const noexcept {
    for (std::size_t i = 0; i < gates.size(); ++i) out[i] = answer_of(gates[i], truths, out);
  }

 private:
  /// Parts come before what they are parts of.
  [[nodiscard]] Truth answer_of(const Gate& gate, const Truth* truths, const Truth* known) const noexcept {
    using Kind = SchemaNode::Kind;
    switch (gate.kind) {
      case Kind::always:
        return Truth::yes;
      case Kind::never:
        return Truth::no;
      case Kind::atom:
        return truths[gate.first];
      case Kind::inverse: {
        const Truth inner = known[links[gate.first]];
        return inner == Truth::open ? inner : inner == Truth::yes ? Truth::no : Truth::yes;
      }
      case Kind::all:
      case Kind::any:
      case Kind::one:
        break;
    }
    std::size_t yes = 0, no = 0;
    for (std::uint32_t i = 0; i < gate.count; ++i) {
      const Truth part = known[links[gate.first + i]];
      yes += part == Truth::yes ? 1U : 0U;
      no += part == Truth::no ? 1U : 0U;
    }
    const bool decided = yes + no == gate.count;
    if (gate.kind == Kind::all) return no > 0 ? Truth::no : decided ? Truth::yes : Truth::open;
    if (gate.kind == Kind::any) return yes > 0 ? Truth::yes : decided ? Truth::no : Truth::open;
    return yes > 1 ? Truth::no : !decided ? Truth::open : yes == 1 ? Truth::yes : Truth::no;
  }
};

/// Makes groups, each set of places once.
class Groups {
 public:
  explicit Groups(const SchemaGraph& graph) : graph_(&graph) {}

  /// The group of places, ascending.
  [[nodiscard]] const Group& of(std::span<const NodeId> places) {
    std::uint64_t hash = places.size();
    for (const NodeId place : places) hash = mixed(hash, place);
    const auto [first, last] = index_.equal_range(hash);
    for (auto it = first; it != last; ++it) {
      if (std::equal(places.begin(), places.end(), it->second->places.begin(), it->second->places.end()))
        return it->second->group;
    }
    auto made = std::make_unique<Entry>();
    made->places.assign(places.begin(), places.end());
    build(made->group, places);
    made->group.id = static_cast<std::uint32_t>(index_.size());
    return index_.emplace(hash, std::move(made))->second->group;
  }

 private:
  struct Entry {
    std::vector<NodeId> places;
    Group group;
  };

  void build(Group& group, std::span<const NodeId> places) {
    known_.clear();
    for (const NodeId place : places) group.roots.push_back(gate_of(group, place));
    add_string_checks(group);
    add_names(group);
    for (const SchemaAtom* atom : group.atoms) {
      const ArrayRule& array = atom->array;
      group.has_unique = group.has_unique || array.unique;
      std::uint32_t cap = std::max(array.least, static_cast<std::uint32_t>(array.prefix.size()));
      cap = std::max(cap, atom->object.least);
      if (array.most != no_limit) cap = std::max(cap, array.most);
      if (atom->object.most != no_limit) cap = std::max(cap, atom->object.most);
      group.count_cap = std::max(group.count_cap, cap + 1);
    }
  }

  std::uint32_t gate_of(Group& group, NodeId place) {
    if (const auto known = known_.find(place); known != known_.end()) return known->second;
    const SchemaNode& node = graph_->nodes[place];
    Group::Gate gate{node.kind, 0, 0};
    if (node.kind == SchemaNode::Kind::atom) {
      gate.first = static_cast<std::uint32_t>(group.atoms.size());
      group.atoms.push_back(&graph_->atoms[node.atom]);
    } else {
      std::vector<std::uint32_t> parts;
      for (const NodeId part : node.parts) parts.push_back(gate_of(group, part));
      gate.first = static_cast<std::uint32_t>(group.links.size());
      gate.count = static_cast<std::uint32_t>(parts.size());
      group.links.insert(group.links.end(), parts.begin(), parts.end());
    }
    group.gates.push_back(gate);
    const auto id = static_cast<std::uint32_t>(group.gates.size() - 1);
    known_.emplace(place, id);
    return id;
  }

  static void add_string_checks(Group& group) {
    using Kind = Group::StringCheck::Kind;
    for (std::uint32_t i = 0; i < group.atoms.size(); ++i) {
      const SchemaAtom& atom = *group.atoms[i];
      if ((atom.types & JsonTypes::string) == 0) continue;
      const StringRule& rule = atom.string;
      for (const std::uint32_t pattern : rule.patterns)
        group.checks.push_back({i, Kind::pattern, pattern, group.words++});
      if (rule.choices) {
        group.checks.push_back({i, Kind::choices, 0, group.words});
        group.words += 2;
      }
      if (rule.least > 0 || rule.most != no_limit) group.checks.push_back({i, Kind::length, 0, 0});
    }
  }

  static void add_names(Group& group) {
    for (const SchemaAtom* atom : group.atoms) {
      for (const auto& [name, child] : atom->object.properties) group.names.push_back(name);
      for (const auto& name : atom->object.required) group.names.push_back(name);
      for (const auto& [pattern, child] : atom->object.patterns) group.key_patterns.push_back(pattern);
    }
    tidy(group.names);
    tidy(group.key_patterns);
    group.name_words = (group.names.size() + 63) / 64;
    group.children.assign(group.atoms.size() * group.names.size(), Group::unnamed);
    group.required.assign(group.atoms.size() * group.name_words, 0);
    group.allowed.assign(group.atoms.size() * group.name_words, 0);
    const auto index_of = [&](std::string_view name) {
      return static_cast<std::size_t>(std::lower_bound(group.names.begin(), group.names.end(), name) -
                                      group.names.begin());
    };
    for (std::size_t a = 0; a < group.atoms.size(); ++a) {
      const ObjectRule& rule = group.atoms[a]->object;
      group.has_closed = group.has_closed || rule.additional == SchemaGraph::never;
      group.has_name_rules = group.has_name_rules || rule.names != SchemaGraph::always;
      NodeId* children = group.children.data() + a * group.names.size();
      for (const auto& [name, child] : rule.properties) children[index_of(name)] = child;
      for (const auto& name : rule.required) set(group.required, a * group.name_words, index_of(name));
      for (std::size_t n = 0; n < group.names.size(); ++n) {
        const NodeId child = children[n] == Group::unnamed ? rule.additional : children[n];
        if (child != SchemaGraph::never) set(group.allowed, a * group.name_words, n);
      }
    }
  }
  static void set(std::vector<std::uint64_t>& bits, std::size_t first_word, std::size_t bit) {
    bits[first_word + bit / 64] |= std::uint64_t{1} << (bit % 64);
  }
  template <class T>
  static void tidy(std::vector<T>& list) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }

  const SchemaGraph* graph_;
  std::unordered_multimap<std::uint64_t, std::unique_ptr<Entry>> index_;
  std::unordered_map<NodeId, std::uint32_t> known_;
};

}  // namespace lamina::masks
