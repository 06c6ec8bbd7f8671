// SPDX-License-Identifier: Apache-2.0
// The readers of fields.hpp.
#include "fields.hpp"

#include <charconv>
#include <cmath>

#include <lamina/json/value.hpp>

namespace program::serving {

using lamina::Done;
using lamina::Error;
using lamina::ErrorCode;
using lamina::Status;
using Kind = lamina::Value::Kind;

namespace {

/// A value takes a hundred bytes, however short its text is.
constexpr std::size_t most_values = 500'000;

/// Values that a JSON text can hold, about.
std::size_t count_values(std::string_view text) noexcept {
  std::size_t count = 1;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else {
      in_string = c == '"';
      count += c == ',' || c == '[' || c == '{' ? 1U : 0U;
    }
  }
  return count;
}

std::optional<double> number_of(const lamina::Value& value) noexcept {
  if (!value.is(Kind::integer) && !value.is(Kind::real)) return std::nullopt;
  double number = 0;
  const auto end = value.text.data() + value.text.size();
  const auto read = std::from_chars(value.text.data(), end, number);
  if (read.ec != std::errc{} || read.ptr != end || !std::isfinite(number)) return std::nullopt;
  return number;
}

lamina::FixedText<160> shown(const lamina::Value& value) {
  if (value.is(Kind::integer) || value.is(Kind::real)) return lamina::FixedText<160>(value.text);
  if (value.is(Kind::boolean)) return value.truth ? "true" : "false";
  return lamina::FixedText<160>(lamina::detail::kind_name(value));
}

}  // namespace

std::optional<std::int64_t> integer_of(const lamina::Value& value) noexcept {
  std::int64_t number = 0;
  const auto end = value.text.data() + value.text.size();
  if (value.is(Kind::integer)) {
    const auto read = std::from_chars(value.text.data(), end, number);
    if (read.ec == std::errc{} && read.ptr == end) return number;
  } else if (const auto real = number_of(value)) {
    // "3.0" is what some clients write for 3.
    if (std::trunc(*real) == *real && std::fabs(*real) < 9e15) return static_cast<std::int64_t>(*real);
  }
  return std::nullopt;
}

Error field_error(std::string_view path, std::string_view what, std::string_view expected,
                  std::string_view found) {
  return {ErrorCode::bad_argument, path, what, expected, found, ""};
}

Error not_offered(std::string_view path, std::string_view expected, std::string_view found) {
  return {ErrorCode::unsupported, path, "not supported", expected, found, ""};
}

lamina::Result<lamina::Value> parse_request(std::string_view text) {
  const std::size_t values = count_values(text);
  if (values > most_values) {
    return field_error("body", "the request holds too many values",
                       lamina::text("at most %zu", most_values).view(), lamina::text("%zu", values).view());
  }
  auto value = lamina::parse_json_value(text);
  if (!value) {
    Error error = value.error();
    error.where = "body";
    return error;
  }
  if (!value->is(Kind::object))
    return field_error("body", "the request is of another type", "a JSON object",
                       lamina::detail::kind_name(*value));
  return value;
}

const lamina::Value* Fields::find(std::string_view key) const noexcept {
  const Value* value = object_->find(key);
  return value != nullptr && !value->is(Kind::null) ? value : nullptr;
}

std::string Fields::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

Error Fields::wrong(std::string_view key, std::string_view expected, const Value& found) const {
  return field_error(path_of(key), "value is of another type or out of range", expected, shown(found));
}

Error Fields::unknown(std::string_view key, std::string_view expected, std::string_view found) const {
  return field_error(path_of(key), "unknown value", expected, found);
}

Error Fields::missing(std::string_view key, std::string_view expected) const {
  return field_error(path_of(key), "field is missing", expected, "nothing");
}

Status Fields::number(std::string_view key, double low, double high, double& out) const {
  const Value* value = find(key);
  if (value == nullptr) return Done{};
  const auto number = number_of(*value);
  if (!number || *number < low || *number > high)
    return wrong(key, lamina::text("a number from %g to %g", low, high), *value);
  out = *number;
  return Done{};
}

Status Fields::number(std::string_view key, double low, double high, float& out) const {
  double exact = static_cast<double>(out);
  LAMINA_TRY(number(key, low, high, exact));
  out = static_cast<float>(exact);
  return Done{};
}

Status Fields::integer(std::string_view key, std::int64_t low, std::int64_t high,
                       std::optional<std::int64_t>& out) const {
  const Value* value = find(key);
  if (value == nullptr) return Done{};
  const auto number = integer_of(*value);
  if (!number || *number < low || *number > high)
    return wrong(key,
                 lamina::text("an integer from %lld to %lld", static_cast<long long>(low),
                              static_cast<long long>(high)),
                 *value);
  out = *number;
  return Done{};
}

Status Fields::integer(std::string_view key, std::uint32_t low, std::uint32_t high,
                       std::uint32_t& out) const {
  std::optional<std::int64_t> number;
  LAMINA_TRY(integer(key, std::int64_t{low}, std::int64_t{high}, number));
  if (number) out = static_cast<std::uint32_t>(*number);
  return Done{};
}

Status Fields::flag(std::string_view key, bool& out) const {
  const Value* value = find(key);
  if (value == nullptr) return Done{};
  if (!value->is(Kind::boolean)) return wrong(key, "true or false", *value);
  out = value->truth;
  return Done{};
}

Status Fields::text(std::string_view key, std::string& out) const {
  const Value* value = find(key);
  if (value == nullptr) return Done{};
  if (!value->is(Kind::string)) return wrong(key, "a string", *value);
  out = value->text;
  return Done{};
}

Status Fields::texts(std::string_view key, std::size_t most, std::vector<std::string>& out) const {
  const Value* value = find(key);
  if (value == nullptr) return Done{};
  if (value->is(Kind::string)) {
    out.assign(1, value->text);
    return Done{};
  }
  if (!value->is(Kind::list) || value->items.size() > most)
    return wrong(key, lamina::text("a string, or a list of at most %zu", most), *value);
  out.clear();
  for (const Value& item : value->items) {
    if (!item.is(Kind::string)) return wrong(key, "strings", item);
    out.push_back(item.text);
  }
  return Done{};
}

lamina::Result<const lamina::Value*> Fields::object_in(std::string_view key) const {
  const Value* value = find(key);
  if (value != nullptr && !value->is(Kind::object)) return wrong(key, "an object", *value);
  return value;
}

lamina::Result<const lamina::Value*> Fields::list_in(std::string_view key) const {
  const Value* value = find(key);
  if (value != nullptr && !value->is(Kind::list)) return wrong(key, "a list", *value);
  return value;
}

}  // namespace program::serving
