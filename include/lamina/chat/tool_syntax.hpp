// SPDX-License-Identifier: Apache-2.0
// How values and tool declarations are written in prompts.
// Source: tokenizer-and-chat.md §6.4.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/chat/lower_case.hpp>
#include <lamina/chat/prompt.hpp>
#include <lamina/chat/python_text.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/chat/value.hpp>

namespace lamina {

/// How keys of objects are written: bare in calls and results, quoted within unknown schema keywords.
enum class KeyStyle : std::uint8_t { bare, quoted };

namespace detail {

inline constexpr std::string_view quote_text = "<|\"|>";

inline void write_quoted(std::string_view text, Prompt& prompt) {
  prompt.trusted(quote_text);
  prompt.untrusted(text);
  prompt.trusted(quote_text);
}

/// Order of an object's entries: by lower-cased key, equal ones as given.
[[nodiscard]] inline std::vector<std::size_t> sorted_entries(const Value& object) {
  std::vector<std::string> lowered;
  for (const std::string& key : object.keys) lowered.push_back(lower_case(key));
  std::vector<std::size_t> order(lowered.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return lowered[a] < lowered[b]; });
  return order;
}

/// Writes commas between items: the first call writes nothing.
class Commas {
 public:
  explicit Commas(Prompt& prompt) noexcept : prompt_(prompt) {}
  void next() {
    if (!first_) prompt_.trusted(",");
    first_ = false;
  }

 private:
  Prompt& prompt_;
  bool first_ = true;
};

/// Text of an optional key; nothing where a template would print an undefined value.
[[nodiscard]] inline std::string text_of(const Value* value) {
  return value == nullptr ? "" : python_text(*value);
}

[[nodiscard]] inline bool truthy(const Value* value) noexcept { return value != nullptr && value->truthy(); }

}  // namespace detail

/// Writes a value: strings between quote tokens, keys sorted case-insensitively, no spaces.
/// Requires `nests_within(value, deepest_value)`.
inline void write_value(const Value& value, KeyStyle style, Prompt& prompt) {
  switch (value.kind) {
    case Value::Kind::null:
      prompt.trusted("null");
      return;
    case Value::Kind::boolean:
      prompt.trusted(value.truth ? "true" : "false");
      return;
    case Value::Kind::integer:
    case Value::Kind::real:
      prompt.trusted(value.text);
      return;
    case Value::Kind::string:
      detail::write_quoted(value.text, prompt);
      return;
    case Value::Kind::list: {
      detail::Commas commas(prompt);
      prompt.trusted("[");
      for (const Value& item : value.items) {
        commas.next();
        write_value(item, style, prompt);
      }
      prompt.trusted("]");
      return;
    }
    case Value::Kind::object:
      break;
  }
  detail::Commas commas(prompt);
  prompt.trusted("{");
  for (const std::size_t entry : detail::sorted_entries(value)) {
    commas.next();
    if (style == KeyStyle::quoted) {
      detail::write_quoted(value.keys[entry], prompt);
    } else {
      prompt.untrusted(value.keys[entry]);
    }
    prompt.trusted(":");
    write_value(value.items[entry], style, prompt);
  }
  prompt.trusted("}");
}

namespace detail {

[[nodiscard]] inline Status write_property(const Value& schema, Prompt& prompt);

/// The template runs in Python, which stops where a value of another type cannot be walked through.
[[nodiscard]] inline Error refused_schema(std::string_view key, std::string_view expected,
                                          const Value& found) {
  return Error{ErrorCode::bad_argument,
               text("tools: %.*s", static_cast<int>(key.size()), key.data()).view(),
               "the published chat template refuses this schema",
               expected,
               kind_name(found),
               ""};
}

/// Writes the properties of an object schema, sorted, without braces.
[[nodiscard]] inline Status write_properties(const Value& properties, Prompt& prompt) {
  if (!properties.is(Value::Kind::object)) return refused_schema("properties", "an object", properties);
  Commas commas(prompt);
  for (const std::size_t entry : sorted_entries(properties)) {
    commas.next();
    prompt.untrusted(properties.keys[entry]);
    prompt.trusted(":{");
    LAMINA_TRY(write_property(properties.items[entry], prompt));
    prompt.trusted("}");
  }
  return Done{};
}

/// What Python's `for` takes from a value, as text: items of a list, keys of an object, characters of a
/// string.
[[nodiscard]] inline Result<std::vector<std::string>> elements_of(std::string_view key, const Value& value) {
  std::vector<std::string> elements;
  if (value.is(Value::Kind::list)) {
    for (const Value& item : value.items) elements.push_back(python_text(item));
  } else if (value.is(Value::Kind::object)) {
    elements = value.keys;
  } else if (value.is(Value::Kind::string)) {
    for (std::string_view rest = value.text; !rest.empty(); rest.remove_prefix(decode_utf8(rest).size)) {
      elements.emplace_back(rest.substr(0, decode_utf8(rest).size));
    }
  } else {
    return refused_schema(key, "a list", value);
  }
  return elements;
}

/// Writes a list of names, each between quote tokens.
inline void write_names(const std::vector<std::string>& names, Prompt& prompt) {
  Commas commas(prompt);
  prompt.trusted("[");
  for (const std::string& name : names) {
    commas.next();
    write_quoted(name, prompt);
  }
  prompt.trusted("]");
}

[[nodiscard]] inline Status write_required(const Value& required, Prompt& prompt) {
  const auto names = elements_of("required", required);
  if (!names) return names.error();
  prompt.trusted("required:");
  write_names(*names, prompt);
  return Done{};
}

/// Writes the type of an array's elements: one name, or a list of them.
[[nodiscard]] inline Status write_item_type(const Value& type, Prompt& prompt) {
  prompt.trusted("type:");
  if (type.is(Value::Kind::string)) {
    write_quoted(upper_case(type.text), prompt);
    return Done{};
  }
  auto names = elements_of("items.type", type);
  if (!names) return names.error();
  for (std::string& name : *names) name = upper_case(name);
  write_names(*names, prompt);
  return Done{};
}

/// Writes what an array's elements are, without braces.
[[nodiscard]] inline Status write_items(const Value& items, Prompt& prompt) {
  Commas commas(prompt);
  for (const std::size_t entry : sorted_entries(items)) {
    const std::string& key = items.keys[entry];
    const Value& value = items.items[entry];
    if (value.is(Value::Kind::null)) continue;
    commas.next();
    if (key == "properties") {
      prompt.trusted("properties:{");
      if (value.is(Value::Kind::object)) LAMINA_TRY(write_properties(value, prompt));
      prompt.trusted("}");
    } else if (key == "required") {
      LAMINA_TRY(write_required(value, prompt));
    } else if (key == "type") {
      LAMINA_TRY(write_item_type(value, prompt));
    } else {
      prompt.untrusted(key);
      prompt.trusted(":");
      write_value(value, KeyStyle::quoted, prompt);
    }
  }
  return Done{};
}

/// A schema that names no properties: its own keys count, apart from those every schema has.
[[nodiscard]] inline Value own_properties(const Value& schema) {
  constexpr std::string_view standard[] = {"description", "type", "properties", "required", "nullable"};
  Value properties = Value::object();
  for (std::size_t i = 0; i < schema.keys.size(); ++i) {
    const auto is_key = [&](std::string_view name) { return name == schema.keys[i]; };
    if (std::none_of(std::begin(standard), std::end(standard), is_key)) {
      properties.append(schema.keys[i], schema.items[i]);
    }
  }
  return properties;
}

/// Writes `key:"text",` if the value is one that counts.
inline void write_description(const Value* description, Prompt& prompt) {
  if (!truthy(description)) return;
  prompt.trusted("description:");
  write_quoted(python_text(*description), prompt);
  prompt.trusted(",");
}

/// Writes one property's schema, without braces; everything else in it is dropped, as in the published
/// template.
inline Status write_property(const Value& schema, Prompt& prompt) {
  const std::string type = upper_case(text_of(schema.find("type")));
  write_description(schema.find("description"), prompt);
  if (const Value* choices = schema.find("enum"); type == "STRING" && truthy(choices)) {
    prompt.trusted("enum:");
    write_value(*choices, KeyStyle::quoted, prompt);
    prompt.trusted(",");
  }
  const Value* items = schema.find("items");
  if (type == "ARRAY" && truthy(items) && items->is(Value::Kind::object)) {
    prompt.trusted("items:{");
    LAMINA_TRY(write_items(*items, prompt));
    prompt.trusted("},");
  }
  if (truthy(schema.find("nullable"))) prompt.trusted("nullable:true,");
  if (type == "OBJECT") {
    const Value* properties = schema.find("properties");
    const bool has_properties = properties != nullptr && properties->is(Value::Kind::object);
    prompt.trusted("properties:{");
    LAMINA_TRY(write_properties(has_properties ? *properties : own_properties(schema), prompt));
    prompt.trusted("},");
    if (const Value* required = schema.find("required"); truthy(required)) {
      LAMINA_TRY(write_required(*required, prompt));
      prompt.trusted(",");
    }
  }
  prompt.trusted("type:");
  write_quoted(type, prompt);
  return Done{};
}

[[nodiscard]] inline Status write_parameters(const Value& parameters, Prompt& prompt) {
  prompt.trusted(",parameters:{");
  if (const Value* properties = parameters.find("properties"); truthy(properties)) {
    prompt.trusted("properties:{");
    LAMINA_TRY(write_properties(*properties, prompt));
    prompt.trusted("},");
  }
  if (const Value* required = parameters.find("required"); truthy(required)) {
    LAMINA_TRY(write_required(*required, prompt));
    prompt.trusted(",");
  }
  // Without a type the published template leaves the brace open; callers should add "object" before
  // rendering.
  if (const Value* type = parameters.find("type"); truthy(type)) {
    prompt.trusted("type:");
    write_quoted(upper_case(python_text(*type)), prompt);
    prompt.trusted("}");
  }
  return Done{};
}

}  // namespace detail

/// Writes the declaration of one function object. Requires `nests_within(function, deepest_value)`.
///
/// Errors   bad_argument for a schema that the published template refuses: `properties` that are no object, a
///          `required` or a list of types that is a number or a boolean; part of the declaration is written
///          then
[[nodiscard]] inline Status write_declaration(const Value& function, Prompt& prompt) {
  prompt.trusted("declaration:");
  prompt.untrusted(detail::text_of(function.find("name")));
  prompt.trusted("{description:");
  detail::write_quoted(detail::text_of(function.find("description")), prompt);
  if (const Value* parameters = function.find("parameters"); detail::truthy(parameters)) {
    LAMINA_TRY(detail::write_parameters(*parameters, prompt));
  }
  // Also one that is null or empty: only its being there counts.
  if (const Value* response = function.find("response"); response != nullptr) {
    prompt.trusted(",response:{");
    detail::write_description(response->find("description"), prompt);
    if (detail::upper_case(detail::text_of(response->find("type"))) == "OBJECT") {
      prompt.trusted("type:<|\"|>OBJECT<|\"|>}");
    }
  }
  prompt.trusted("}");
  return Done{};
}

}  // namespace lamina
