// SPDX-License-Identifier: Apache-2.0
// Requests read field by field: what is missing or null is left as it is, what is of another type or out of
// range is an error that names the field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/chat/value.hpp>
#include <lamina/core/error.hpp>

namespace program::serving {

/// One object of a request.
class Fields {
 public:
  using Value = lamina::Value;

  /// `path` names the object in errors; empty for the request itself. The value must outlive this.
  explicit Fields(const Value& object, std::string path = {}) : object_(&object), path_(std::move(path)) {}

  /// The value of a field that is there and not null.
  [[nodiscard]] const Value* find(std::string_view key) const noexcept;
  [[nodiscard]] std::string path_of(std::string_view key) const;
  [[nodiscard]] const Value& object() const noexcept { return *object_; }

  [[nodiscard]] lamina::Status number(std::string_view key, double low, double high, double& out) const;
  [[nodiscard]] lamina::Status number(std::string_view key, double low, double high, float& out) const;
  [[nodiscard]] lamina::Status integer(std::string_view key, std::int64_t low, std::int64_t high,
                                       std::optional<std::int64_t>& out) const;
  [[nodiscard]] lamina::Status integer(std::string_view key, std::uint32_t low, std::uint32_t high,
                                       std::uint32_t& out) const;
  [[nodiscard]] lamina::Status flag(std::string_view key, bool& out) const;
  [[nodiscard]] lamina::Status text(std::string_view key, std::string& out) const;
  /// One text, or a list of them.
  [[nodiscard]] lamina::Status texts(std::string_view key, std::size_t most,
                                     std::vector<std::string>& out) const;
  /// An object; null if it is not there.
  [[nodiscard]] lamina::Result<const Value*> object_in(std::string_view key) const;
  /// A list; null if it is not there.
  [[nodiscard]] lamina::Result<const Value*> list_in(std::string_view key) const;

  [[nodiscard]] lamina::Error wrong(std::string_view key, std::string_view expected,
                                    const Value& found) const;
  /// The error of a field whose value is not among those that are known.
  [[nodiscard]] lamina::Error unknown(std::string_view key, std::string_view expected,
                                      std::string_view found) const;
  [[nodiscard]] lamina::Error missing(std::string_view key, std::string_view expected) const;

 private:
  const Value* object_;
  std::string path_;
};

/// An error of a field of a request.
[[nodiscard]] lamina::Error field_error(std::string_view path, std::string_view what,
                                        std::string_view expected, std::string_view found);
/// As above, of something that is known and not offered.
[[nodiscard]] lamina::Error not_offered(std::string_view path, std::string_view expected,
                                        std::string_view found);

/// Parses the text of a request: one object, with no more values than memory is meant for.
///
/// Errors   bad_argument, out_of_memory
[[nodiscard]] lamina::Result<lamina::Value> parse_request(std::string_view text);

/// The integer that a value is. Nothing for other values, and beyond 64 bits.
[[nodiscard]] std::optional<std::int64_t> integer_of(const lamina::Value& value) noexcept;

}  // namespace program::serving
