// SPDX-License-Identifier: Apache-2.0
// Sets of characters, as ranges of Unicode scalar values; the classes that ECMA-262 names.
// Source: ECMA-262 §22.2.2.9 (CharacterClassEscape).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include <lamina/core/config.hpp>

namespace lamina::masks {

inline constexpr char32_t largest_scalar = 0x10FFFF;

/// Ranges of characters, both ends included, ascending and apart from each other.
class CharSet {
 public:
  struct Range {
    char32_t first;
    char32_t last;
  };

  CharSet() = default;
  CharSet(std::initializer_list<Range> ranges) : ranges_(ranges) { tidy(); }

  void add(char32_t first, char32_t last) {
    ranges_.push_back({first, last});
    tidy();
  }
  void add(const CharSet& other) {
    ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
    tidy();
  }

  [[nodiscard]] CharSet complement() const {
    CharSet out;
    char32_t next = 0;
    for (const Range& range : ranges_) {
      if (range.first > next) out.ranges_.push_back({next, range.first - 1});
      next = range.last + 1;
    }
    if (next <= largest_scalar) out.ranges_.push_back({next, largest_scalar});
    return out;
  }

  /// Adds the other case of ASCII letters.
  void fold_case() {
    std::vector<Range> more;
    for (const Range& range : ranges_) {
      const auto fold = [&](char32_t from, char32_t to, std::int32_t shift) {
        const char32_t first = std::max(range.first, from), last = std::min(range.last, to);
        if (first <= last)
          more.push_back({static_cast<char32_t>(static_cast<std::int32_t>(first) + shift),
                          static_cast<char32_t>(static_cast<std::int32_t>(last) + shift)});
      };
      fold('a', 'z', 'A' - 'a');
      fold('A', 'Z', 'a' - 'A');
    }
    ranges_.insert(ranges_.end(), more.begin(), more.end());
    tidy();
  }

  [[nodiscard]] const std::vector<Range>& ranges() const noexcept { return ranges_; }

 private:
  void tidy() {
    std::sort(ranges_.begin(), ranges_.end(),
              [](const Range& a, const Range& b) { return a.first < b.first; });
    std::size_t kept = 0;
    for (const Range& range : ranges_) {
      if (kept > 0 && range.first <= ranges_[kept - 1].last + 1) {
        ranges_[kept - 1].last = std::max(ranges_[kept - 1].last, range.last);
      } else {
        ranges_[kept++] = range;
      }
    }
    ranges_.resize(kept);
  }

  std::vector<Range> ranges_;
};

/// The class of `\d`, `\w`, `\s` and their capitals; empty for other letters.
[[nodiscard]] inline CharSet named_class(char32_t letter) {
  switch (letter) {
    case 'd':
      return {{'0', '9'}};
    case 'w':
      return {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    case 's':
      return {{9, 13},          {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
              {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
    case 'D':
    case 'W':
    case 'S':
      return named_class(letter + ('a' - 'A')).complement();
    default:
      return {};
  }
}

/// What `.` stands for: all but line ends.
[[nodiscard]] inline CharSet any_but_line_ends() {
  return CharSet{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}.complement();
}

}  // namespace lamina::masks
