// SPDX-License-Identifier: Apache-2.0
// JSON-like values of tool arguments, results and schemas, without a JSON library: numbers keep their digits.
// Source: tokenizer-and-chat.md §6.4 (how values are written).
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <lamina/core/config.hpp>

namespace lamina {

/// Nesting allowed in values that come from outside.
inline constexpr std::size_t deepest_value = 64;

/// A null, boolean, number, string, list, or object with its keys in order.
struct Value {
  enum class Kind : std::uint8_t { null, boolean, integer, real, string, list, object };

  Kind kind = Kind::null;
  bool truth = false;             ///< of a boolean
  std::string text;               ///< of a string; of a number, its digits as Python prints them
  std::vector<std::string> keys;  ///< [items] of an object
  std::vector<Value> items;       ///< of a list or object

  [[nodiscard]] static Value boolean(bool truth) {
    Value value;
    value.kind = Kind::boolean;
    value.truth = truth;
    return value;
  }
  [[nodiscard]] static Value string(std::string_view text) {
    Value value;
    value.kind = Kind::string;
    value.text = text;
    return value;
  }
  /// An integer of any size from its decimal digits.
  [[nodiscard]] static Value integer(std::string_view digits) {
    Value value;
    value.kind = Kind::integer;
    value.text = digits == "-0" ? "0" : digits;
    return value;
  }
  /// A floating-point number; `number` must be finite.
  [[nodiscard]] static Value real(double number);
  [[nodiscard]] static Value list() {
    Value value;
    value.kind = Kind::list;
    return value;
  }
  [[nodiscard]] static Value object() {
    Value value;
    value.kind = Kind::object;
    return value;
  }

  [[nodiscard]] bool is(Kind wanted) const noexcept { return kind == wanted; }

  /// The value under a key of an object; null pointer if there is none or this is no object.
  [[nodiscard]] const Value* find(std::string_view key) const noexcept {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys[i] == key) return &items[i];
    }
    return nullptr;
  }

  /// Appends an entry to an object without looking whether the key is there already.
  void append(std::string_view key, Value value) {
    keys.emplace_back(key);
    items.push_back(std::move(value));
  }

  /// Joins entries of one key: it keeps its first place and its last value, as in Python. Cost: O(n log n).
  void join_repeated_keys();

  /// Whether a template's `if` takes the value for true: not null, false, zero or empty.
  [[nodiscard]] bool truthy() const noexcept {
    switch (kind) {
      case Kind::null:
        return false;
      case Kind::boolean:
        return truth;
      case Kind::integer:
        return text != "0";
      case Kind::real:
        return text != "0.0" && text != "-0.0";
      case Kind::string:
        return !text.empty();
      case Kind::list:
      case Kind::object:
        return !items.empty();
    }
    return false;
  }
};

namespace detail {

/// What a value is, for error messages.
[[nodiscard]] inline std::string_view kind_name(const Value& value) noexcept {
  switch (value.kind) {
    case Value::Kind::null:
      return "null";
    case Value::Kind::boolean:
      return "a boolean";
    case Value::Kind::integer:
    case Value::Kind::real:
      return "a number";
    case Value::Kind::string:
      return "a string";
    case Value::Kind::list:
      return "a list";
    case Value::Kind::object:
      return "an object";
  }
  return "another type";
}

}  // namespace detail

/// Writes a finite number as Python's `repr`: shortest digits that read back, exponent form below 1e-4 and
/// from 1e16.
[[nodiscard]] inline std::string python_float(double number) {
  char buffer[40];
  const auto result =
      std::to_chars(buffer, buffer + sizeof buffer, std::fabs(number), std::chars_format::scientific);
  std::string_view scientific(buffer, static_cast<std::size_t>(result.ptr - buffer));
  const std::size_t mark = scientific.find('e');
  std::string digits(scientific.substr(0, mark));
  if (digits.size() > 1) digits.erase(1, 1);  // the point
  const bool negative_exponent = scientific[mark + 1] == '-';
  int exponent = 0;
  std::from_chars(scientific.data() + mark + 2, scientific.data() + scientific.size(), exponent);
  if (negative_exponent) exponent = -exponent;

  std::string out(std::signbit(number) ? "-" : "");
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (digits.size() > 1) out.append(".").append(digits, 1);
    out += exponent < 0 ? "e-" : "e+";
    const int size = exponent < 0 ? -exponent : exponent;
    if (size < 10) out += '0';
    return out += std::to_string(size);
  }
  if (exponent < 0) return out.append("0.").append(static_cast<std::size_t>(-exponent - 1), '0') += digits;
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return out.append(digits).append(whole - digits.size(), '0') += ".0";
  return out.append(digits, 0, whole).append(".").append(digits, whole);
}

inline Value Value::real(double number) {
  Value value;
  value.kind = Kind::real;
  value.text = python_float(number);
  return value;
}

inline void Value::join_repeated_keys() {
  std::vector<std::size_t> order(keys.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return keys[a] < keys[b]; });
  std::vector<bool> repeats(keys.size());
  bool any = false;
  for (std::size_t i = 0; i < order.size();) {
    std::size_t end = i + 1;
    for (; end < order.size() && keys[order[end]] == keys[order[i]]; ++end) repeats[order[end]] = any = true;
    if (end - i > 1) items[order[i]] = std::move(items[order[end - 1]]);
    i = end;
  }
  if (!any) return;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (repeats[i]) continue;
    if (kept != i) {
      keys[kept] = std::move(keys[i]);
      items[kept] = std::move(items[i]);
    }
    ++kept;
  }
  keys.resize(kept);
  items.resize(kept);
}

/// Tells whether a value nests no deeper than `limit`; itself looks no deeper than that.
[[nodiscard]] inline bool nests_within(const Value& value, std::size_t limit) noexcept {
  if (value.items.empty()) return true;
  if (limit == 0) return false;
  for (const Value& item : value.items) {
    if (!nests_within(item, limit - 1)) return false;
  }
  return true;
}

}  // namespace lamina
