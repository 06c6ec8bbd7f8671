// SPDX-License-Identifier: Apache-2.0
// JSON text to `Value`: keys in order, integers of any size with all their digits, nesting limited.
// Source: tokenizer-and-chat.md §6.4 (numbers).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/json/reader.hpp>
#include <lamina/chat/value.hpp>

namespace lamina {

namespace detail {

/// Builds a `Value` from the events of a JSON text.
class ValueBuilder : public TreeBuilder<Value, ValueBuilder> {
 public:
  ValueBuilder() : TreeBuilder(2 * deepest_value) {}

  bool null() { return add(Value{}); }
  bool boolean(bool value) { return add(Value::boolean(value)); }
  bool number_integer(std::int64_t value) { return add(Value::integer(std::to_string(value))); }
  bool number_unsigned(std::uint64_t value) { return add(Value::integer(std::to_string(value))); }
  /// Also called for integers of more than 64 bits; `digits` is the text as written.
  bool number_float(double value, const std::string& digits) {
    if (digits.find_first_not_of("-0123456789") == std::string::npos) return add(Value::integer(digits));
    if (std::isfinite(value)) return add(Value::real(value));
    return fail({ErrorCode::bad_argument, "JSON", "number is not finite", "a finite number",
                 std::string_view(digits), ""});
  }
  bool string(std::string& value) { return add(Value::string(value)); }
  bool start_object() { return open(Value::object()); }
  bool start_array() { return open(Value::list()); }
  bool end_object() {
    innermost().join_repeated_keys();
    return close();
  }

  static void put(Value& container, std::string& key, Value value) {
    if (container.is(Value::Kind::object)) {
      container.append(key, std::move(value));
    } else {
      container.items.push_back(std::move(value));
    }
  }
  [[nodiscard]] Error too_deep(std::size_t levels) const {
    return {
        ErrorCode::bad_argument, "JSON", "nested too deeply", text("at most %zu levels", levels), "more", ""};
  }
};

}  // namespace detail

/// Parses a JSON text. Errors: out_of_memory, bad_argument (no JSON, a number that is not finite, nested more
/// than 128 levels deep).
[[nodiscard]] inline Result<Value> parse_json_value(std::string_view json) {
  return guard_memory("JSON", [&]() -> Result<Value> {
    detail::ValueBuilder builder;
    auto status = detail::run_json(std::as_bytes(std::span(json)), "JSON", builder);
    if (status) return std::move(builder.root());
    Error error = status.error();
    error.code = ErrorCode::bad_argument;  // the caller's text, no file
    return error;
  });
}

}  // namespace lamina
