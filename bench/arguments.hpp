// SPDX-License-Identifier: Apache-2.0
// Command lines of the benches: words, `--name value` and `--name`.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// Parts of "a,b,c".
[[nodiscard]] inline std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    parts.emplace_back(list.substr(0, comma));
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
  return parts;
}

/// A whole number at the front of `text`, which is moved behind it; none if there is none.
[[nodiscard]] inline std::optional<std::uint32_t> take_number(std::string_view& text) {
  std::uint32_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

/// What was written on the command line. Ask for everything first, then for `complain`.
class Arguments {
 public:
  Arguments(int count, char** values) : words_(values + (count > 0 ? 1 : 0), values + count) {}

  /// Takes `--name value`; `otherwise` if it is not there.
  [[nodiscard]] std::string value(std::string_view name, std::string_view otherwise) {
    for (std::size_t i = 0; i + 1 < words_.size(); ++i) {
      if (words_[i] != name) continue;
      std::string found = words_[i + 1];
      words_.erase(words_.begin() + static_cast<std::ptrdiff_t>(i),
                   words_.begin() + static_cast<std::ptrdiff_t>(i) + 2);
      return found;
    }
    return std::string(otherwise);
  }

  /// Takes `--name number`.
  [[nodiscard]] std::uint32_t number(std::string_view name, std::uint32_t otherwise) {
    const std::string text = value(name, std::to_string(otherwise));
    return number_of(name, text);
  }

  /// Takes `--name 1,2,3`.
  [[nodiscard]] std::vector<std::uint32_t> numbers(std::string_view name, std::string_view otherwise) {
    std::vector<std::uint32_t> numbers;
    for (const std::string& part : split(value(name, otherwise))) numbers.push_back(number_of(name, part));
    return numbers;
  }

  /// Takes `--name`; true if it is there.
  [[nodiscard]] bool flag(std::string_view name) { return std::erase(words_, name) > 0; }

  /// Takes the next word that is no option; empty if there is none.
  [[nodiscard]] std::string word() {
    if (words_.empty() || words_.front().starts_with("-")) return "";
    std::string first = words_.front();
    words_.erase(words_.begin());
    return first;
  }

  /// True if something was wrong or is left over; says what.
  [[nodiscard]] bool complain() {
    for (const std::string& word : words_) problems_.push_back("unknown: " + word);
    for (const std::string& problem : problems_) std::fprintf(stderr, "%s\n", problem.c_str());
    return !problems_.empty();
  }

 private:
  std::uint32_t number_of(std::string_view name, std::string_view text) {
    std::string_view rest = text;
    const auto number = take_number(rest);
    if (number && rest.empty()) return *number;
    problems_.push_back(std::string(name) + ": not a number: " + std::string(text));
    return 0;
  }

  std::vector<std::string> words_;
  std::vector<std::string> problems_;
};

}  // namespace bench
