// SPDX-License-Identifier: Apache-2.0
// JSON from untrusted files: depth limit, no duplicate keys, errors as values, every access checked.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <lamina/core/error.hpp>
#include <lamina/weights/file_error.hpp>
#include <lamina/weights/gguf_metadata.hpp>

namespace lamina {

/// Bounds on what is parsed.
struct JsonLimits {
  std::size_t bytes = std::size_t{16} << 20;
  int depth = 16;  ///< objects and arrays inside each other
};

namespace detail {

/// Runs a nlohmann SAX handler over bytes. The handler must have `Error error` and fill it before it returns
/// false.
template <class Handler>
[[nodiscard]] Status run_json(std::span<const std::byte> bytes, std::string_view source, Handler& handler) {
  // The parser takes NUL for the end of its input and would not see what follows.
  if (!bytes.empty() && std::memchr(bytes.data(), 0, bytes.size()) != nullptr) {
    return bad_file(place(source), "JSON holds a NUL byte", "JSON text", "byte 0x00");
  }
  const char* first = reinterpret_cast<const char*>(bytes.data());
  if (nlohmann::json::sax_parse(first, first + bytes.size(), &handler)) return Done{};
  return handler.error;
}

[[nodiscard]] inline Error json_syntax_error(std::string_view source, std::size_t position,
                                             std::string_view token) {
  return bad_file(place(source, text("byte %zu", position)), "JSON is not well-formed", "valid JSON",
                  token.empty() ? "the end of the file" : token);
}

/// Builds a document; refuses deep nesting and duplicate keys, which two readers could understand
/// differently.
class JsonBuilder {
 public:
  using json = nlohmann::json;
  JsonBuilder(std::string_view source, int depth)
      : source_(source), depth_(static_cast<std::size_t>(depth)) {}

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(json::number_integer_t value) { return add(value); }
  bool number_unsigned(json::number_unsigned_t value) { return add(value); }
  bool number_float(json::number_float_t value, const json::string_t&) { return add(value); }
  bool string(json::string_t& value) { return add(std::move(value)); }
  bool binary(json::binary_t&) { return false; }  // never occurs in text
  bool start_object(std::size_t) { return open(json::object()); }
  bool start_array(std::size_t) { return open(json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(json::string_t& value) {
    if (stack_.back()->contains(value)) {
      error = bad_file(place(source_, value), "JSON key occurs twice", "unique keys", "a duplicate");
      return false;
    }
    key_ = std::move(value);
    return true;
  }
  bool parse_error(std::size_t position, const std::string& token, const nlohmann::detail::exception&) {
    error = json_syntax_error(source_, position, token);
    return false;
  }

  json root;
  Error error;

 private:
  template <class Value>
  bool add(Value&& value) {
    (void)place_value(json(std::forward<Value>(value)));
    return true;
  }

  json* place_value(json&& value) {
    if (stack_.empty()) {
      root = std::move(value);
      return &root;
    }
    if (stack_.back()->is_array()) {
      stack_.back()->push_back(std::move(value));
      return &stack_.back()->back();
    }
    json& slot = (*stack_.back())[key_];
    slot = std::move(value);
    return &slot;
  }

  bool open(json&& container) {
    if (stack_.size() >= depth_) {
      error =
          bad_file(place(source_), "JSON is nested too deeply", text("at most %zu levels", depth_), "more");
      return false;
    }
    stack_.push_back(place_value(std::move(container)));
    return true;
  }

  bool close() {
    stack_.pop_back();
    return true;
  }

  std::string_view source_;
  std::size_t depth_;
  std::vector<json*>
      stack_;  // containers that are open; each is the last child of the one before, so none moves
  std::string key_;
};

}  // namespace detail

/// Parses a small JSON file into a document.
///
/// Errors   bad_file (too long, not well-formed, nested too deeply, a key twice); names `source` and the byte
[[nodiscard]] inline Result<nlohmann::json> parse_json(std::span<const std::byte> bytes,
                                                       std::string_view source, JsonLimits limits = {}) {
  if (bytes.size() > limits.bytes) {
    return bad_file(place(source), "JSON file is too long", text("at most %zu bytes", limits.bytes),
                    text("%zu", bytes.size()));
  }
  detail::JsonBuilder builder(source, limits.depth);
  LAMINA_TRY(detail::run_json(bytes, source, builder));
  return std::move(builder.root);
}

/// An object of a parsed file, read field by field; null counts as absent.
class JsonObject {
 public:
  JsonObject(const nlohmann::json* node, std::string_view source, std::string_view path = {})
      : node_(node), source_(source), path_(path) {}

  /// The value of a field; null if it is absent or null (or this is no object).
  [[nodiscard]] const nlohmann::json* find(std::string_view key) const {
    if (node_ == nullptr || !node_->is_object()) return nullptr;
    const auto at = node_->find(std::string(key));
    return at == node_->end() || at->is_null() ? nullptr : &*at;
  }
  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }

  /// Reads an integer, if it is there. Errors: bad_file (no integer, out of range).
  [[nodiscard]] Result<std::optional<std::int32_t>> integer(std::string_view key, IntegerRange range) const {
    const nlohmann::json* value = find(key);
    if (value == nullptr) return std::optional<std::int32_t>();
    std::int64_t number = 0;
    if (!as_integer(*value, number)) return wrong(key, "an integer", *value);
    if (number < range.low || number > range.high) {
      return bad_file(
          where(key), "number is out of range",
          text("%lld to %lld", static_cast<long long>(range.low), static_cast<long long>(range.high)),
          text("%lld", static_cast<long long>(number)));
    }
    return std::optional<std::int32_t>(static_cast<std::int32_t>(number));
  }

  /// Reads an integer that must be there.
  [[nodiscard]] Status required(std::string_view key, IntegerRange range, std::int32_t& out) const {
    const auto value = integer(key, range);
    if (!value) return value.error();
    if (!*value) return bad_file(where(key), "field is missing", "an integer", "nothing");
    out = **value;
    return Done{};
  }

  /// Reads a finite number, if it is there.
  [[nodiscard]] Result<std::optional<float>> real(std::string_view key) const {
    const nlohmann::json* value = find(key);
    if (value == nullptr) return std::optional<float>();
    if (!value->is_number()) return wrong(key, "a number", *value);
    const auto number = static_cast<float>(value->get<double>());
    if (!std::isfinite(number))
      return bad_file(where(key), "number is not finite", "a finite number", "more");
    return std::optional<float>(number);
  }

  [[nodiscard]] Result<bool> boolean_or(std::string_view key, bool absent) const {
    const nlohmann::json* value = find(key);
    if (value == nullptr) return absent;
    if (!value->is_boolean()) return wrong(key, "true or false", *value);
    return value->get<bool>();
  }

  /// Reads a string without copying; empty when absent.
  [[nodiscard]] Result<std::string_view> string_or_empty(std::string_view key) const {
    const nlohmann::json* value = find(key);
    if (value == nullptr) return std::string_view();
    if (!value->is_string()) return wrong(key, "a string", *value);
    return std::string_view(value->get_ref<const std::string&>());
  }

  /// Reads one integer or an array of them; empty when absent.
  [[nodiscard]] Result<std::vector<std::int32_t>> integers(std::string_view key, IntegerRange range) const {
    std::vector<std::int32_t> list;
    const nlohmann::json* value = find(key);
    if (value == nullptr) return list;
    const nlohmann::json one = value->is_array() ? nlohmann::json() : nlohmann::json::array({*value});
    for (const nlohmann::json& element : value->is_array() ? *value : one) {
      std::int64_t number = 0;
      if (!as_integer(element, number)) return wrong(key, "integers", element);
      if (number < range.low || number > range.high) {
        return bad_file(
            where(key), "number is out of range",
            text("%lld to %lld", static_cast<long long>(range.low), static_cast<long long>(range.high)),
            text("%lld", static_cast<long long>(number)));
      }
      list.push_back(static_cast<std::int32_t>(number));
    }
    return list;
  }

  /// Reads an object that may be absent (then all its fields are).
  [[nodiscard]] Result<JsonObject> object(std::string_view key) const {
    const nlohmann::json* value = find(key);
    if (value != nullptr && !value->is_object()) return wrong(key, "an object", *value);
    return JsonObject(value, source_, key);
  }

  [[nodiscard]] const nlohmann::json* node() const noexcept { return node_; }

  /// "config.json: text_config.hidden_size"
  [[nodiscard]] FixedText<192> where(std::string_view key) const {
    FixedText<192> line = place(source_, path_.empty() ? key : path_);
    if (!path_.empty()) {
      line.append(".");
      line.append(key);
    }
    return line;
  }

 private:
  // Values beyond 63 bits become the largest: every range is smaller.
  [[nodiscard]] static bool as_integer(const nlohmann::json& value, std::int64_t& out) {
    if (!value.is_number_integer()) return false;
    if (value.is_number_unsigned()) {
      const auto number = value.get<std::uint64_t>();
      out = number > INT64_MAX ? INT64_MAX : static_cast<std::int64_t>(number);
    } else {
      out = value.get<std::int64_t>();
    }
    return true;
  }

  [[nodiscard]] Error wrong(std::string_view key, std::string_view expected,
                            const nlohmann::json& value) const {
    return bad_file(where(key), "field has the wrong type", expected, value.type_name());
  }

  const nlohmann::json* node_;
  std::string_view source_;
  std::string path_;
};

}  // namespace lamina
