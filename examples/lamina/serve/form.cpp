// SPDX-License-Identifier: Apache-2.0
// From wishes to constraints.
#include "form.hpp"

#include <string>
#include <utility>

#include <lamina/json/schema/compiler.hpp>
#include <lamina/masks/constraint.hpp>

namespace program::serving {

using lamina::Result;
using Constraints = std::vector<std::shared_ptr<lamina::TokenConstraint>>;

Result<Constraints> constraints_of(Service& service, const ChatWish& wish) {
  Constraints constraints;
  if (!wish.schema) return constraints;
  const auto index = service.token_index();
  if (!index) return index.error();
  auto graph = lamina::compile_schema(*wish.schema);
  if (!graph) {
    lamina::Error error = graph.error();
    error.where = lamina::FixedText<192>("response_format.json_schema.schema");
    error.where.append(graph.error().where);
    return error;
  }
  const auto shared = std::make_shared<const lamina::masks::SchemaGraph>(std::move(*graph));
  for (std::uint32_t i = 0; i < wish.choices; ++i) {
    constraints.push_back(std::make_shared<lamina::SchemaConstraint>(
        shared, **index, lamina::masks::JsonTextLimits::for_writing()));
  }
  return constraints;
}

}  // namespace program::serving
