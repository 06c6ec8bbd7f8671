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

#include <lamina/text/lower_case.hpp>
#include <lamina/text/prompt.hpp>
#include <lamina/text/value.hpp>

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

/// A value as Python's `str` prints it; the template prints lists of types this way.
[[nodiscard]] inline std::string python_text(const Value& value, bool nested = false) {
  switch (value.kind) {
    case Value::Kind::null:
      return "None";
    case Value::Kind::boolean:
      return value.truth ? "True" : "False";
    case Value::Kind::integer:
    case Value::Kind::real:
      return value.text;
    case Value::Kind::string: {
      if (!nested) return value.text;
      const char mark =
          value.text.find('\'') != std::string::npos && value.text.find('"') == std::string::npos ? '"'
                                                                                                  : '\'';
      std::string out(1, mark);
      for (const char c : value.text) {
        if (c == '\\' || c == mark) out += '\\';
        if (c == '\n') {
          out += "\\n";
        } else {
          out += c;
        }
      }
      return out += mark;
    }
    case Value::Kind::list:
    case Value::Kind::object:
      break;
  }
  const bool is_object = value.is(Value::Kind::object);
  std::string out(is_object ? "{" : "[");
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    if (i > 0) out += ", ";
    if (is_object) out.append(python_text(Value::string(value.keys[i]), true)).append(": ");
    out += python_text(value.items[i], true);
  }
  return out += is_object ? "}" : "]";
}

/// The `upper` filter. Differs: only ASCII letters; type names of JSON schemas have no others.
[[nodiscard]] inline std::string upper_case(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

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

inline void write_property(const Value& schema, Prompt& prompt);

/// Writes the properties of an object schema, sorted, without braces.
inline void write_properties(const Value& properties, Prompt& prompt) {
  Commas commas(prompt);
  for (const std::size_t entry : sorted_entries(properties)) {
    commas.next();
    prompt.untrusted(properties.keys[entry]);
    prompt.trusted(":{");
    write_property(properties.items[entry], prompt);
    prompt.trusted("}");
  }
}

/// Writes a list of names, each between quote tokens.
inline void write_names(const Value& names, Prompt& prompt) {
  Commas commas(prompt);
  prompt.trusted("[");
  for (const Value& name : names.items) {
    commas.next();
    write_quoted(python_text(name), prompt);
  }
  prompt.trusted("]");
}

/// Writes what an array's elements are, without braces.
inline void write_items(const Value& items, Prompt& prompt) {
  Commas commas(prompt);
  for (const std::size_t entry : sorted_entries(items)) {
    const std::string& key = items.keys[entry];
    const Value& value = items.items[entry];
    if (value.is(Value::Kind::null)) continue;
    commas.next();
    if (key == "properties" && value.is(Value::Kind::object)) {
      prompt.trusted("properties:{");
      write_properties(value, prompt);
      prompt.trusted("}");
    } else if (key == "required" && value.is(Value::Kind::list)) {
      prompt.trusted("required:");
      write_names(value, prompt);
    } else if (key == "type" && value.is(Value::Kind::list)) {
      Value upper = Value::list();
      for (const Value& type : value.items)
        upper.items.push_back(Value::string(upper_case(python_text(type))));
      prompt.trusted("type:");
      write_names(upper, prompt);
    } else if (key == "type") {
      prompt.trusted("type:");
      write_quoted(upper_case(python_text(value)), prompt);
    } else {
      prompt.untrusted(key);
      prompt.trusted(":");
      write_value(value, KeyStyle::quoted, prompt);
    }
  }
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

/// Writes one property's schema, without braces; everything else in it is dropped, as in the published
/// template.
inline void write_property(const Value& schema, Prompt& prompt) {
  const std::string type = upper_case(text_of(schema.find("type")));
  if (const Value* description = schema.find("description"); truthy(description)) {
    prompt.trusted("description:");
    write_quoted(python_text(*description), prompt);
    prompt.trusted(",");
  }
  if (const Value* choices = schema.find("enum"); type == "STRING" && truthy(choices)) {
    prompt.trusted("enum:");
    write_value(*choices, KeyStyle::quoted, prompt);
    prompt.trusted(",");
  }
  const Value* items = schema.find("items");
  if (type == "ARRAY" && truthy(items) && items->is(Value::Kind::object)) {
    prompt.trusted("items:{");
    write_items(*items, prompt);
    prompt.trusted("},");
  }
  if (truthy(schema.find("nullable"))) prompt.trusted("nullable:true,");
  if (type == "OBJECT") {
    const Value* properties = schema.find("properties");
    prompt.trusted("properties:{");
    write_properties(
        properties != nullptr && properties->is(Value::Kind::object) ? *properties : own_properties(schema),
        prompt);
    prompt.trusted("},");
    if (const Value* required = schema.find("required"); truthy(required)) {
      prompt.trusted("required:");
      write_names(*required, prompt);
      prompt.trusted(",");
    }
  }
  prompt.trusted("type:");
  write_quoted(type, prompt);
}

}  // namespace detail

/// Writes the declaration of one function object. Requires `nests_within(function, deepest_value)`.
inline void write_declaration(const Value& function, Prompt& prompt) {
  prompt.trusted("declaration:");
  prompt.untrusted(detail::text_of(function.find("name")));
  prompt.trusted("{description:");
  detail::write_quoted(detail::text_of(function.find("description")), prompt);
  if (const Value* parameters = function.find("parameters"); detail::truthy(parameters)) {
    prompt.trusted(",parameters:{");
    if (const Value* properties = parameters->find("properties"); detail::truthy(properties)) {
      prompt.trusted("properties:{");
      detail::write_properties(*properties, prompt);
      prompt.trusted("},");
    }
    if (const Value* required = parameters->find("required"); detail::truthy(required)) {
      prompt.trusted("required:");
      detail::write_names(*required, prompt);
      prompt.trusted(",");
    }
    // Without a type the published template leaves the brace open; callers should add "object" before
    // rendering.
    if (const Value* type = parameters->find("type"); detail::truthy(type)) {
      prompt.trusted("type:");
      detail::write_quoted(detail::upper_case(detail::python_text(*type)), prompt);
      prompt.trusted("}");
    }
  }
  if (const Value* response = function.find("response"); detail::truthy(response)) {
    prompt.trusted(",response:{");
    if (const Value* description = response->find("description"); detail::truthy(description)) {
      prompt.trusted("description:");
      detail::write_quoted(detail::python_text(*description), prompt);
      prompt.trusted(",");
    }
    if (detail::upper_case(detail::text_of(response->find("type"))) == "OBJECT") {
      prompt.trusted("type:<|\"|>OBJECT<|\"|>}");
    }
  }
  prompt.trusted("}");
}

}  // namespace lamina
