// SPDX-License-Identifier: Apache-2.0
// A struct's members by name, so that it can be the arguments of a tool.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>

#include <lamina/core/config.hpp>

namespace lamina {

/// The texts that a member can be: of a string, or of an enumeration whose values 0, 1, … they name.
template <class... Texts>
[[nodiscard]] constexpr std::array<std::string_view, sizeof...(Texts)> choices(
    const Texts&... texts) noexcept {
  return {std::string_view(texts)...};
}

/// A member: what it is called, and what it is for.
template <class Owner, class Type, std::size_t Choices>
struct Field {
  std::string_view name;
  Type Owner::*member;
  std::string_view description;
  std::array<std::string_view, Choices> choices;
};

/// Describes a member. Texts must be literals, or live as long as the list.
template <class Owner, class Type, std::size_t Choices = 0>
[[nodiscard]] constexpr Field<Owner, Type, Choices> field(
    std::string_view name, Type Owner::*member, std::string_view description = {},
    const std::array<std::string_view, Choices>& choices = {}) noexcept {
  return {name, member, description, choices};
}

/// The list of a struct's members, in the order in which the model sees them:
///
///     struct Weather {
///       std::string city;
///       std::optional<int> days;
///       static constexpr auto fields = lamina::fields(
///           lamina::field("city", &Weather::city, "where"),
///           lamina::field("days", &Weather::days, "how many days ahead; today if left out"));
///     };
template <class... Members>
[[nodiscard]] constexpr std::tuple<Members...> fields(const Members&... members) noexcept {
  return {members...};
}

namespace detail {
struct NoFields {};
}  // namespace detail

/// The list of `Struct`. Specialise it for a struct that cannot have the member `fields`.
template <class Struct>
inline constexpr auto fields_of = [] {
  if constexpr (requires { Struct::fields; }) {
    return Struct::fields;
  } else {
    return detail::NoFields{};
  }
}();

/// A struct with a list of its members.
template <class Struct>
concept HasFields = !std::same_as<std::remove_cvref_t<decltype(fields_of<Struct>)>, detail::NoFields>;

}  // namespace lamina
