// SPDX-License-Identifier: Apache-2.0
// The numbers that several rules together allow, exactly, and whether the beginning of a number's text leads
// to one of them: what a model writes under it always comes to an end.
// Source: JSON Schema Validation 2020-12 §6.2.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/config.hpp>
#include <lamina/masks/numbers/decimal.hpp>
#include <lamina/masks/numbers/number_rule.hpp>

namespace lamina::masks {

/// Whole numbers of at most 38 digits, and `endless` for all that have more.
struct WideNumber {
  __extension__ using Type = unsigned __int128;
  static constexpr Type endless = ~Type{0};

  [[nodiscard]] static constexpr Type times(Type a, Type b) noexcept {
    return a != 0 && b > endless / a ? endless : a * b;
  }
  [[nodiscard]] static constexpr Type power_of_ten(std::int64_t exponent) noexcept {
    if (exponent > 38) return endless;
    Type power = 1;
    for (; exponent > 0; --exponent) power *= 10;
    return power;
  }
  [[nodiscard]] static constexpr Type read(std::string_view digits) noexcept {
    Type value = 0;
    for (const char digit : digits) {
      value = times(value, 10);
      if (value == endless) return endless;
      value += static_cast<Type>(digit - '0');
    }
    return value;
  }
  [[nodiscard]] static constexpr Type common_multiple(Type a, Type b) noexcept {
    if (a == endless || b == endless) return endless;
    Type x = a, y = b;
    while (y != 0) {
      const Type rest = x % y;
      x = y;
      y = rest;
    }
    return times(a / x, b);
  }
  /// Whether `value` is a whole number of times `step`.
  [[nodiscard]] static constexpr bool is_multiple(Type value, Type step) noexcept {
    return step == endless ? value == 0 : value % step == 0;
  }
};

/// Numbers between two bounds, multiples of some numbers and of none of some others.
struct NumberPiece {
  std::optional<NumberBound> least;
  std::optional<NumberBound> most;
  std::vector<Decimal> divisors;
  std::vector<Decimal> others;  ///< that do not divide it
  bool has_point = false;       ///< written with a point, or whole and without

  using Wide = WideNumber::Type;

  /// Whether there is such a number whose absolute value, in units of the last of `places`, is from `first`
  /// to `last`.
  [[nodiscard]] bool meets(bool negative, Wide first, Wide last, std::int64_t places) const {
    const std::optional<NumberBound>& near = negative ? most : least;
    const std::optional<NumberBound>& far = negative ? least : most;
    if (far) {
      const Units side = units_of(*far, negative, places);
      if (side.sign < 0 || (side.sign == 0 && far->exclusive)) return false;
      last = std::min(last, side.units - (side.exact && far->exclusive ? 1U : 0U));
    }
    if (near) {
      const Units side = units_of(*near, negative, places);
      if (side.sign > 0 && side.units == WideNumber::endless) return false;
      if (side.sign >= 0) first = std::max(first, side.units + (side.exact && !near->exclusive ? 0U : 1U));
    }
    if (first > last) return false;
    Wide step = 1;
    for (const Decimal& divisor : divisors)
      step = WideNumber::common_multiple(step, step_of(divisor, places));
    const Wide rest = step == WideNumber::endless ? first : first % step;
    if (rest != 0) {
      if (step == WideNumber::endless || step - rest > last - first) return false;
      first += step - rest;
    }
    if (others.empty()) return true;
    // Of so many multiples in a row, some is a multiple of none of `most_divisors` others, unless all are.
    for (int tried = 0; tried < 64; ++tried, first += step) {
      const bool fits = std::none_of(others.begin(), others.end(), [&](const Decimal& other) {
        return WideNumber::is_multiple(first, step_of(other, places));
      });
      if (fits) return true;
      if (step > last - first) return false;
    }
    return false;
  }

 private:
  /// A bound as an absolute value, rounded down, and its side of zero where the sign is known.
  struct Units {
    int sign;
    Wide units;
    bool exact;
  };

  [[nodiscard]] static Units units_of(const NumberBound& bound, bool negative, std::int64_t places) {
    const Decimal& value = bound.value;
    if (value.is_zero()) return {0, 0, true};
    const int sign = value.negative == negative ? 1 : -1;
    const std::int64_t power = value.exponent + places;
    if (power >= 0)
      return {sign, WideNumber::times(WideNumber::read(value.digits), WideNumber::power_of_ten(power)), true};
    const auto cut = static_cast<std::size_t>(-power);
    if (cut >= value.digits.size()) return {sign, 0, false};
    return {sign, WideNumber::read(std::string_view(value.digits).substr(0, value.digits.size() - cut)),
            false};
  }
  /// What a number of units must be a multiple of so that the number is one of `divisor`.
  [[nodiscard]] static Wide step_of(const Decimal& divisor, std::int64_t places) {
    Wide step = WideNumber::read(divisor.digits);
    const std::int64_t power = divisor.exponent + places;
    if (power >= 0) return WideNumber::times(step, WideNumber::power_of_ten(power));
    for (const unsigned prime : {2U, 5U}) {
      for (std::int64_t i = power; i < 0 && step % prime == 0; ++i) step /= prime;
    }
    return step;
  }
};

/// All numbers for which a combination of rules holds.
class NumberSet {
 public:
  static constexpr std::size_t most_divisors = 10;  ///< different ones, of all rules
  static constexpr std::uint32_t most_text = 32;    ///< characters of a number

  /// Whether the rules are of a size at which a set is empty only if there is no such number at all, however
  /// long it is.
  [[nodiscard]] static bool is_small(std::span<const NumberRule* const> rules) {
    std::size_t digits = 0;
    const auto is_far = [](const Decimal& value) {
      return value.exponent < -12 || value.exponent + static_cast<std::int64_t>(value.digits.size()) > 14;
    };
    const Builder builder(rules);
    for (const Decimal& divisor : builder.divisors) digits += divisor.digits.size();
    const bool has_far = std::any_of(rules.begin(), rules.end(), [&](const NumberRule* rule) {
      return (rule->least && is_far(rule->least->value)) || (rule->most && is_far(rule->most->value));
    });
    return !has_far && digits <= 14 && builder.divisors.size() <= most_divisors &&
           std::none_of(builder.divisors.begin(), builder.divisors.end(), is_far);
  }

  /// The numbers for which `fits` is true, a function of which rules hold: `const std::vector<bool>&`.
  /// Empty: the rules have more divisors than are followed.
  template <class Fits>
  [[nodiscard]] static std::optional<NumberSet> of(std::span<const NumberRule* const> rules, Fits&& fits) {
    NumberSet set;
    Builder builder(rules);
    if (builder.divisors.size() > most_divisors) return std::nullopt;
    for (const bool has_point : {false, true}) {
      for (std::size_t region = 0; region <= 2 * builder.borders.size(); ++region) {
        for (std::uint32_t known = 0; known < (1U << builder.divisors.size()); ++known)
          builder.add(set, region, known, has_point, fits);
      }
    }
    return set;
  }

  /// Whether the beginning of a number's text, without an exponent, leads to a number of the set with at most
  /// `most` characters.
  [[nodiscard]] bool may_become(std::string_view text, std::uint32_t most) const {
    return std::any_of(pieces_.begin(), pieces_.end(),
                       [&](const NumberPiece& piece) { return leads(piece, text, most); });
  }
  /// Numbers that begin with a text that is not empty, one of each kind that the rules tell apart, at most
  /// `count`.
  [[nodiscard]] std::vector<std::string> examples(std::string_view text, std::uint32_t most,
                                                  std::size_t count) const {
    std::vector<std::string> out;
    for (const NumberPiece& piece : pieces_) {
      if (out.size() == count) break;
      if (!leads(piece, text, most)) continue;
      std::string number(text);
      while (!leads(piece, number, static_cast<std::uint32_t>(number.size()))) {
        const bool is_zero = number == "0" || number == "-0";
        number += is_zero ? '.' : '0';
        constexpr std::string_view next = "0123456789.";
        for (std::size_t i = 1; !leads(piece, number, most) && i < next.size(); ++i) number.back() = next[i];
      }
      out.push_back(std::move(number));
    }
    return out;
  }
  /// Whether a number of some rule's list is in the set. Such numbers are written as the list spells them:
  /// `may_become` does not know them.
  [[nodiscard]] bool has(const Decimal& value) const {
    const auto divides = [&](const Decimal& divisor) { return value.is_multiple_of(divisor); };
    return std::any_of(listed_.begin(), listed_.end(), [&](const NumberPiece& piece) {
      return piece.least && piece.most && piece.least->value.compare(value) == 0 &&
             piece.most->value.compare(value) == 0 &&
             std::all_of(piece.divisors.begin(), piece.divisors.end(), divides) &&
             std::none_of(piece.others.begin(), piece.others.end(), divides);
    });
  }
  /// Whether no number that can be written is in it.
  [[nodiscard]] bool is_empty() const { return !may_become("", most_text) && !may_become("-", most_text); }

 private:
  using Wide = WideNumber::Type;

  /// Cuts the line of numbers where some rule changes, and asks what holds in each part.
  struct Builder {
    explicit Builder(std::span<const NumberRule* const> all) : rules(all), holds(all.size()) {
      for (const NumberRule* rule : rules) {
        if (rule->least) borders.push_back(rule->least->value);
        if (rule->most) borders.push_back(rule->most->value);
        if (rule->choices) {
          for (const NumberChoice& choice : *rule->choices) borders.push_back(choice.value);
        }
        if (rule->integer) note(Decimal::read("1"));
        for (const Decimal& divisor : rule->multiples_of) note(divisor);
      }
      std::sort(borders.begin(), borders.end(),
                [](const Decimal& a, const Decimal& b) { return a.compare(b) < 0; });
      borders.erase(std::unique(borders.begin(), borders.end(),
                                [](const Decimal& a, const Decimal& b) { return a.compare(b) == 0; }),
                    borders.end());
    }

    std::span<const NumberRule* const> rules;
    std::vector<Decimal> borders;   ///< ascending; regions are 0: below, 1: the first, 2: behind it, …
    std::vector<Decimal> divisors;  ///< all different
    std::vector<bool> holds;

    void note(const Decimal& divisor) {
      const auto same = [&](const Decimal& known) { return known.compare(divisor) == 0; };
      if (std::none_of(divisors.begin(), divisors.end(), same)) divisors.push_back(divisor);
    }
    [[nodiscard]] bool divides(const Decimal& divisor, std::uint32_t known) const {
      std::size_t i = 0;
      while (divisors[i].compare(divisor) != 0) ++i;
      return ((known >> i) & 1U) != 0;
    }

    /// Adds the numbers of a region that the divisors in `known` divide and the others do not, if they fit.
    template <class Fits>
    void add(NumberSet& set, std::size_t region, std::uint32_t known, bool has_point, Fits& fits) {
      NumberPiece piece;
      piece.has_point = has_point;
      const Decimal one = Decimal::read("1");
      for (std::size_t i = 0; i < divisors.size(); ++i) {
        const bool divides = ((known >> i) & 1U) != 0;
        if (!divides && !has_point && divisors[i].compare(one) == 0) return;  // it is whole
        (divides ? piece.divisors : piece.others).push_back(divisors[i]);
      }
      if (region % 2 == 1) {
        piece.least = piece.most = NumberBound{borders[region / 2], false};
      } else {
        if (region > 0) piece.least = NumberBound{borders[region / 2 - 1], true};
        if (region < 2 * borders.size()) piece.most = NumberBound{borders[region / 2], true};
      }
      bool is_listed = false, is_whole = false;
      for (std::size_t i = 0; i < rules.size(); ++i) {
        const NumberRule& rule = *rules[i];
        holds[i] = in_range(rule, piece, region % 2 == 1) && divided(rule, known, has_point);
        is_listed = is_listed || (holds[i] && rule.choices);
        is_whole = is_whole || (holds[i] && rule.integer);
      }
      // Whole numbers have no point, where a model writes.
      if ((is_whole && has_point && !is_listed) || !fits(holds)) return;
      (is_listed ? set.listed_ : set.pieces_).push_back(std::move(piece));
    }
    [[nodiscard]] bool divided(const NumberRule& rule, std::uint32_t known, bool has_point) const {
      if (rule.integer && rule.written_whole ? has_point
                                             : rule.integer && !divides(Decimal::read("1"), known))
        return false;
      return std::all_of(rule.multiples_of.begin(), rule.multiples_of.end(),
                         [&](const Decimal& divisor) { return divides(divisor, known); });
    }
    [[nodiscard]] static bool in_range(const NumberRule& rule, const NumberPiece& piece, bool is_point) {
      if (rule.choices) {
        const auto same = [&](const NumberChoice& choice) {
          return choice.value.compare(piece.least->value) == 0;
        };
        if (!is_point || std::none_of(rule.choices->begin(), rule.choices->end(), same)) return false;
      }
      // A gap between borders lies within a range as a whole, or outside.
      if (rule.least) {
        if (!piece.least) return false;
        const int order = piece.least->value.compare(rule.least->value);
        if (order < 0 || (order == 0 && is_point && rule.least->exclusive)) return false;
      }
      if (!rule.most) return true;
      if (!piece.most) return false;
      const int order = piece.most->value.compare(rule.most->value);
      return order < 0 || (order == 0 && !(is_point && rule.most->exclusive));
    }
  };

  [[nodiscard]] static bool leads(const NumberPiece& piece, std::string_view text, std::uint32_t most) {
    if (text.size() > most) return false;
    const std::size_t room = most - text.size();
    const bool negative = text.starts_with('-');
    const std::string_view digits = text.substr(negative ? 1 : 0);
    const std::size_t point = digits.find('.');
    return point == digits.npos ? whole_leads(piece, negative, digits, room)
                                : places_lead(piece, negative, digits, point, room);
  }
  /// Digits without a point yet: more of them may follow, and then places.
  [[nodiscard]] static bool whole_leads(const NumberPiece& piece, bool negative, std::string_view digits,
                                        std::size_t room) {
    const Wide value = WideNumber::read(digits);
    const std::size_t fewest = digits.empty() ? 1 : 0;
    const std::size_t most = digits == "0" ? 0 : room;
    for (std::size_t more = fewest; more <= most; ++more) {
      if (piece.has_point && room < more + 2) return false;
      const std::size_t places = piece.has_point ? room - more - 1 : 0;
      const Wide unit = WideNumber::power_of_ten(static_cast<std::int64_t>(more + places));
      if (piece.meets(negative, value * unit, value * unit + (unit - 1), static_cast<std::int64_t>(places)))
        return true;
    }
    return false;
  }
  /// Digits with a point: more places may follow.
  [[nodiscard]] static bool places_lead(const NumberPiece& piece, bool negative, std::string_view digits,
                                        std::size_t point, std::size_t room) {
    const std::string_view fraction = digits.substr(point + 1);
    if (!piece.has_point || (fraction.empty() && room == 0)) return false;
    Wide value = WideNumber::read(digits.substr(0, point));
    for (const char digit : fraction) value = value * 10 + static_cast<Wide>(digit - '0');
    const Wide unit = WideNumber::power_of_ten(static_cast<std::int64_t>(room));
    return piece.meets(negative, value * unit, value * unit + (unit - 1),
                       static_cast<std::int64_t>(fraction.size() + room));
  }

  std::vector<NumberPiece> pieces_;
  std::vector<NumberPiece> listed_;  ///< each one number
};

}  // namespace lamina::masks
