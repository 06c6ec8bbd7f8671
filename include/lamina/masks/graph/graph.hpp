// SPDX-License-Identifier: Apache-2.0
// A JSON Schema as a graph: what each place says of each type, and how places are combined.
// Source: JSON Schema Core and Validation 2020-12.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <lamina/core/config.hpp>
#include <lamina/masks/regex/nfa.hpp>
#include <lamina/masks/numbers/number_rule.hpp>

namespace lamina::masks {

/// Types of JSON values as bits; `true` and `false` apart, whole numbers and others too.
struct JsonTypes {
  static constexpr std::uint8_t null = 1, yes = 2, no = 4, integer = 8, fraction = 16, string = 32,
                                array = 64, object = 128, number = integer | fraction, all = 255;
};

using NodeId = std::uint32_t;
inline constexpr std::uint32_t no_limit = UINT32_MAX;

/// What a place says of strings.
struct StringRule {
  std::uint32_t least = 0;  ///< characters
  std::uint32_t most = no_limit;
  std::vector<std::uint32_t> patterns;              ///< of `SchemaGraph::patterns`, all to be matched
  std::optional<std::vector<std::string>> choices;  ///< ascending

  [[nodiscard]] bool is_empty() const noexcept {
    return least == 0 && most == no_limit && patterns.empty() && !choices;
  }
  [[nodiscard]] bool operator==(const StringRule&) const = default;
};

/// What a place says of arrays.
struct ArrayRule {
  std::vector<NodeId> prefix;
  NodeId rest = 0;
  std::optional<NodeId> contains;
  std::uint32_t least_contained = 1;
  std::uint32_t most_contained = no_limit;
  std::uint32_t least = 0;
  std::uint32_t most = no_limit;
  bool unique = false;

  [[nodiscard]] bool is_empty() const noexcept {
    return prefix.empty() && rest == 0 && !contains && least == 0 && most == no_limit && !unique;
  }
};

/// What a place says of objects.
struct ObjectRule {
  std::vector<std::pair<std::string, NodeId>> properties;
  std::vector<std::pair<std::uint32_t, NodeId>> patterns;  ///< of `SchemaGraph::patterns`
  NodeId additional = 0;
  NodeId names = 0;
  std::vector<std::string> required;
  std::uint32_t least = 0;
  std::uint32_t most = no_limit;

  [[nodiscard]] bool is_empty() const noexcept { return required.empty() && only_required(); }
  /// Whether it says nothing but what must be there.
  [[nodiscard]] bool only_required() const noexcept {
    return properties.empty() && patterns.empty() && additional == 0 && names == 0 && least == 0 &&
           most == no_limit;
  }
};

/// What one place says by itself.
struct SchemaAtom {
  std::uint8_t types = JsonTypes::all;
  NumberRule number;
  StringRule string;
  ArrayRule array;
  ObjectRule object;
};

/// A place of a schema, or a combination of places.
struct SchemaNode {
  enum class Kind : std::uint8_t {
    always,  ///< every value
    never,   ///< no value
    atom,
    all,      ///< all of `parts`
    any,      ///< at least one
    one,      ///< exactly one
    inverse,  ///< not the one part
  };
  Kind kind = Kind::always;
  std::uint32_t atom = 0;
  std::vector<NodeId> parts;
};

/// A whole schema. Node 0 allows everything, node 1 nothing.
struct SchemaGraph {
  static constexpr NodeId always = 0, never = 1;

  std::vector<SchemaNode> nodes;
  std::vector<SchemaAtom> atoms;
  std::vector<Nfa> patterns;
  NodeId root = always;

  SchemaGraph() {
    nodes.push_back({SchemaNode::Kind::always, 0, {}});
    nodes.push_back({SchemaNode::Kind::never, 0, {}});
  }
  [[nodiscard]] NodeId add(SchemaNode node) {
    nodes.push_back(std::move(node));
    return static_cast<NodeId>(nodes.size() - 1);
  }
  [[nodiscard]] NodeId add_atom(SchemaAtom atom) {
    atoms.push_back(std::move(atom));
    return add({SchemaNode::Kind::atom, static_cast<std::uint32_t>(atoms.size() - 1), {}});
  }
};

}  // namespace lamina::masks
