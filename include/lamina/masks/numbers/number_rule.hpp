// SPDX-License-Identifier: Apache-2.0
// What a schema says of numbers: whether a text is one that it allows, and whether it can become one.
// Source: JSON Schema Validation 2020-12 §6.2.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/config.hpp>
#include <lamina/masks/numbers/decimal.hpp>

namespace lamina::masks {

/// One side of a range.
struct NumberBound {
  Decimal value;
  bool exclusive = false;
};

/// One number of an `enum`, with the texts by which it is usually written.
struct NumberChoice {
  Decimal value;
  std::vector<std::string> spellings;
};

/// Limits on numbers. Whole numbers only where `integer`.
struct NumberRule {
  bool integer = false;
  bool written_whole = false;  ///< draft 4: 1.0 is no integer
  std::optional<NumberBound> least;
  std::optional<NumberBound> most;
  std::vector<Decimal> multiples_of;
  std::optional<std::vector<NumberChoice>> choices;

  [[nodiscard]] bool is_empty() const noexcept {
    return !integer && !least && !most && multiples_of.empty() && !choices;
  }

  /// Whether a whole number's text is allowed. Exact.
  [[nodiscard]] bool allows(std::string_view text) const {
    const Decimal value = Decimal::read(text);
    if (integer && !value.is_integer()) return false;
    if (integer && written_whole && text.find_first_of(".eE") != text.npos) return false;
    if (!in_range(value)) return false;
    for (const Decimal& divisor : multiples_of) {
      if (!value.is_multiple_of(divisor)) return false;
    }
    if (!choices) return true;
    for (const NumberChoice& choice : *choices) {
      if (choice.value.compare(value) == 0) return true;
    }
    return false;
  }

  /// Whether the beginning of a number's text can become one that is allowed. May say yes where it cannot,
  /// never no where it can, with these exceptions of form: fractions of an integer need one digit in front of
  /// the point, and a number out of range needs one digit if its exponent is to bring it back. `plain`: no
  /// exponents, no point in whole numbers.
  [[nodiscard]] bool may_become(std::string_view text, bool plain = false) const {
    if (choices && !spells_choice(text)) return false;
    const bool negative = text.starts_with('-');
    const std::string_view digits = text.substr(negative ? 1 : 0);
    const Magnitudes range = magnitudes(negative);
    if (!(range.least <= range.most)) return false;
    if (digits.empty()) return true;
    if (const std::size_t e = digits.find_first_of("eE"); e != digits.npos)
      return exponent_fits(digits.substr(0, e), digits.substr(e + 1), range);
    plain = plain && !choices;
    if (plain_fits(digits, range)) return !plain || !integer || digits.find('.') == digits.npos;
    if (plain) return false;
    // 5e-05, 1.5e+16: as floating-point numbers are printed.
    const bool one_digit = digits.size() == 1 ? digits[0] != '0' : digits[1] == '.';
    if (!one_digit || digits.size() > 19) return false;
    return !integer || (digits.size() > 1 && !written_whole && range.most >= 1e16);
  }

 private:
  /// What the absolute value may be, about, where the sign is known.
  struct Magnitudes {
    double least;
    double most;
  };

  [[nodiscard]] bool in_range(const Decimal& value) const noexcept {
    if (least) {
      const int order = value.compare(least->value);
      if (order < 0 || (order == 0 && least->exclusive)) return false;
    }
    if (most) {
      const int order = value.compare(most->value);
      if (order > 0 || (order == 0 && most->exclusive)) return false;
    }
    return true;
  }

  [[nodiscard]] Magnitudes magnitudes(bool negative) const noexcept {
    double low = least ? bound(*least, 1) : -HUGE_VAL;
    double high = most ? bound(*most, -1) : HUGE_VAL;
    if (negative) {
      const double old = low;
      low = -high;
      high = -old;
    }
    return {std::max(low, 0.0), high};
  }
  /// A side of the range; of integers the first number inside.
  [[nodiscard]] double bound(const NumberBound& side, double inwards) const noexcept {
    const double value = side.value.about();
    if (!integer || !(std::fabs(value) < 0x1p53)) return value;
    const double whole = inwards > 0 ? std::ceil(value) : std::floor(value);
    return side.exclusive && side.value.is_integer() ? whole + inwards : whole;
  }

  /// Whether digits, with or without a point, can go on to a number in range without an exponent.
  [[nodiscard]] bool plain_fits(std::string_view digits, const Magnitudes& range) const {
    const std::size_t point = digits.find('.');
    const bool has_point = point != digits.npos;
    if (has_point && written_whole && integer) return false;
    const std::string_view fraction = has_point ? digits.substr(point + 1) : std::string_view();
    const std::size_t places =
        fraction.find_last_not_of('0') == fraction.npos ? 0 : fraction.find_last_not_of('0') + 1;
    if (integer && places > 0) return false;
    for (const Decimal& divisor : multiples_of) {
      if (!multiple_fits(digits, fraction.size(), places, divisor)) return false;
    }
    double value = 0;
    const std::string_view number = digits.ends_with('.') ? digits.substr(0, digits.size() - 1) : digits;
    std::from_chars(number.data(), number.data() + number.size(), value);
    const double step = integer && has_point ? 0 : std::pow(10.0, -static_cast<double>(fraction.size()));
    if (has_point || digits == "0") return overlaps(value, value + (integer ? 0 : step), range);
    double first = value, last = value + 1;
    for (int more = 0; more < 330; ++more) {
      if (whole_overlaps(first, last, range)) return true;
      if (first > range.most) return false;
      first *= 10;
      last *= 10;
    }
    return true;
  }
  /// Whether the interval [first, last) holds a number of the range.
  [[nodiscard]] bool whole_overlaps(double first, double last, const Magnitudes& range) const noexcept {
    if (!integer) return overlaps(first, last, range);
    const double low = std::max(first, range.least), high = std::min(last - 1, range.most);
    if (!(low <= high)) return false;
    for (const Decimal& divisor : multiples_of) {
      const double step = divisor.about();
      if (high < 0x1p52 && step >= 1 && divisor.is_integer() && std::floor(high / step) * step < low)
        return false;
    }
    return true;
  }
  [[nodiscard]] static bool overlaps(double first, double last, const Magnitudes& range) noexcept {
    const double slack = last * 1e-12;
    return first - slack <= range.most && last + slack >= range.least;
  }

  /// Whether the places behind the point can still make a multiple.
  [[nodiscard]] static bool multiple_fits(std::string_view digits, std::size_t size, std::size_t places,
                                          const Decimal& divisor) {
    const std::int64_t most = std::max<std::int64_t>(0, -divisor.exponent);
    if (static_cast<std::int64_t>(places) > most) return false;
    if (static_cast<std::int64_t>(size) < most || digits.find('.') == digits.npos) return true;
    return Decimal::read(digits).is_multiple_of(divisor);
  }

  /// Whether some exponent that begins with `power` brings `digits` into the range.
  [[nodiscard]] bool exponent_fits(std::string_view digits, std::string_view power,
                                   const Magnitudes& range) const {
    if (integer && written_whole) return false;
    const bool negative = power.starts_with('-');
    if (negative && integer) return false;
    const bool has_sign = negative || power.starts_with('+');
    const std::string_view figures = power.substr(has_sign ? 1 : 0);
    if (figures.size() > 3) return false;
    int first = 0;
    std::from_chars(figures.data(), figures.data() + figures.size(), first);
    double value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (value == 0) return range.least <= 0;
    // Exponents that reach the range: lowest to highest, about.
    double lowest = range.least > 0 ? std::log10(range.least / value) : -1e9;
    const double highest = range.most > 0 ? std::log10(range.most / value) : -1e9;
    if (integer && digits.find('.') != digits.npos)
      lowest = std::max(lowest, static_cast<double>(places_of(digits)));
    int last = first;
    for (std::size_t size = figures.size(); size <= 3; ++size) {
      const double low = negative ? -last : first, high = negative ? -first : last;
      const bool any_sign = power.empty();
      if (low <= highest + 1e-9 && high >= lowest - 1e-9) return true;
      if (any_sign && !integer && -last <= highest + 1e-9 && -first >= lowest - 1e-9) return true;
      first *= 10;
      last = last * 10 + 9;
    }
    return false;
  }
  [[nodiscard]] static std::size_t places_of(std::string_view digits) noexcept {
    const std::size_t last = digits.find_last_not_of('0');
    const std::size_t point = digits.find('.');
    return last > point && last != digits.npos ? last - point : 0;
  }

  [[nodiscard]] bool spells_choice(std::string_view text) const noexcept {
    for (const NumberChoice& choice : *choices) {
      for (const std::string& spelling : choice.spellings) {
        if (spelling.starts_with(text)) return true;
        if (!text.starts_with(spelling) || spelling.find_first_of("eE") != spelling.npos) continue;
        // More zeros behind the point.
        std::string_view more = text.substr(spelling.size());
        if (spelling.find('.') == spelling.npos) {
          if (!more.starts_with('.')) continue;
          more.remove_prefix(1);
        }
        if (more.find_first_not_of('0') == more.npos) return true;
      }
    }
    return false;
  }
};

}  // namespace lamina::masks
