// SPDX-License-Identifier: Apache-2.0
// For which values the rules by themselves are enough: whatever beginning they allow leads to a valid value.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <lamina/core/config.hpp>
#include <lamina/masks/graph/graph.hpp>
#include <lamina/masks/graph/group.hpp>
#include <lamina/masks/schema/reader.hpp>
#include <lamina/masks/schema/scopes.hpp>
#include <lamina/masks/schema/ways.hpp>

namespace lamina::masks {

/// Judges groups, each once. It errs towards "look ahead".
///
/// Threads  one at a time
class Standings {
 public:
  /// Both must outlive this.
  Standings(SchemaReader& reader, WaySearch& ways) : reader_(&reader), ways_(&ways) {}

  /// Whether what the rules allow of a value of this group always leads to one for which all its places hold.
  [[nodiscard]] bool is_sure(const Group& group) {
    if (group.id >= known_.size()) known_.resize(group.id + 1, Known::no);
    if (known_[group.id] == Known::no) {
      known_[group.id] = Known::unsure;  // while it is asked for itself
      const bool sure = judge(group);
      known_[group.id] = sure ? Known::sure : Known::unsure;
    }
    return known_[group.id] == Known::sure;
  }

 private:
  enum class Known : std::uint8_t { no, sure, unsure };
  /// What rules do to the values of one type.
  enum class Hold : std::uint8_t {
    none,   ///< allow none
    every,  ///< allow all
    exact,  ///< allow some, and no beginning that leads to none
    open,   ///< may let a beginning through that leads to none
  };
  static constexpr std::uint8_t types[] = {JsonTypes::null,   JsonTypes::yes,    JsonTypes::no,
                                           JsonTypes::number, JsonTypes::string, JsonTypes::array,
                                           JsonTypes::object};

  [[nodiscard]] bool judge(const Group& group) {
    return std::all_of(std::begin(types), std::end(types), [&](std::uint8_t type) {
      std::vector<Hold> gates(group.gates.size());
      for (std::size_t i = 0; i < gates.size(); ++i) gates[i] = hold_of(group, group.gates[i], gates, type);
      std::size_t exact = 0;
      for (const std::uint32_t root : group.roots) {
        if (gates[root] == Hold::open) return false;
        exact += gates[root] == Hold::exact ? 1U : 0U;
      }
      return exact < 2 || type == JsonTypes::number || (type == JsonTypes::string && are_alike(group, gates));
    });
  }
  /// Whether all places that limit strings do so by one and the same rule.
  [[nodiscard]] static bool are_alike(const Group& group, const std::vector<Hold>& gates) {
    const StringRule* rule = nullptr;
    for (const std::uint32_t root : group.roots) {
      if (gates[root] != Hold::exact) continue;
      if (group.gates[root].kind != SchemaNode::Kind::atom) return false;
      const StringRule& other = group.atoms[group.gates[root].first]->string;
      if (rule != nullptr && !(*rule == other)) return false;
      rule = &other;
    }
    return true;
  }
  [[nodiscard]] Hold hold_of(const Group& group, const Group::Gate& gate, const std::vector<Hold>& gates,
                             std::uint8_t type) {
    using Kind = SchemaNode::Kind;
    if (gate.kind == Kind::always) return Hold::every;
    if (gate.kind == Kind::never) return Hold::none;
    if (gate.kind == Kind::atom) return hold_of(*group.atoms[gate.first], type);
    std::size_t none = 0, every = 0, open = 0;
    for (std::uint32_t i = 0; i < gate.count; ++i) {
      const Hold part = gates[group.links[gate.first + i]];
      none += part == Hold::none ? 1U : 0U;
      every += part == Hold::every ? 1U : 0U;
      open += part == Hold::open ? 1U : 0U;
    }
    const std::size_t exact = gate.count - none - every - open;
    // Numbers are one set, whatever the rules (`NumberSet`).
    const Hold several = type == JsonTypes::number && open == 0 ? Hold::exact : Hold::open;
    if (gate.kind == Kind::all) {
      if (none > 0) return Hold::none;
      return exact + open == 0 ? Hold::every : exact == 1 && open == 0 ? Hold::exact : several;
    }
    if (gate.kind == Kind::any) {
      if (every > 0) return Hold::every;
      return exact + open == 0 ? Hold::none : open == 0 ? Hold::exact : Hold::open;
    }
    if (gate.kind == Kind::inverse) return none > 0 ? Hold::every : every > 0 ? Hold::none : several;
    if (every > 1) return Hold::none;
    if (exact + open == 0) return every == 1 ? Hold::every : Hold::none;
    return every == 0 && exact == 1 && open == 0 ? Hold::exact : several;
  }
  [[nodiscard]] Hold hold_of(const SchemaAtom& atom, std::uint8_t type) {
    if ((atom.types & type) == 0) return Hold::none;
    if (Scopes::says_nothing(atom, type)) return Hold::every;
    if (type == JsonTypes::number) return atom.number.multiples_of.size() < 8 ? Hold::exact : Hold::open;
    const bool exact = type == JsonTypes::string  ? is_exact(atom.string)
                       : type == JsonTypes::array ? is_exact(atom.array)
                                                  : is_exact(atom.object);
    return exact ? Hold::exact : Hold::open;
  }

  [[nodiscard]] bool is_exact(const StringRule& rule) {
    if (rule.choices) return rule.patterns.empty() && rule.least == 0 && rule.most == no_limit;
    if (rule.least > rule.most || rule.patterns.size() > 1) return false;
    if (rule.patterns.empty()) return true;
    const Dfa& dfa = reader_->scopes().dfa(rule.patterns.front());
    const std::uint32_t start = dfa.start();
    if (start == Dfa::dead || dfa.distance(start) > rule.most) return false;
    const bool is_wide = rule.most > dfa.farthest();
    return dfa.distance(start) >= rule.least || (rule.least == 1 && is_wide && dfa.goes_on(start)) ||
           (rule.most == no_limit && dfa.is_endless());
  }
  [[nodiscard]] bool is_exact(const ArrayRule& rule) {
    if (rule.contains || rule.least > rule.most) return false;
    if (rule.unique && rule.most > 1 && !(rule.prefix.empty() && is_endless(rule.rest))) return false;
    const std::size_t places = std::min<std::size_t>(rule.prefix.size(), rule.most);
    for (std::size_t i = 0; i <= places && i < rule.most; ++i) {
      const NodeId place = i < rule.prefix.size() ? rule.prefix[i] : rule.rest;
      if (place == SchemaGraph::never) return rule.least <= i;
      if (!has_value(place)) return false;
    }
    return true;
  }
  /// Whether all values of a place are strings that may be longer.
  [[nodiscard]] bool is_endless(NodeId place) {
    const SchemaNode& node = reader_->graph().nodes[place];
    if (node.kind != SchemaNode::Kind::atom) return false;
    const SchemaAtom& atom = reader_->graph().atoms[node.atom];
    const StringRule& rule = atom.string;
    return atom.types == JsonTypes::string && !rule.choices && rule.most == no_limit && is_exact(rule) &&
           (rule.patterns.empty() || reader_->scopes().dfa(rule.patterns.front()).is_endless());
  }
  [[nodiscard]] bool is_exact(const ObjectRule& rule) {
    if (!has_values(rule.patterns)) return false;
    const bool closed = rule.additional == SchemaGraph::never;
    if (rule.names != SchemaGraph::always || (!closed && !has_value(rule.additional))) return false;
    for (const auto& [pattern, place] : rule.patterns) {
      if (closed && !reader_->scopes().dfa(pattern).is_endless()) return false;
    }
    std::size_t names = 0;
    for (const auto& [name, place] : rule.properties) {
      if (place == SchemaGraph::never) continue;
      ++names;
      if (!has_value(places_of(rule, name, place))) return false;
    }
    std::size_t others = 0;
    for (const auto& name : rule.required) {
      const auto known = std::find_if(rule.properties.begin(), rule.properties.end(),
                                      [&](const auto& property) { return property.first == name; });
      if (known != rule.properties.end() && known->second == SchemaGraph::never) return false;
      if (known != rule.properties.end()) continue;
      ++others;
      const std::vector<NodeId> places = places_of(rule, name, SchemaGraph::always);
      if (closed && places.empty()) return false;
      if (!has_value(places.empty() ? std::vector<NodeId>{rule.additional} : places)) return false;
    }
    const bool endless = !closed || !rule.patterns.empty();
    if (rule.least > (endless ? no_limit - 1 : names)) return false;
    return rule.most == no_limit || (rule.required.empty() && rule.most >= rule.least) ||
           (!endless && rule.most >= names);
  }
  /// What is said of the value behind a name that is no pattern's beside `place`.
  [[nodiscard]] std::vector<NodeId> places_of(const ObjectRule& rule, std::string_view name, NodeId place) {
    std::vector<NodeId> places;
    if (place != SchemaGraph::always) places.push_back(place);
    for (const auto& [pattern, child] : rule.patterns) {
      Dfa& dfa = reader_->scopes().dfa(pattern);
      std::uint32_t state = dfa.start();
      for (const char c : name) state = dfa.step(state, static_cast<std::uint8_t>(c));
      if (dfa.accepts(state)) places.push_back(child);
    }
    return places;
  }

  /// Whether there are values behind names of any of the patterns, and of several.
  [[nodiscard]] bool has_values(const std::vector<std::pair<std::uint32_t, NodeId>>& patterns) {
    constexpr std::size_t most = 5;
    if (patterns.size() > most) return false;
    for (std::uint32_t some = 1; some < (1U << patterns.size()); ++some) {
      std::vector<NodeId> places;
      for (std::size_t i = 0; i < patterns.size(); ++i) {
        if (((some >> i) & 1U) != 0 && patterns[i].second != SchemaGraph::always)
          places.push_back(patterns[i].second);
      }
      if (!has_value(std::move(places))) return false;
    }
    return true;
  }
  /// Whether a value holds for all of the places, surely.
  [[nodiscard]] bool has_value(NodeId place) {
    return place == SchemaGraph::always || has_value(std::vector<NodeId>{place});
  }
  [[nodiscard]] bool has_value(std::vector<NodeId> places) {
    if (places.empty()) return true;
    std::sort(places.begin(), places.end());
    places.erase(std::unique(places.begin(), places.end()), places.end());
    const Group& group = reader_->scopes().groups().of(places);
    if (group.id >= valued_.size()) valued_.resize(group.id + 1, Known::no);
    if (valued_[group.id] == Known::no) {
      Arena& arena = reader_->arena();
      const Arena::Mark mark = arena.mark();
      const SchemaState start = reader_->start(group);
      const bool found = is_easy(group) || ways_->find(start, WaySearch::quick) == WaySearch::Answer::found;
      arena.reset(mark);
      valued_[group.id] = found ? Known::sure : Known::unsure;
    }
    return valued_[group.id] == Known::sure;
  }
  /// Whether a value can be seen at once.
  [[nodiscard]] static bool is_easy(const Group& group) {
    if (group.atoms.size() != 1 || group.gates.size() != 1) return false;
    const SchemaAtom& atom = *group.atoms.front();
    if ((atom.types & (JsonTypes::null | JsonTypes::yes | JsonTypes::no)) != 0) return true;
    if ((atom.types & JsonTypes::string) != 0 && atom.string.is_empty()) return true;
    if ((atom.types & JsonTypes::array) != 0 && atom.array.least == 0 && !atom.array.contains) return true;
    return (atom.types & JsonTypes::object) != 0 && atom.object.least == 0 && atom.object.required.empty();
  }

  SchemaReader* reader_;
  WaySearch* ways_;
  std::vector<Known> known_;   ///< by group
  std::vector<Known> valued_;  ///< by group: whether there is a value
};

}  // namespace lamina::masks
