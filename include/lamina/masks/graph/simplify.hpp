// SPDX-License-Identifier: Apache-2.0
// A schema's graph, checked for circles and without places that only stand for others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/masks/graph/graph.hpp>

namespace lamina::masks {

/// Removes detours: a place that is just another one, or that can be seen to allow everything or nothing.
class GraphSimplifier {
 public:
  static constexpr std::uint32_t deepest = 512;  ///< places that stand for each other

  explicit GraphSimplifier(SchemaGraph& graph)
      : graph_(&graph), depth_(graph.nodes.size(), unknown), real_(graph.nodes.size()) {}

  /// Errors   unsupported (a place that applies itself to the same value, or too many inside each other)
  [[nodiscard]] Status run() {
    for (NodeId id = 0; id < graph_->nodes.size(); ++id) LAMINA_TRY(visit(id, 0));
    for (SchemaNode& node : graph_->nodes) {
      for (NodeId& part : node.parts) part = real_[part];
    }
    for (SchemaAtom& atom : graph_->atoms) {
      for (NodeId& place : atom.array.prefix) place = real_[place];
      atom.array.rest = real_[atom.array.rest];
      if (atom.array.contains) atom.array.contains = real_[*atom.array.contains];
      for (auto& [name, place] : atom.object.properties) place = real_[place];
      for (auto& [pattern, place] : atom.object.patterns) place = real_[place];
      atom.object.additional = real_[atom.object.additional];
      atom.object.names = real_[atom.object.names];
    }
    graph_->root = real_[graph_->root];
    return Done{};
  }

 private:
  static constexpr std::uint8_t unknown = 0, open = 1, known = 2;
  using Kind = SchemaNode::Kind;

  [[nodiscard]] Status visit(NodeId id, std::uint32_t depth) {
    if (depth_[id] == known) return Done{};
    if (depth_[id] == open || depth >= deepest)
      return Error{ErrorCode::unsupported,
                   "schema",
                   "a place applies itself to the same value",
                   "an end",
                   "a circle",
                   ""};
    depth_[id] = open;
    for (const NodeId part : graph_->nodes[id].parts) LAMINA_TRY(visit(part, depth + 1));
    depth_[id] = known;
    real_[id] = real_of(id);
    return Done{};
  }

  [[nodiscard]] NodeId real_of(NodeId id) {
    SchemaNode& node = graph_->nodes[id];
    if (node.kind != Kind::all && node.kind != Kind::any && node.kind != Kind::inverse) return id;
    std::vector<NodeId> parts;
    for (const NodeId part : node.parts) parts.push_back(real_[part]);
    if (node.kind == Kind::inverse) {
      if (parts[0] == SchemaGraph::always) return SchemaGraph::never;
      return parts[0] == SchemaGraph::never ? SchemaGraph::always : id;
    }
    const NodeId neutral = node.kind == Kind::all ? SchemaGraph::always : SchemaGraph::never;
    const NodeId decides = node.kind == Kind::all ? SchemaGraph::never : SchemaGraph::always;
    std::size_t kept = 0;
    for (const NodeId part : parts) {
      if (part == decides) return decides;
      if (part != neutral) parts[kept++] = part;
    }
    parts.resize(kept);
    node.parts = parts;
    return parts.empty() ? neutral : parts.size() == 1 ? parts[0] : id;
  }

  SchemaGraph* graph_;
  std::vector<std::uint8_t> depth_;
  std::vector<NodeId> real_;
};

}  // namespace lamina::masks
