// SPDX-License-Identifier: Apache-2.0
// The JSON header of a safetensors file -> checked entries.
// Source: weight-files.md §6.1, §6.2 ("rule n" below).
#pragma once

#include <algorithm>
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
#include <lamina/core/file_error.hpp>
#include <lamina/weights/safetensors.hpp>

namespace lamina {

/// A checked safetensors file: entries sorted by offset, and the bytes that their offsets count in.
struct SafetensorsContents {
  std::vector<SafetensorsEntry> entries;
  std::span<const std::byte> data;

  [[nodiscard]] std::span<const std::byte> bytes_of(const SafetensorsEntry& entry) const noexcept {
    return data.subspan(static_cast<std::size_t>(entry.begin),
                        static_cast<std::size_t>(entry.end - entry.begin));
  }
};

namespace detail {

/// Reads the header as events; knows exactly the shape that rule 3 allows.
class SafetensorsHeader {
 public:
  explicit SafetensorsHeader(std::string_view source) : source_(source) {}

  bool null() { return unexpected("null"); }
  bool boolean(bool) { return unexpected("a bool"); }
  bool number_integer(std::int64_t) { return unexpected("a negative number"); }
  bool number_float(double, const std::string& digits) { return unexpected(digits); }

  bool number_unsigned(std::uint64_t value) {
    if (level_ != Level::list || value > safetensors_max_number)
      return unexpected(text("%llu", as_printed(value)));
    if (member_ == Member::shape) {
      if (entries.back().shape.size() >= safetensors_max_dimensions)
        return unexpected("more than 8 dimensions");
      entries.back().shape.push_back(value);
      return true;
    }
    if (offsets_ == 2) return unexpected("a third offset");
    (offsets_++ == 0 ? entries.back().begin : entries.back().end) = value;
    return true;
  }

  bool string(std::string& value) {
    if (level_ == Level::metadata) return true;
    if (level_ != Level::entry || member_ != Member::dtype) return unexpected("a string");
    entries.back().dtype = std::move(value);
    return true;
  }

  bool start_object() {
    switch (level_) {
      case Level::outside:
        level_ = Level::file;
        return true;
      case Level::file:
        level_ = in_metadata_ ? Level::metadata : Level::entry;
        return true;
      case Level::entry:
      case Level::list:
      case Level::metadata:
        break;
    }
    return unexpected("an object");
  }

  bool key(std::string& value) {
    if (level_ == Level::entry) return start_member(value);
    if (level_ == Level::metadata) {
      metadata_keys_.push_back(std::move(value));
      return true;
    }
    in_metadata_ = value == "__metadata__";
    if (in_metadata_) {
      if (std::exchange(had_metadata_, true))
        return fail("__metadata__", "key occurs twice", "unique keys", "a duplicate");
      return true;
    }
    if (entries.size() >= safetensors_max_tensors) {
      return fail("header", "too many tensors", text("at most %zu", safetensors_max_tensors), "more");
    }
    if (value.empty() || value.size() > safetensors_max_name) {
      return fail(value, "tensor name is not usable", text("1 to %zu bytes", safetensors_max_name),
                  text("%zu", value.size()));
    }
    entries.push_back({std::move(value), {}, {}, 0, 0});
    members_ = 0;
    offsets_ = 0;
    return true;
  }

  bool end_object() {
    if (level_ == Level::entry && members_ != 7) {
      return fail(entries.back().name, "entry is incomplete", "dtype, shape and data_offsets", "fewer");
    }
    if (level_ == Level::metadata) {
      std::sort(metadata_keys_.begin(), metadata_keys_.end());
      const auto twice = std::adjacent_find(metadata_keys_.begin(), metadata_keys_.end());
      if (twice != metadata_keys_.end())
        return fail("__metadata__", "key occurs twice", "unique keys", *twice);
    }
    level_ = level_ == Level::file ? Level::outside : Level::file;
    return true;
  }

  bool start_array() {
    if (level_ != Level::entry || member_ == Member::dtype) return unexpected("an array");
    level_ = Level::list;
    return true;
  }

  bool end_array() {
    if (member_ == Member::offsets && offsets_ != 2) return unexpected("fewer than two offsets");
    level_ = Level::entry;
    return true;
  }

  [[nodiscard]] const Error& error() const noexcept { return error_; }

  std::vector<SafetensorsEntry> entries;

 private:
  enum class Level : std::uint8_t { outside, file, metadata, entry, list };
  enum class Member : std::uint8_t { dtype = 1, shape = 2, offsets = 4 };

  [[nodiscard]] static unsigned long long as_printed(std::uint64_t value) noexcept { return value; }

  bool start_member(std::string_view name) {
    if (name == "dtype") {
      member_ = Member::dtype;
    } else if (name == "shape") {
      member_ = Member::shape;
    } else if (name == "data_offsets") {
      member_ = Member::offsets;
    } else {
      return fail(entries.back().name, "entry has an unknown member", "dtype, shape and data_offsets", name);
    }
    const auto bit = static_cast<unsigned>(member_);
    if ((members_ & bit) != 0) return fail(entries.back().name, "member occurs twice", "unique keys", name);
    members_ |= bit;
    return true;
  }

  bool unexpected(std::string_view found) {
    const bool named = !entries.empty() && !in_metadata_ &&
                       (level_ == Level::file || level_ == Level::entry || level_ == Level::list);
    const std::string_view expected = level_ == Level::metadata  ? "strings"
                                      : level_ == Level::outside ? "an object"
                                      : level_ == Level::file    ? "an object"
                                      : level_ == Level::list || member_ != Member::dtype
                                          ? "integers from 0 to 2^48"
                                          : "a string";
    return fail(named          ? std::string_view(entries.back().name)
                : in_metadata_ ? "__metadata__"
                               : "header",
                "header value has the wrong form", expected, found);
  }

  bool fail(std::string_view item, std::string_view what, std::string_view expected, std::string_view found) {
    error_ = bad_file(place(source_, item), what, expected, found);
    return false;
  }

  std::string_view source_;
  Error error_;
  Level level_ = Level::outside;
  Member member_ = Member::dtype;
  unsigned members_ = 0;  // bits of the members this entry has had
  int offsets_ = 0;
  bool in_metadata_ = false;
  bool had_metadata_ = false;
  std::vector<std::string> metadata_keys_;
};

}  // namespace detail

/// Parses and checks a safetensors file; all rules of §6.2.
///
/// Shapes    entries and data view nothing but `bytes`, which must outlive the result
/// Errors    out_of_memory; bad_file, naming the tensor (or the byte of the header)
/// Cost      proportional to the header; tensor data is not touched
[[nodiscard]] inline Result<SafetensorsContents> parse_safetensors(std::span<const std::byte> bytes,
                                                                   std::string_view source) {
  return guard_memory(source, [&]() -> Result<SafetensorsContents> {
    const auto parts = split_safetensors(bytes, source);
    if (!parts) return parts.error();
    detail::SafetensorsHeader header(source);
    LAMINA_TRY(detail::run_json(parts->header, source, header, IllFormed::refuse));
    LAMINA_TRY(check_safetensors_layout(header.entries, parts->data.size(), source));
    return SafetensorsContents{std::move(header.entries), parts->data};
  });
}

}  // namespace lamina
