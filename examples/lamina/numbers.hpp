// SPDX-License-Identifier: Apache-2.0
// Options whose values are checked to the last letter; errors say what was expected and what was found.
#pragma once

#include <charconv>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <CLI/CLI.hpp>

#include <lamina/core/error.hpp>

namespace program {

/// "expected EXPECTED, found TEXT"; text that is empty is called nothing.
[[nodiscard]] inline std::string expected_found(const std::string& expected, std::string_view found) {
  return "expected " + expected + ", found " + (found.empty() ? "nothing" : std::string(found));
}

/// Reads all of `text` as a number of [low, high].
template <class T>
[[nodiscard]] bool read_number(std::string_view text, T low, T high, T& value) noexcept {
  T number{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  // Written so that NaN fails too.
  if (problem != std::errc{} || end != text.data() + text.size() || !(number >= low && number <= high))
    return false;
  value = number;
  return true;
}

/// Adds an option that takes one number of [low, high]. Not CLI11's own: that takes NaN, octal numbers, and
/// drops overflow.
template <class T>
CLI::Option* add_number(CLI::App& command, const std::string& names, T& value, T low, T high,
                        const std::string& description) {
  const std::string name = names.substr(names.find("--"));
  const auto read = [name, low, high, &value](const std::string& text) {
    if (read_number(text, low, high, value)) return;
    const bool whole = std::is_integral_v<T>;
    const auto limit = [whole](T number) {
      return whole ? std::to_string(number)
                   : std::string(lamina::text("%g", static_cast<double>(number)).view());
    };
    throw CLI::ValidationError(name, expected_found((whole ? "a whole number from " : "a number from ") +
                                                        limit(low) + " to " + limit(high),
                                                    text));
  };
  return command.add_option_function<std::string>(names, read, description)
      ->type_name(std::is_integral_v<T> ? "N" : "X");
}

/// Adds an option that takes one of a few words.
inline CLI::Option* add_choice(CLI::App& command, const std::string& names, std::string& value,
                               std::initializer_list<const char*> words, const std::string& description) {
  const std::vector<std::string> known(words.begin(), words.end());
  return command.add_option(names, value, description)->check([known](const std::string& text) {
    std::string list;
    for (std::size_t i = 0; i < known.size(); ++i) {
      if (text == known[i]) return std::string();
      if (i > 0) list += i + 1 < known.size() ? ", " : " or ";
      list += known[i];
    }
    return expected_found(list, text);
  });
}

}  // namespace program
