// SPDX-License-Identifier: Apache-2.0
// What benches print: rows of named values, as JSON or as a table, and medians.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

/// Requires `values` is not empty.
[[nodiscard]] inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// One JSON object; values stay in the order in which they were added.
class Row {
 public:
  Row& add(std::string_view name, std::string_view text) {
    std::string quoted = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return add_raw(name, quoted + "\"");
  }
  Row& add(std::string_view name, const char* text) { return add(name, std::string_view(text)); }
  Row& add(std::string_view name, double number) {
    std::array<char, 32> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%.7g", number);
    return add_raw(name, buffer.data());
  }
  /// Median, least and greatest of `values`.
  Row& add_spread(std::string_view name, const std::vector<double>& values) {
    Row spread;
    spread.add("median", median(values));
    spread.add("min", *std::min_element(values.begin(), values.end()));
    spread.add("max", *std::max_element(values.begin(), values.end()));
    return add_raw(name, spread.text());
  }

  [[nodiscard]] std::string text() const { return "{" + fields_ + "}"; }

 private:
  Row& add_raw(std::string_view name, std::string_view value) {
    if (!fields_.empty()) fields_ += ", ";
    fields_.append("\"").append(name).append("\": ").append(value);
    return *this;
  }

  std::string fields_;
};

/// A document {"what": ..., "<list>": [rows], ...} on stdout, a row a line.
class JsonDocument {
 public:
  explicit JsonDocument(const Row& head) : head_(head) {}
  void add(std::string_view list, const Row& row) {
    const auto known =
        std::find_if(lists_.begin(), lists_.end(), [&](const auto& one) { return one.first == list; });
    auto& rows = known != lists_.end() ? known->second : lists_.emplace_back(list, "").second;
    rows += (rows.empty() ? "\n    " : ",\n    ") + row.text();
  }
  void print() const {
    std::printf("{\"bench\": %s", head_.text().c_str());
    for (const auto& [name, rows] : lists_) std::printf(",\n  \"%s\": [%s]", name.c_str(), rows.c_str());
    std::puts("}");
  }

 private:
  Row head_;
  std::vector<std::pair<std::string, std::string>> lists_;
};

}  // namespace bench
