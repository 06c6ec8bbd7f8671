// SPDX-License-Identifier: Apache-2.0
// JSON from untrusted files as a document: depth limit, errors as values, every access checked.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/json/reader.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/gguf/metadata.hpp>

namespace lamina {

/// Bounds on what is parsed.
struct JsonLimits {
  std::size_t bytes = std::size_t{16} << 20;
  int depth = 16;  ///< objects and arrays inside each other
};

/// A parsed document. Unlike nlohmann's, its end takes no memory: theirs gathers the children of a container
/// first, and ends the program where that is refused.
class JsonDocument : public nlohmann::json {
 public:
  using json = nlohmann::json;

  JsonDocument() noexcept = default;
  JsonDocument(json&& value) noexcept : json(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  JsonDocument(JsonDocument&&) noexcept = default;
  JsonDocument& operator=(JsonDocument&& other) noexcept {
    empty_out(*this);
    json::operator=(static_cast<json&&>(other));
    return *this;
  }
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;
  ~JsonDocument() { empty_out(*this); }

  /// Removes what a container holds, from the inside out.
  static void empty_out(json& value) noexcept {
    if (!value.is_structured()) return;
    for (json& child : value) empty_out(child);
    value.clear();
  }
};

namespace detail {

/// Builds a document; refuses deep nesting.
///
/// A key that occurs twice with one value counts once. With two values it becomes a binary value, which no
/// JSON text has: whoever reads the field gets an error, and a field that nobody reads refuses no file.
class JsonBuilder : public TreeBuilder<JsonDocument, JsonBuilder> {
 public:
  using json = nlohmann::json;
  JsonBuilder(std::string_view source, int depth)
      : TreeBuilder(static_cast<std::size_t>(depth)), source_(source) {}

  bool null() { return add(json(nullptr)); }
  bool boolean(bool value) { return add(json(value)); }
  bool number_integer(std::int64_t value) { return add(json(value)); }
  bool number_unsigned(std::uint64_t value) { return add(json(value)); }
  bool number_float(double value, const std::string&) { return add(json(value)); }
  bool string(std::string& value) { return add(json(value)); }
  bool start_object() { return open(json::object()); }
  bool start_array() { return open(json::array()); }

  static void put(json& container, const std::string& key, JsonDocument value) {
    json& plain = value;
    if (container.is_array()) return container.push_back(std::move(plain));
    const auto [member, is_new] = container.emplace(key, std::move(plain));
    if (is_new || *member == plain) return;
    JsonDocument::empty_out(*member);
    *member = json::binary(json::binary_t::container_type());
  }
  [[nodiscard]] Error too_deep(std::size_t levels) const {
    return bad_file(place(source_), "JSON is nested too deeply", text("at most %zu levels", levels), "more");
  }

 private:
  std::string_view source_;
};

/// Whether a value is this string. nlohmann's `==` makes a value of the string first, and is noexcept.
[[nodiscard]] inline bool is_string(const nlohmann::json& value, std::string_view text) noexcept {
  const auto* string = value.get_ptr<const std::string*>();
  return string != nullptr && *string == text;
}

/// True for a key that a text holds twice, with two values.
[[nodiscard]] inline bool is_ambiguous(const nlohmann::json& value) noexcept { return value.is_binary(); }

}  // namespace detail

/// Parses a small JSON file into a document.
///
/// Errors   bad_file (too long, no JSON text, nested too deeply), out_of_memory; names `source` and the byte
[[nodiscard]] inline Result<JsonDocument> parse_json(std::span<const std::byte> bytes,
                                                     std::string_view source, JsonLimits limits = {}) {
  return guard_memory(source, [&]() -> Result<JsonDocument> {
    if (bytes.size() > limits.bytes) {
      return bad_file(place(source), "JSON file is too long", text("at most %zu bytes", limits.bytes),
                      text("%zu", bytes.size()));
    }
    detail::JsonBuilder builder(source, limits.depth);
    LAMINA_TRY(detail::run_json(bytes, source, builder));
    return std::move(builder.root());
  });
}

/// An object of a parsed file, read field by field; null counts as absent, and a field with two values is an
/// error once it is read.
class JsonObject {
 public:
  JsonObject(const nlohmann::json* node, std::string_view source, std::string_view path = {})
      : node_(node), source_(source), path_(path) {}

  /// The same object; what it does not state is looked up in `outer`, which the file has at top level.
  [[nodiscard]] JsonObject with_outer(const nlohmann::json* outer) const {
    JsonObject both = *this;
    both.outer_ = outer;
    return both;
  }

  /// The value of a field; null if it is absent or null (or this is no object).
  [[nodiscard]] const nlohmann::json* find(std::string_view key) const {
    const nlohmann::json* value = member(node_, key);
    if (says_something(value)) return value;
    const nlohmann::json* outside = member(outer_, key);
    return outside != nullptr ? outside : value;
  }

  /// True for a value that is there and neither null nor an empty object, which tools leave behind.
  [[nodiscard]] static bool says_something(const nlohmann::json* value) noexcept {
    return value != nullptr && !value->is_null() && !(value->is_object() && value->empty());
  }

  /// Reads an integer, if it is there; a number written with a fraction of zero is one. Errors: bad_file (no
  /// integer, out of range).
  [[nodiscard]] Result<std::optional<std::int32_t>> integer(std::string_view key, IntegerRange range) const {
    const nlohmann::json* value = find(key);
    if (value == nullptr) return std::optional<std::int32_t>();
    const auto number = read_integer(key, *value, range);
    if (!number) return number.error();
    return std::optional<std::int32_t>(*number);
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
    const auto exact = value->get<double>();
    // Written so that NaN fails too.
    if (!(std::fabs(exact) <= double{std::numeric_limits<float>::max()}))
      return bad_file(where(key), "number is not finite", "a finite number", text("%g", exact));
    return std::optional<float>(static_cast<float>(exact));
  }

  /// Reads a finite number above 0, if it is there.
  [[nodiscard]] Result<std::optional<float>> positive(std::string_view key) const {
    auto number = real(key);
    if (!number || !*number || **number > 0) return number;
    return bad_file(where(key), "number is out of range", "a number above 0", text("%g", double{**number}));
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

  /// Reads one integer or an array of them; empty when absent. Null elements are absent ones.
  [[nodiscard]] Result<std::vector<std::int32_t>> integers(std::string_view key, IntegerRange range) const {
    std::vector<std::int32_t> list;
    const nlohmann::json* value = find(key);
    if (value == nullptr) return list;
    const bool is_array = value->is_array();
    for (std::size_t i = 0; i < (is_array ? value->size() : 1); ++i) {
      const nlohmann::json& element = is_array ? (*value)[i] : *value;
      if (element.is_null()) continue;
      const auto number = read_integer(key, element, range);
      if (!number) return number.error();
      list.push_back(*number);
    }
    return list;
  }

  /// Reads an object that may be absent (then all its fields are).
  [[nodiscard]] Result<JsonObject> object(std::string_view key) const {
    const nlohmann::json* value = find(key);
    if (value != nullptr && !value->is_object()) return wrong(key, "an object", *value);
    return JsonObject(value, source_, path_of(key));
  }

  [[nodiscard]] const nlohmann::json* node() const noexcept { return node_; }

  /// "config.json: text_config.hidden_size"
  [[nodiscard]] FixedText<192> where(std::string_view key) const { return place(source_, path_of(key)); }

  /// The error of a field that has another type than the reader expects, or two values.
  [[nodiscard]] Error wrong(std::string_view key, std::string_view expected,
                            const nlohmann::json& value) const {
    if (detail::is_ambiguous(value))
      return bad_file(where(key), "JSON key occurs twice", "one value", "two different ones");
    if (value.is_number())
      return bad_file(where(key), "field has the wrong type", expected, text("%g", value.get<double>()));
    return bad_file(where(key), "field has the wrong type", expected, value.type_name());
  }

 private:
  /// A member that is there and not null.
  [[nodiscard]] static const nlohmann::json* member(const nlohmann::json* object, std::string_view key) {
    if (object == nullptr || !object->is_object()) return nullptr;
    const auto at = object->find(std::string(key));
    return at == object->end() || at->is_null() ? nullptr : &*at;
  }

  [[nodiscard]] std::string path_of(std::string_view key) const {
    const bool is_outside = !says_something(member(node_, key)) && member(outer_, key) != nullptr;
    std::string path = path_.empty() || is_outside ? std::string() : path_ + ".";
    return path += key;
  }

  [[nodiscard]] Result<std::int32_t> read_integer(std::string_view key, const nlohmann::json& value,
                                                  IntegerRange range) const {
    // Every range lies inside the numbers that a double holds exactly.
    const double number = value.is_number() ? value.get<double>() : std::nan("");
    if (std::trunc(number) != number) return wrong(key, "an integer", value);
    if (number < static_cast<double>(range.low) || number > static_cast<double>(range.high)) {
      return bad_file(
          where(key), "number is out of range",
          text("%lld to %lld", static_cast<long long>(range.low), static_cast<long long>(range.high)),
          text("%.15g", number));
    }
    return static_cast<std::int32_t>(number);
  }

  const nlohmann::json* node_;
  const nlohmann::json* outer_ = nullptr;
  std::string_view source_;
  std::string path_;  // of the object itself; empty at top level
};

}  // namespace lamina
