// SPDX-License-Identifier: Apache-2.0
// Places of a schema for which there is no value, since the limits on its numbers leave none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/masks/numbers/number_rule.hpp>
#include <lamina/masks/numbers/number_set.hpp>
#include <lamina/masks/graph/graph.hpp>
#include <lamina/masks/graph/group.hpp>
#include <lamina/masks/graph/simplify.hpp>

namespace lamina::masks {

/// Finds places that allow numbers only, but no number, and makes them places that allow nothing: no model is
/// led into them then.
class NumberPruner {
 public:
  explicit NumberPruner(SchemaGraph& graph) : graph_(&graph) {}

  /// Errors   bad_argument (the schema as a whole allows nothing for that reason)
  [[nodiscard]] Status run() {
    bool changed = false;
    {
      Groups groups(*graph_);
      std::vector<NodeId> empty;
      for (NodeId id = 2; id < graph_->nodes.size(); ++id) {
        if (has_numbers(id) && is_empty(groups.of({&id, 1}))) empty.push_back(id);
      }
      for (const NodeId id : empty) graph_->nodes[id] = {SchemaNode::Kind::any, 0, {}};  // none of nothing
      changed = !empty.empty();
    }
    // A container that must have what cannot be is another such place.
    while (changed) {
      LAMINA_TRY(GraphSimplifier(*graph_).run());
      changed = false;
      for (SchemaAtom& atom : graph_->atoms) changed = drop_containers(atom) || changed;
      for (SchemaNode& node : graph_->nodes) {
        if (node.kind == SchemaNode::Kind::atom && graph_->atoms[node.atom].types == 0) {
          node = {SchemaNode::Kind::any, 0, {}};
          changed = true;
        }
      }
      if (graph_->root != SchemaGraph::never) continue;
      return Error{ErrorCode::bad_argument,
                   "schema",
                   "its limits leave no number",
                   "one between minimum and maximum, a multiple of multipleOf",
                   "none",
                   "widen the limits"};
    }
    return Done{};
  }

 private:
  /// Whether something that is said of a place limits numbers.
  [[nodiscard]] bool has_numbers(NodeId id) const {
    const SchemaNode& node = graph_->nodes[id];
    if (node.kind == SchemaNode::Kind::atom) return !graph_->atoms[node.atom].number.is_empty();
    return std::any_of(node.parts.begin(), node.parts.end(), [&](NodeId part) { return has_numbers(part); });
  }

  [[nodiscard]] static bool is_empty(const Group& group) {
    constexpr std::uint8_t others[] = {JsonTypes::null,   JsonTypes::yes,   JsonTypes::no,
                                       JsonTypes::string, JsonTypes::array, JsonTypes::object};
    std::vector<Truth> truths(group.atoms.size());
    std::vector<Truth> gates(group.gates.size());
    const auto fits = [&] {
      group.answer(truths.data(), gates.data());
      return gates[group.roots.front()] != Truth::no;
    };
    for (const std::uint8_t type : others) {
      for (std::size_t i = 0; i < truths.size(); ++i)
        truths[i] = (group.atoms[i]->types & type) == 0 ? Truth::no : Truth::open;
      if (fits()) return false;
    }
    // Where numbers are forbidden as such, it is not their limits that leave nothing.
    for (std::size_t i = 0; i < truths.size(); ++i)
      truths[i] = (group.atoms[i]->types & JsonTypes::number) == 0 ? Truth::no : Truth::open;
    if (!fits()) return false;
    std::vector<const NumberRule*> rules;
    for (const SchemaAtom* atom : group.atoms) rules.push_back(&atom->number);
    if (!NumberSet::is_small(rules)) return false;
    const auto set = NumberSet::of(rules, [&](const std::vector<bool>& holds) {
      for (std::size_t i = 0; i < truths.size(); ++i)
        truths[i] = holds[i] && (group.atoms[i]->types & JsonTypes::number) != 0 ? Truth::yes : Truth::no;
      return fits();
    });
    return set && set->is_empty() && !spells(*set, rules);
  }
  [[nodiscard]] static bool spells(const NumberSet& set, const std::vector<const NumberRule*>& rules) {
    return std::any_of(rules.begin(), rules.end(), [&](const NumberRule* rule) {
      return rule->choices && std::any_of(rule->choices->begin(), rule->choices->end(),
                                          [&](const NumberChoice& choice) { return set.has(choice.value); });
    });
  }

  /// Takes objects and arrays away from what must have a member that cannot be.
  [[nodiscard]] static bool drop_containers(SchemaAtom& atom) {
    const std::uint8_t before = atom.types;
    const auto is_never = [](const auto& property) { return property.second == SchemaGraph::never; };
    const bool needs_never =
        std::any_of(atom.object.properties.begin(), atom.object.properties.end(), [&](const auto& property) {
          return is_never(property) && std::find(atom.object.required.begin(), atom.object.required.end(),
                                                 property.first) != atom.object.required.end();
        });
    if (needs_never) atom.types &= static_cast<std::uint8_t>(~JsonTypes::object);
    const auto& prefix = atom.array.prefix;
    const std::size_t first_never = static_cast<std::size_t>(
        std::find(prefix.begin(), prefix.end(), SchemaGraph::never) - prefix.begin());
    const bool ends = first_never < prefix.size() || atom.array.rest == SchemaGraph::never;
    if (ends && atom.array.least > first_never) atom.types &= static_cast<std::uint8_t>(~JsonTypes::array);
    return atom.types != before;
  }

  SchemaGraph* graph_;
};

}  // namespace lamina::masks
