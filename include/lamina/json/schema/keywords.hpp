// SPDX-License-Identifier: Apache-2.0
// The keywords of JSON Schema, and the drafts by which documents are read.
// Source: JSON Schema Core and Validation 2020-12; the release notes of draft-06, 2019-09 and 2020-12.
#pragma once

#include <cstdint>
#include <string_view>

#include <lamina/chat/value.hpp>
#include <lamina/core/error.hpp>
#include <lamina/json/schema/places.hpp>

namespace lamina::detail {

/// What a keyword's value is, and who reads it.
enum class KeywordUse : std::uint8_t {
  number,
  count,    ///< a whole number
  schema,   ///< one schema
  schemas,  ///< a list of them
  members,  ///< an object of them
  other,
  later,  ///< read together with others
  refused,
};

struct SchemaKeyword {
  std::string_view name;
  KeywordUse use;
  SchemaDraft since;
};

/// The keyword of a name; null for what no draft defines, and for what says nothing about values.
[[nodiscard]] inline const SchemaKeyword* find_keyword(std::string_view name) noexcept {
  using enum KeywordUse;
  using enum SchemaDraft;
  static constexpr SchemaKeyword keywords[] = {
      {"$ref", other, draft4},
      {"type", other, draft4},
      {"enum", other, draft4},
      {"const", other, draft6_7},
      {"required", other, draft4},
      {"uniqueItems", other, draft4},
      {"format", other, draft4},
      {"pattern", other, draft4},
      {"minimum", number, draft4},
      {"maximum", number, draft4},
      {"exclusiveMinimum", number, draft4},
      {"exclusiveMaximum", number, draft4},
      {"multipleOf", number, draft4},
      {"minLength", count, draft4},
      {"maxLength", count, draft4},
      {"minItems", count, draft4},
      {"maxItems", count, draft4},
      {"minProperties", count, draft4},
      {"maxProperties", count, draft4},
      {"minContains", count, draft2019},
      {"maxContains", count, draft2019},
      {"additionalProperties", schema, draft4},
      {"propertyNames", schema, draft6_7},
      {"contains", schema, draft6_7},
      {"not", schema, draft4},
      {"allOf", schemas, draft4},
      {"anyOf", schemas, draft4},
      {"oneOf", schemas, draft4},
      {"properties", members, draft4},
      {"patternProperties", members, draft4},
      {"dependencies", members, draft4},
      {"dependentRequired", members, draft2019},
      {"dependentSchemas", members, draft2019},
      {"$dynamicRef", refused, draft2020},
      {"$recursiveRef", refused, draft2019},
      {"unevaluatedItems", refused, draft2019},
      {"unevaluatedProperties", refused, draft2019},
      {"divisibleBy", refused, draft4},
      {"disallow", refused, draft4},
      {"extends", refused, draft4},
  };
  for (const SchemaKeyword& keyword : keywords) {
    if (keyword.name == name) return &keyword;
  }
  return nullptr;
}

/// The draft that a document names; 2020-12 where it names none. Errors: unsupported (another one).
[[nodiscard]] inline Result<SchemaDraft> draft_of(const Value& document) {
  const Value* name = document.find("$schema");
  if (name == nullptr || !name->is(Value::Kind::string)) return SchemaDraft::draft2020;
  std::string_view uri = name->text;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (uri.starts_with(scheme)) uri.remove_prefix(scheme.size());
  }
  while (uri.ends_with('#')) uri.remove_suffix(1);
  constexpr std::pair<std::string_view, SchemaDraft> drafts[] = {
      {"json-schema.org/draft/2020-12/schema", SchemaDraft::draft2020},
      {"json-schema.org/draft/2019-09/schema", SchemaDraft::draft2019},
      {"json-schema.org/draft-07/schema", SchemaDraft::draft6_7},
      {"json-schema.org/draft-06/schema", SchemaDraft::draft6_7},
      {"json-schema.org/draft-04/schema", SchemaDraft::draft4},
      {"json-schema.org/schema", SchemaDraft::draft2020}};
  for (const auto& [known, draft] : drafts) {
    if (uri == known) return draft;
  }
  return Error{ErrorCode::unsupported,         "#/$schema",
               "unknown draft of JSON Schema", "draft 4, 6, 7, 2019-09 or 2020-12",
               std::string_view(name->text),   ""};
}

}  // namespace lamina::detail
