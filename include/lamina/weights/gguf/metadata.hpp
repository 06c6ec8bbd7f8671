// SPDX-License-Identifier: Apache-2.0
// The key-value section of a GGUF file: values stay in the file, scalars are copied, arrays are decoded on
// demand. Source: weight-files.md §1.2 (encoding), §2 (how leniently values are read).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/formats/byte_cursor.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/gguf/value.hpp>

namespace lamina {

/// All metadata of a file. Keys are copied; values view the file's bytes, which must outlive it.
class GgufMetadata {
 public:
  struct Entry {
    std::string key;
    GgufValue value;
  };

  GgufMetadata() = default;
  GgufMetadata(std::string source, std::vector<Entry> sorted_entries)
      : source_(std::move(source)), entries_(std::move(sorted_entries)) {}

  [[nodiscard]] std::span<const Entry> entries() const noexcept {
    return entries_;
  }                                                                           ///< sorted by key, unique
  [[nodiscard]] std::string_view source() const noexcept { return source_; }  ///< file name for messages
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }

  /// Finds a value by its key; null if absent.
  [[nodiscard]] const GgufValue* find(std::string_view key) const noexcept {
    const auto at =
        std::lower_bound(entries_.begin(), entries_.end(), key,
                         [](const Entry& entry, std::string_view wanted) { return entry.key < wanted; });
    return at != entries_.end() && at->key == key ? &at->value : nullptr;
  }

  /// Reads a string without copying. Errors: bad_file when absent or no string.
  [[nodiscard]] Result<std::string_view> string(std::string_view key) const {
    const GgufValue* value = find(key);
    if (value == nullptr) return missing(key, "string");
    if (value->type != GgufType::string) return wrong_type(key, "string", *value);
    return as_string(value->bytes);
  }

  /// Reads a string that may be absent (then empty). Errors: bad_file when it is no string.
  [[nodiscard]] Result<std::string_view> string_or_empty(std::string_view key) const {
    if (find(key) == nullptr) return std::string_view();
    return string(key);
  }

  /// Reads an integer of any integer type. Errors: bad_file when absent, no single integer, or outside
  /// `range`.
  [[nodiscard]] Result<std::int64_t> integer(std::string_view key, IntegerRange range) const {
    const GgufValue* value = find(key);
    if (value == nullptr) return missing(key, "integer");
    if (!holds_integers(value->type, range)) return wrong_type(key, "integer", *value);
    return integer_at(key, *value, 0, range);
  }

  [[nodiscard]] Result<std::int64_t> integer_or(std::string_view key, IntegerRange range,
                                                std::int64_t absent) const {
    if (find(key) == nullptr) return absent;
    return integer(key, range);
  }

  /// Fills `out` from a scalar (repeated) or from an array of exactly `out.size()` elements: what the format
  /// defines per layer. Errors: bad_file.
  [[nodiscard]] Status integers(std::string_view key, IntegerRange range, std::span<std::int32_t> out) const {
    const GgufValue* value = find(key);
    if (value == nullptr) return missing(key, "integer or array of integers");
    const bool is_array = value->type == GgufType::array;
    if (!holds_integers(value->element, range)) {
      return wrong_type(key, "integer or array of integers", *value);
    }
    if (is_array && value->count != out.size()) {
      return bad_file(place(source_, key), "array has another length than it must have",
                      text("%zu elements", out.size()),
                      text("%llu", static_cast<unsigned long long>(value->count)));
    }
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto element = integer_at(key, *value, is_array ? i : 0, range);
      if (!element) return element.error();
      out[i] = static_cast<std::int32_t>(*element);
    }
    return Done{};
  }

  /// Reads a float of either width that is finite. Errors: bad_file.
  [[nodiscard]] Result<float> real(std::string_view key) const {
    const GgufValue* value = find(key);
    if (value == nullptr) return missing(key, "float");
    float number = 0;
    if (value->type == GgufType::f32) {
      number = load_unaligned<float>(value->bytes.data());
    } else if (value->type == GgufType::f64) {
      number = static_cast<float>(load_unaligned<double>(value->bytes.data()));
    } else {
      return wrong_type(key, "float", *value);
    }
    if (!std::isfinite(number)) {
      return bad_file(place(source_, key), "number is not finite", "a finite float",
                      text("%g", double{number}));
    }
    return number;
  }

  [[nodiscard]] Result<float> real_or(std::string_view key, float absent) const {
    if (find(key) == nullptr) return absent;
    return real(key);
  }

  [[nodiscard]] Result<bool> boolean_or(std::string_view key, bool absent) const {
    const GgufValue* value = find(key);
    if (value == nullptr) return absent;
    if (value->type != GgufType::boolean) return wrong_type(key, "bool", *value);
    return value->bytes[0] != std::byte{0};
  }

  /// Views all strings of an array, in order; empty when the key is absent.
  ///
  /// Errors   bad_file (another type; or the file changed since it was checked)
  /// Cost     16 bytes and a few nanoseconds a string; touches only the length fields
  [[nodiscard]] Result<std::vector<std::string_view>> strings(std::string_view key) const {
    std::vector<std::string_view> list;
    const GgufValue* value = find(key);
    if (value == nullptr) return list;
    if (value->type != GgufType::array || value->element != GgufType::string) {
      return wrong_type(key, "array of strings", *value);
    }
    list.reserve(value->count);
    ByteCursor cursor(value->bytes);
    for (std::uint64_t i = 0; i < value->count; ++i) {
      std::uint64_t length = 0;
      std::span<const std::byte> bytes;
      // Checked once already; checked again because the file may have been changed under the map.
      if (!cursor.read(length) || !cursor.take(length, bytes)) {
        return bad_file(place(source_, key), "the file changed while it was in use");
      }
      list.push_back(as_string(bytes));
    }
    return list;
  }

  /// Copies an array of integers; empty when the key is absent.
  [[nodiscard]] Result<std::vector<std::int32_t>> integer_list(std::string_view key,
                                                               IntegerRange range) const {
    std::vector<std::int32_t> list;
    const GgufValue* value = find(key);
    if (value == nullptr) return list;
    if (value->type != GgufType::array || !holds_integers(value->element, range)) {
      return wrong_type(key, "array of integers", *value);
    }
    list.resize(value->count);
    LAMINA_TRY(integers(key, range, list));
    return list;
  }

  /// Copies an array of float32; empty when the key is absent.
  [[nodiscard]] Result<std::vector<float>> real_list(std::string_view key) const {
    std::vector<float> list;
    const GgufValue* value = find(key);
    if (value == nullptr) return list;
    if (value->type != GgufType::array || value->element != GgufType::f32) {
      return wrong_type(key, "array of float32", *value);
    }
    list.resize(value->count);
    if (!list.empty()) std::memcpy(list.data(), value->bytes.data(), list.size() * sizeof(float));
    return list;
  }

  /// Elements of an array of strings, or of one of numbers; 0 when the key is absent. Errors: bad_file.
  [[nodiscard]] Result<std::uint64_t> strings_count(std::string_view key) const {
    return array_count(key, "array of strings", [](GgufType type) { return type == GgufType::string; });
  }
  [[nodiscard]] Result<std::uint64_t> numbers_count(std::string_view key) const {
    return array_count(key, "array of numbers", [](GgufType type) { return type != GgufType::string; });
  }

 private:
  [[nodiscard]] static std::string_view as_string(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  template <class Fits>
  [[nodiscard]] Result<std::uint64_t> array_count(std::string_view key, std::string_view expected,
                                                  Fits&& fits) const {
    const GgufValue* value = find(key);
    if (value == nullptr) return std::uint64_t{0};
    if (value->type != GgufType::array || !fits(value->element)) return wrong_type(key, expected, *value);
    return value->count;
  }

  // Flags may be written as integers and integers of the range 0 to 1 as flags.
  [[nodiscard]] static bool holds_integers(GgufType type, IntegerRange range) noexcept {
    return is_integer(type) || (type == GgufType::boolean && range.low == 0 && range.high == 1);
  }

  [[nodiscard]] Error missing(std::string_view key, std::string_view type) const {
    return bad_file(place(source_, key), "metadata key is missing", type, "nothing");
  }

  [[nodiscard]] Error wrong_type(std::string_view key, std::string_view expected,
                                 const GgufValue& value) const {
    FixedText<160> found(name_of(value.type));
    if (value.type == GgufType::array) {
      found = text("array of %llu x %.*s", static_cast<unsigned long long>(value.count),
                   static_cast<int>(name_of(value.element).size()), name_of(value.element).data());
    }
    return bad_file(place(source_, key), "metadata value has the wrong type", expected, found);
  }

  // Requires that the caller checked `index` against the count, and the type.
  [[nodiscard]] Result<std::int64_t> integer_at(std::string_view key, const GgufValue& value,
                                                std::size_t index, IntegerRange range) const {
    const std::byte* at = value.bytes.data() + index * size_of(value.element);
    std::int64_t number = 0;
    switch (value.element) {
      case GgufType::u8:
        number = load_unaligned<std::uint8_t>(at);
        break;
      case GgufType::i8:
        number = load_unaligned<std::int8_t>(at);
        break;
      case GgufType::u16:
        number = load_unaligned<std::uint16_t>(at);
        break;
      case GgufType::i16:
        number = load_unaligned<std::int16_t>(at);
        break;
      case GgufType::u32:
        number = load_unaligned<std::uint32_t>(at);
        break;
      case GgufType::i32:
        number = load_unaligned<std::int32_t>(at);
        break;
      case GgufType::boolean:
        number = load_unaligned<std::uint8_t>(at) != 0 ? 1 : 0;
        break;
      case GgufType::i64:
        number = load_unaligned<std::int64_t>(at);
        break;
      case GgufType::u64: {
        constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
        number = static_cast<std::int64_t>(std::min(load_unaligned<std::uint64_t>(at), most));
        break;
      }
      case GgufType::f32:
      case GgufType::f64:
      case GgufType::string:
      case GgufType::array:
        return wrong_type(key, "integer", value);
    }
    if (number < range.low || number > range.high) {
      return bad_file(
          place(source_, key), "number is out of range",
          text("%lld to %lld", static_cast<long long>(range.low), static_cast<long long>(range.high)),
          text("%lld", static_cast<long long>(number)));
    }
    return number;
  }

  std::string source_;
  std::vector<Entry> entries_;
};

}  // namespace lamina
