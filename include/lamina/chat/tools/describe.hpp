// SPDX-License-Identifier: Apache-2.0
// C++ types as JSON schemas, and their values as JSON-like values: what the model is told of a tool.
#pragma once

#include <concepts>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <lamina/chat/tools/fields.hpp>
#include <lamina/chat/value.hpp>

namespace lamina {

namespace detail {

template <class Type>
inline constexpr bool is_optional = false;
template <class Type>
inline constexpr bool is_optional<std::optional<Type>> = true;
template <class Type>
inline constexpr bool is_list = false;
template <class Type>
inline constexpr bool is_list<std::vector<Type>> = true;

template <class Type>
concept WholeNumber = std::integral<Type> && !std::same_as<Type, bool>;

/// Types that no tool can take: the compiler names the one that it found.
template <class Type>
inline constexpr bool is_no_argument = false;

template <HasFields Struct>
[[nodiscard]] Value object_schema();

/// The schema of one member; `choices` as of its field.
template <class Type>
[[nodiscard]] Value member_schema(std::string_view description, std::span<const std::string_view> choices) {
  if constexpr (is_optional<Type>) {
    return member_schema<typename Type::value_type>(description, choices);
  } else {
    Value schema = Value::object();
    if (!description.empty()) schema.append("description", Value::string(description));
    const auto type = [&](std::string_view name) { schema.append("type", Value::string(name)); };
    if constexpr (std::same_as<Type, bool>) {
      type("boolean");
    } else if constexpr (WholeNumber<Type>) {
      type("integer");
      schema.append("minimum", Value::integer(std::to_string(std::numeric_limits<Type>::min())));
      schema.append("maximum", Value::integer(std::to_string(std::numeric_limits<Type>::max())));
    } else if constexpr (std::floating_point<Type>) {
      type("number");
    } else if constexpr (std::same_as<Type, std::string> || std::is_enum_v<Type>) {
      type("string");
      if (!choices.empty()) {
        Value list = Value::list();
        for (const std::string_view choice : choices) list.items.push_back(Value::string(choice));
        schema.append("enum", std::move(list));
      }
    } else if constexpr (is_list<Type>) {
      type("array");
      schema.append("items", member_schema<typename Type::value_type>({}, choices));
    } else if constexpr (HasFields<Type>) {
      Value inner = object_schema<Type>();
      for (std::size_t i = 0; i < inner.keys.size(); ++i)
        schema.append(inner.keys[i], std::move(inner.items[i]));
    } else {
      static_assert(
          is_no_argument<Type>,
          "a tool's arguments are booleans, numbers, strings, enumerations with `choices`, vectors, "
          "optionals, and structs with `fields`");
    }
    return schema;
  }
}

/// The schema of a struct: every member that is not optional is required, and there are no others.
template <HasFields Struct>
[[nodiscard]] Value object_schema() {
  Value schema = Value::object();
  Value properties = Value::object();
  Value required = Value::list();
  std::apply(
      [&]<class... Fields>(const Fields&... fields) {
        [[maybe_unused]] const auto add =
            [&]<class Owner, class Type, std::size_t N>(const Field<Owner, Type, N>& field) {
              static_assert(!std::is_enum_v<Type> || N > 0,
                            "an enumeration needs the texts of its values: `choices`");
              properties.append(field.name, member_schema<Type>(field.description, field.choices));
              if (!is_optional<Type>) required.items.push_back(Value::string(field.name));
            };
        (add(fields), ...);
      },
      fields_of<Struct>);
  schema.append("type", Value::string("object"));
  schema.append("properties", std::move(properties));
  if (!required.items.empty()) schema.append("required", std::move(required));
  schema.append("additionalProperties", Value::boolean(false));
  return schema;
}

}  // namespace detail

/// The JSON schema of a struct's members.
template <HasFields Struct>
[[nodiscard]] Value schema_of() {
  return detail::object_schema<Struct>();
}

/// A C++ value as the model reads it; numbers that are not finite become null. An enumeration needs the
/// `choices` of its field.
template <class Type>
[[nodiscard]] Value value_of(const Type& value, std::span<const std::string_view> choices = {}) {
  if constexpr (std::same_as<Type, Value>) {
    return value;
  } else if constexpr (detail::is_optional<Type>) {
    return value ? value_of(*value, choices) : Value{};
  } else if constexpr (std::same_as<Type, bool>) {
    return Value::boolean(value);
  } else if constexpr (detail::WholeNumber<Type>) {
    return Value::integer(std::to_string(value));
  } else if constexpr (std::floating_point<Type>) {
    const auto number = static_cast<double>(value);
    return number - number == 0 ? Value::real(number) : Value{};
  } else if constexpr (std::convertible_to<const Type&, std::string_view>) {
    return Value::string(value);
  } else if constexpr (std::is_enum_v<Type>) {
    const auto index = static_cast<std::size_t>(value);
    return index < choices.size() ? Value::string(choices[index]) : Value{};
  } else if constexpr (detail::is_list<Type>) {
    Value list = Value::list();
    for (const auto& item : value) list.items.push_back(value_of<typename Type::value_type>(item, choices));
    return list;
  } else if constexpr (HasFields<Type>) {
    Value object = Value::object();
    std::apply(
        [&](const auto&... fields) {
          (object.append(fields.name, value_of(value.*fields.member, fields.choices)), ...);
        },
        fields_of<Type>);
    return object;
  } else {
    static_assert(
        detail::is_no_argument<Type>,
        "a result is a `Value`, or made of booleans, numbers, texts, vectors, optionals and structs with "
        "`fields`");
  }
}

}  // namespace lamina
