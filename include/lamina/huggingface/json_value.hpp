// SPDX-License-Identifier: Apache-2.0
// JSON text to `Value`: keys in order, integers of any size with all their digits, nesting limited.
// Source: tokenizer-and-chat.md §6.4 (numbers).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <lamina/core/error.hpp>
#include <lamina/huggingface/json_text.hpp>
#include <lamina/text/value.hpp>

namespace lamina {

namespace detail {

/// Builds a `Value` from the events of nlohmann's parser (its SAX interface).
class ValueBuilder {
 public:
  using Json = nlohmann::json;

  /// `source` is the text as it came, of which an error tells the byte.
  explicit ValueBuilder(std::string_view source) noexcept : source_(source) {}

  bool null() { return add(Value{}); }
  bool boolean(bool value) { return add(Value::boolean(value)); }
  bool number_integer(std::int64_t value) { return add(Value::integer(std::to_string(value))); }
  bool number_unsigned(std::uint64_t value) { return add(Value::integer(std::to_string(value))); }
  /// Also called for integers of more than 64 bits; `digits` is the text as written.
  bool number_float(double value, const std::string& digits) {
    if (digits.find_first_of(".eE") == std::string::npos) return add(Value::integer(digits));
    return add(Value::real(value));
  }
  bool string(std::string& value) { return add(Value::string(value)); }
  bool binary(Json::binary_t&) { return false; }
  bool key(std::string& value) {
    keys_.back() = value;
    return true;
  }
  bool start_object(std::size_t) { return open(Value::object()); }
  bool start_array(std::size_t) { return open(Value::list()); }
  bool end_object() {
    open_.back().join_repeated_keys();
    return close();
  }
  bool end_array() { return close(); }
  bool parse_error(std::size_t position, const std::string& token, const Json::exception& reason) {
    constexpr int number_overflow = 406;  // of nlohmann's list of errors
    const std::size_t byte = original_offset(source_, position);
    const bool overflow = reason.id == number_overflow;
    error_ = Error{ErrorCode::bad_argument,
                   "JSON",
                   overflow ? "number is too large" : "not valid JSON",
                   overflow ? "at most 1.79e308" : "JSON text",
                   overflow ? std::string_view(token) : text_before(source_, byte),
                   text("the mistake is near byte %zu", byte).view()};
    return false;
  }

  [[nodiscard]] Value& root() noexcept { return root_; }
  [[nodiscard]] const Error& error() const noexcept { return error_; }

 private:
  bool add(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is(Value::Kind::object)) {
      open_.back().append(keys_.back(), std::move(value));
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }
  bool open(Value container) {
    if (open_.size() >= 2 * deepest_value) {
      error_ = Error{ErrorCode::bad_argument,
                     "JSON",
                     "nested too deeply",
                     text("at most %zu levels", 2 * deepest_value),
                     "more",
                     ""};
      return false;
    }
    open_.push_back(std::move(container));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    Value done = std::move(open_.back());
    open_.pop_back();
    keys_.pop_back();
    return add(std::move(done));
  }

  std::string_view source_;
  Value root_;
  std::vector<Value> open_;        ///< containers not yet closed, outermost first
  std::vector<std::string> keys_;  ///< [open_] the key whose value comes next
  Error error_;
};

}  // namespace detail

/// Parses a JSON text; ill-formed characters in it become U+FFFD (`well_formed_json`).
///
/// Errors   bad_argument: no JSON, anything behind the document, a number that no double holds, nested more
///          than 128 levels deep
[[nodiscard]] inline Result<Value> parse_json_value(std::string_view json) {
  const auto text = well_formed_json(json);
  if (!text) return text.error();
  detail::ValueBuilder builder(json);
  if (!nlohmann::json::sax_parse(text->data(), text->data() + text->size(), &builder)) return builder.error();
  return std::move(builder.root());
}

}  // namespace lamina
