// SPDX-License-Identifier: Apache-2.0
// From wishes to constraints.
#include "form.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <lamina/json/schema/calls.hpp>
#include <lamina/json/schema/compiler.hpp>
#include <lamina/masks/calls/constraint.hpp>
#include <lamina/masks/constraint.hpp>

namespace program::serving {

using lamina::Result;
using Constraints = std::vector<std::shared_ptr<lamina::TokenConstraint>>;
using Graph = std::shared_ptr<const lamina::masks::SchemaGraph>;

namespace {

/// The graph of the answer's schema; null if there is none.
Result<Graph> schema_graph(const ChatWish& wish) {
  if (!wish.schema) return Graph();
  auto graph = lamina::compile_schema(*wish.schema);
  if (graph) return std::make_shared<const lamina::masks::SchemaGraph>(std::move(*graph));
  lamina::Error error = graph.error();
  error.where = lamina::FixedText<192>("response_format.json_schema.schema");
  error.where.append(graph.error().where);
  return error;
}

/// The graph of the calls that are held to their schemas; null if none are.
Result<Graph> call_graph(const ChatWish& wish) {
  const ToolChoice& choice = wish.tool_choice;
  if (wish.conversation.tools.empty() || choice.kind == ToolChoice::Kind::none) return Graph();
  const bool any_strict = std::find(wish.strict.begin(), wish.strict.end(), true) != wish.strict.end();
  if (choice.kind == ToolChoice::Kind::automatic && !any_strict && choice.parallel && !wish.schema)
    return Graph();
  std::vector<lamina::Value> functions;
  for (const lamina::Value& tool : wish.conversation.tools) {
    if (choice.name.empty() || tool.find("name")->text == choice.name) functions.push_back(tool);
  }
  auto graph = lamina::compile_calls(functions);
  if (!graph) return graph.error();
  return std::make_shared<const lamina::masks::SchemaGraph>(std::move(*graph));
}

}  // namespace

Result<Constraints> constraints_of(Service& service, const ChatWish& wish) {
  const auto schema = schema_graph(wish);
  if (!schema) return schema.error();
  const auto calls = call_graph(wish);
  if (!calls) return calls.error();
  Constraints constraints;
  if (*schema == nullptr && *calls == nullptr) return constraints;
  const auto index = service.token_index();
  if (!index) return index.error();
  for (std::uint32_t i = 0; i < wish.choices; ++i) {
    std::shared_ptr<lamina::TokenConstraint> text;
    if (*schema != nullptr) {
      text = std::make_shared<lamina::SchemaConstraint>(
          *schema, **index, lamina::masks::JsonTextLimits::for_writing(wish.json_space));
    }
    if (*calls == nullptr) {
      constraints.push_back(std::move(text));
      continue;
    }
    lamina::CallRules rules;
    rules.must_call = wish.tool_choice.kind == ToolChoice::Kind::required;
    if (!wish.tool_choice.parallel) rules.most_calls = 1;
    if (!rules.must_call) rules.text = std::move(text);
    auto made = lamina::CallConstraint::create(*calls, **index, std::move(rules));
    if (!made) return made.error();
    constraints.push_back(std::move(*made));
  }
  return constraints;
}

}  // namespace program::serving
