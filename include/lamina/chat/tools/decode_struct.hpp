// SPDX-License-Identifier: Apache-2.0
// A value that a model has written to a struct: arguments of a call, or an answer. What does not fit is
// refused.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <vector>

#include <lamina/chat/tools/describe.hpp>
#include <lamina/chat/tools/fields.hpp>
#include <lamina/chat/value.hpp>
#include <lamina/core/error.hpp>

namespace lamina {

namespace detail {

/// Decodes one value; errors name its parts by their paths.
class StructReader {
 public:
  explicit StructReader(std::string_view root) : path_(root) {}

  template <class Type>
  [[nodiscard]] Status read(const Value& value, Type& out, std::span<const std::string_view> choices) {
    if constexpr (is_optional<Type>) {
      if (value.is(Value::Kind::null)) return Done{};
      return read(value, out.emplace(), choices);
    } else if constexpr (std::same_as<Type, bool>) {
      if (!value.is(Value::Kind::boolean)) return refused("true or false", value);
      out = value.truth;
    } else if constexpr (WholeNumber<Type> || std::floating_point<Type>) {
      return read_number(value, out);
    } else if constexpr (std::same_as<Type, std::string> || std::is_enum_v<Type>) {
      return read_text(value, out, choices);
    } else if constexpr (is_list<Type>) {
      return read_list(value, out, choices);
    } else {
      return read_object(value, out);
    }
    return Done{};
  }

 private:
  [[nodiscard]] Error refused(std::string_view expected, const Value& found) const {
    const bool is_plain = found.items.empty() && !found.text.empty();
    return {ErrorCode::bad_argument,
            FixedText<192>(path_),
            "value does not fit",
            expected,
            is_plain ? std::string_view(found.text).substr(0, 48) : kind_name(found),
            ""};
  }

  /// Reads with a step more in the path.
  template <class Type>
  [[nodiscard]] Status read_at(const std::string& step, const Value& value, Type& out,
                               std::span<const std::string_view> choices) {
    const std::size_t before = path_.size();
    path_ += step;
    Status status = read(value, out, choices);
    if (status) path_.resize(before);
    return status;
  }

  template <class Number>
  [[nodiscard]] Status read_number(const Value& value, Number& out) {
    const std::string& digits = value.text;
    const char* const end = digits.data() + digits.size();
    const bool is_number = value.is(Value::Kind::integer) || value.is(Value::Kind::real);
    if constexpr (std::floating_point<Number>) {
      const auto read = std::from_chars(digits.data(), end, out);
      if (!is_number || read.ec != std::errc() || read.ptr != end || !std::isfinite(out))
        return refused("a number", value);
      return Done{};
    } else {
      constexpr Number least = std::numeric_limits<Number>::min();
      constexpr Number most = std::numeric_limits<Number>::max();
      if (is_number) {
        const auto read = std::from_chars(digits.data(), end, out);
        if (read.ec == std::errc() && read.ptr == end) return Done{};
        double real = 0;  // 3.0 is an integer, too
        const auto wide = std::from_chars(digits.data(), end, real);
        // A limit that double rounds up lies outside.
        const bool fits = real >= static_cast<double>(least) && real < static_cast<double>(most);
        if (value.is(Value::Kind::real) && wide.ec == std::errc() && fits && std::trunc(real) == real) {
          out = static_cast<Number>(real);
          return Done{};
        }
      }
      return refused("an integer from " + std::to_string(least) + " to " + std::to_string(most), value);
    }
  }

  template <class Type>
  [[nodiscard]] Status read_text(const Value& value, Type& out, std::span<const std::string_view> choices) {
    if (!value.is(Value::Kind::string)) return refused("a text", value);
    const auto found = std::find(choices.begin(), choices.end(), value.text);
    if (!choices.empty() && found == choices.end()) {
      std::string expected = "one of";
      for (const std::string_view choice : choices) expected.append(" ").append(choice);
      return refused(expected, value);
    }
    if constexpr (std::is_enum_v<Type>) {
      out = static_cast<Type>(found - choices.begin());
    } else {
      out = value.text;
    }
    return Done{};
  }

  template <class Item>
  [[nodiscard]] Status read_list(const Value& value, std::vector<Item>& out,
                                 std::span<const std::string_view> choices) {
    if (!value.is(Value::Kind::list)) return refused("a list", value);
    out.clear();
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      Item item{};
      LAMINA_TRY(read_at("[" + std::to_string(i) + "]", value.items[i], item, choices));
      out.push_back(std::move(item));
    }
    return Done{};
  }

  template <class Struct>
  [[nodiscard]] Status read_object(const Value& value, Struct& out) {
    if (!value.is(Value::Kind::object)) return refused("an object", value);
    return std::apply(
        [&](const auto&... fields) {
          for (const std::string& key : value.keys) {
            if (!((fields.name == key) || ...)) return unknown(key);
          }
          Status status = Done{};
          static_cast<void>((static_cast<bool>(status = read_member(value, out, fields)) && ...));
          return status;
        },
        fields_of<Struct>);
  }
  template <class Struct, class Member>
  [[nodiscard]] Status read_member(const Value& object, Struct& out, const Member& field) {
    auto& member = out.*field.member;
    const Value* value = object.find(field.name);
    if (value != nullptr) return read_at("." + std::string(field.name), *value, member, field.choices);
    if constexpr (is_optional<std::remove_cvref_t<decltype(member)>>) {
      member.reset();
      return Done{};
    } else {
      return Error{
          ErrorCode::bad_argument, FixedText<192>(path_), "a member is missing", field.name, "none", ""};
    }
  }
  [[nodiscard]] Status unknown(const std::string& key) const {
    return Error{ErrorCode::bad_argument,           FixedText<192>(path_), "there is no member of this name",
                 "one of those that were declared", std::string_view(key), ""};
  }

  std::string path_;
};

}  // namespace detail

/// Reads an object; `where` names it in errors. Keys that are missing are those of optionals.
///
/// Errors   bad_argument, naming the part: of another type, out of range, missing, or not declared
template <HasFields Struct>
[[nodiscard]] Result<Struct> decode_struct(const Value& value, std::string_view where = "value") {
  Struct out{};
  LAMINA_TRY(detail::StructReader(where).read(value, out, {}));
  return out;
}

}  // namespace lamina
