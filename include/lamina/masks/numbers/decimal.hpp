// SPDX-License-Identifier: Apache-2.0
// Decimal numbers of any size, compared and divided without rounding.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <lamina/core/config.hpp>

namespace lamina::masks {

/// digits × 10^exponent, without zeros at either end of the digits; no digits for zero.
struct Decimal {
  std::string digits;
  std::int64_t exponent = 0;
  bool negative = false;

  /// Reads a number as JSON writes it. Requires: well-formed.
  [[nodiscard]] static Decimal read(std::string_view text) {
    Decimal out;
    if (text.starts_with('-')) {
      out.negative = true;
      text.remove_prefix(1);
    }
    if (const std::size_t e = text.find_first_of("eE"); e != text.npos) {
      std::string_view power = text.substr(e + 1);
      if (power.starts_with('+')) power.remove_prefix(1);
      const auto read = std::from_chars(power.data(), power.data() + power.size(), out.exponent);
      if (read.ec == std::errc::result_out_of_range || out.exponent > far || out.exponent < -far)
        out.exponent = power.starts_with('-') ? -far : far;
      text = text.substr(0, e);
    }
    for (std::size_t i = 0, point = text.find('.'); i < text.size(); ++i) {
      if (text[i] == '.') continue;
      if (point != text.npos && i > point) --out.exponent;
      if (text[i] != '0' || !out.digits.empty()) out.digits += text[i];
    }
    while (out.digits.ends_with('0')) {
      out.digits.pop_back();
      ++out.exponent;
    }
    if (out.digits.empty()) {
      out.exponent = 0;
      out.negative = false;
    }
    return out;
  }

  [[nodiscard]] bool is_zero() const noexcept { return digits.empty(); }
  [[nodiscard]] bool is_integer() const noexcept { return exponent >= 0; }
  /// About the number; infinite where a double has no room.
  [[nodiscard]] double about() const noexcept {
    const std::string text =
        (negative ? "-" : "") + (digits.empty() ? "0" : digits) + "e" + std::to_string(exponent);
    double value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec == std::errc::result_out_of_range && magnitude() > 0) value = negative ? -HUGE_VAL : HUGE_VAL;
    return value;
  }

  /// Below zero, zero or above it, as this is less than, equal to or greater than `other`.
  [[nodiscard]] int compare(const Decimal& other) const noexcept {
    const int sign = sign_of(), other_sign = other.sign_of();
    if (sign != other_sign) return sign - other_sign;
    const int magnitudes = compare_magnitude(other);
    return sign < 0 ? -magnitudes : magnitudes;
  }

  /// Whether this is a whole number of times `divisor`. Requires: the divisor has at most 18 digits, not 0.
  [[nodiscard]] bool is_multiple_of(const Decimal& divisor) const noexcept {
    if (is_zero()) return true;
    std::int64_t power = exponent - divisor.exponent;
    if (power < 0) return false;  // the digits end in no zero
    std::uint64_t modulus = 0;
    for (const char c : divisor.digits) modulus = modulus * 10 + static_cast<std::uint64_t>(c - '0');
    __extension__ using Wide = unsigned __int128;
    std::uint64_t rest = 0;
    for (const char c : digits)
      rest = static_cast<std::uint64_t>((Wide{rest} * 10 + static_cast<std::uint64_t>(c - '0')) % modulus);
    for (std::uint64_t base = 10 % modulus; power > 0; power /= 2) {
      if (power % 2 != 0) rest = static_cast<std::uint64_t>(Wide{rest} * base % modulus);
      base = static_cast<std::uint64_t>(Wide{base} * base % modulus);
    }
    return rest == 0;
  }

 private:
  static constexpr std::int64_t far = 1'000'000;

  [[nodiscard]] int sign_of() const noexcept { return is_zero() ? 0 : negative ? -1 : 1; }
  /// Digits in front of the point.
  [[nodiscard]] std::int64_t magnitude() const noexcept {
    return static_cast<std::int64_t>(digits.size()) + exponent;
  }
  [[nodiscard]] int compare_magnitude(const Decimal& other) const noexcept {
    if (magnitude() != other.magnitude()) return magnitude() < other.magnitude() ? -1 : 1;
    return digits.compare(other.digits);  // the longer one is greater where the shorter one ends
  }
};

}  // namespace lamina::masks
