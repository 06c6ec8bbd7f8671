// SPDX-License-Identifier: Apache-2.0
// The schemas of tools as one graph of their calls, for `CallConstraint`.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/chat/value.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/json/schema/compiler.hpp>
#include <lamina/masks/graph/graph.hpp>

namespace lamina {

namespace detail {

/// Closes objects whose schema lists what they have and does not speak of more: models that are free to add
/// names to the arguments of a call do so without end. What may be written is less than the schema allows,
/// never more.
inline void close_objects(Value& schema) {
  if (!schema.is(Value::Kind::object)) return;
  constexpr std::string_view speaks_of_more[] = {"additionalProperties",
                                                 "patternProperties",
                                                 "unevaluatedProperties",
                                                 "propertyNames",
                                                 "minProperties",
                                                 "allOf",
                                                 "anyOf",
                                                 "oneOf",
                                                 "not",
                                                 "if",
                                                 "dependentSchemas",
                                                 "dependencies",
                                                 "$ref",
                                                 "$dynamicRef"};
  const Value* properties = schema.find("properties");
  bool closes = properties != nullptr && properties->is(Value::Kind::object);
  for (const std::string_view key : speaks_of_more) closes = closes && schema.find(key) == nullptr;
  const Value* required = schema.find("required");
  if (closes && required != nullptr) {
    std::vector<std::string_view> names(properties->keys.begin(), properties->keys.end());
    std::sort(names.begin(), names.end());
    closes = std::all_of(required->items.begin(), required->items.end(), [&](const Value& name) {
      return std::binary_search(names.begin(), names.end(), std::string_view(name.text));
    });
  }
  for (std::size_t i = 0; i < schema.items.size(); ++i) {
    const std::string& key = schema.keys[i];
    if (key == "properties") {
      for (Value& property : schema.items[i].items) close_objects(property);
    } else if (key == "items" || key == "additionalProperties") {
      close_objects(schema.items[i]);
    } else if (key == "prefixItems") {
      for (Value& item : schema.items[i].items) close_objects(item);
    }
  }
  if (closes) schema.append("additionalProperties", Value::boolean(false));
}

/// Names that cannot be written bare: a colon or a brace ends them, white space at their ends is lost.
[[nodiscard]] inline Status check_bare_names(const Value& schema, const std::string& path) {
  for (std::size_t i = 0; i < schema.items.size(); ++i) {
    const bool has_keys = schema.is(Value::Kind::object);
    const std::string at = path + "/" + (has_keys ? schema.keys[i] : std::to_string(i));
    if (has_keys && schema.keys[i] == "properties") {
      for (const std::string& name : schema.items[i].keys) {
        if (!name.empty() && name.find_first_of(":}{\n\r\t") == name.npos && trim(name).size() == name.size())
          continue;
        return Error{ErrorCode::unsupported,
                     FixedText<192>(at),
                     "a call cannot hold an argument of this name",
                     "names without colons, braces and white space at their ends",
                     std::string_view(name),
                     ""};
      }
    }
    LAMINA_TRY(check_bare_names(schema.items[i], at));
  }
  return Done{};
}

}  // namespace detail

/// Compiles the calls of `functions`, each {"name", "parameters", …}: objects with one member, the name of a
/// function and its arguments. A function without parameters takes none.
///
/// Errors   as `compile_schema`; bad_argument (parameters that are no object's schema); `where` begins with
///          `tools[INDEX].function.parameters`
[[nodiscard]] inline Result<masks::SchemaGraph> compile_calls(std::span<const Value> functions) {
  return guard_memory("tools", [&]() -> Result<masks::SchemaGraph> {
    Value properties = Value::object();
    for (std::size_t i = 0; i < functions.size(); ++i) {
      const std::string path = "tools[" + std::to_string(i) + "].function.parameters";
      const Value* name = functions[i].find("name");
      const Value* declared = functions[i].find("parameters");
      Value parameters = declared != nullptr && declared->truthy() ? *declared : Value::object();
      const Value* type = parameters.find("type");
      if (name == nullptr || !parameters.is(Value::Kind::object) ||
          (type != nullptr && type->text != "object")) {
        return Error{ErrorCode::bad_argument,
                     FixedText<192>(path),
                     "not the schema of arguments",
                     "one of type object",
                     type != nullptr ? std::string_view(type->text) : std::string_view("another"),
                     ""};
      }
      if (parameters.find("properties") == nullptr && parameters.items.size() <= 1)
        parameters.append("properties", Value::object());
      if (type == nullptr) parameters.append("type", Value::string("object"));
      LAMINA_TRY(detail::check_bare_names(parameters, path));
      detail::close_objects(parameters);
      // Alone first: errors name the place in this tool.
      if (const auto alone = compile_schema(parameters); !alone) {
        Error error = alone.error();
        error.where = FixedText<192>(path + std::string(alone.error().where.view()));
        return error;
      }
      // References are relative to the tool's own schema.
      if (parameters.find("$id") == nullptr)
        parameters.append("$id", Value::string("https://lamina.invalid/tools/" + std::to_string(i)));
      properties.append(name->text, std::move(parameters));
    }
    Value calls = Value::object();
    calls.append("type", Value::string("object"));
    calls.append("properties", std::move(properties));
    calls.append("additionalProperties", Value::boolean(false));
    calls.append("minProperties", Value::integer("1"));
    calls.append("maxProperties", Value::integer("1"));
    return compile_schema(calls);
  });
}

}  // namespace lamina
