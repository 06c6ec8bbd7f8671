// SPDX-License-Identifier: Apache-2.0
// The conversions of printf that lamina's messages and names use, for programs without <cstdio>.
#pragma once

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <lamina/core/config.hpp>

namespace lamina::detail {

/// Writes as vsnprintf does: %d %i %u %x %X %zu %llu %lld %c %s %.*s %%, with zeros or spaces in front up to
/// a width. Numbers with a point (%g, %f) are shown as whole ones.
class PlainFormat {
 public:
  /// Requires room >= 1.
  PlainFormat(char* out, std::size_t room) noexcept : out_(out), room_(room) { out_[0] = '\0'; }

  void write(const char* format, std::va_list arguments) noexcept {
    va_copy(arguments_, arguments);
    write_all(format);
    va_end(arguments_);
  }

 private:
  struct Spec {
    int width = 0;
    int precision = -1;
    char fill = ' ';
  };

  void write_all(const char* format) noexcept {
    for (; *format != '\0'; ++format) {
      if (*format != '%') {
        put(*format);
        continue;
      }
      Spec spec;
      ++format;
      for (; *format == '0' || *format == '-' || *format == '+' || *format == ' '; ++format)
        if (*format == '0') spec.fill = '0';
      for (; *format >= '0' && *format <= '9'; ++format) spec.width = spec.width * 10 + (*format - '0');
      if (*format == '.') {
        ++format;
        spec.precision = 0;
        if (*format == '*') {
          spec.precision = va_arg(arguments_, int);
          ++format;
        }
        for (; *format >= '0' && *format <= '9'; ++format)
          spec.precision = spec.precision * 10 + (*format - '0');
      }
      int longs = 0;
      for (; *format == 'l' || *format == 'z'; ++format) longs += *format == 'z' ? 2 : 1;
      if (*format == '\0') return;
      convert(*format, spec, longs);
    }
  }

  void convert(char kind, const Spec& spec, int longs) noexcept {
    switch (kind) {
      case 'd':
      case 'i': {
        const std::int64_t value = longs > 0 ? va_arg(arguments_, long long) : va_arg(arguments_, int);
        return put_integer(value, spec);
      }
      case 'u':
      case 'x':
      case 'X': {
        const std::uint64_t value =
            longs > 0 ? va_arg(arguments_, unsigned long long) : va_arg(arguments_, unsigned);
        return put_number(value, kind == 'u' ? 10 : 16, spec, false, kind == 'X');
      }
      case 'e':
      case 'f':
      case 'g': {
        const double value = va_arg(arguments_, double);
        const bool is_whole = value > -1e18 && value < 1e18;  // false for what is no number, too
        return is_whole ? put_integer(static_cast<std::int64_t>(value), spec) : put('?');
      }
      case 'c':
        return put(static_cast<char>(va_arg(arguments_, int)));
      case 's': {
        const char* text = va_arg(arguments_, const char*);
        for (int i = 0; (spec.precision < 0 || i < spec.precision) && text[i] != '\0'; ++i) put(text[i]);
        return;
      }
      default:
        return put(kind);
    }
  }

  void put_integer(std::int64_t value, const Spec& spec) noexcept {
    const auto bits = static_cast<std::uint64_t>(value);
    put_number(value < 0 ? ~bits + 1 : bits, 10, spec, value < 0);
  }

  void put_number(std::uint64_t value, unsigned base, const Spec& spec, bool is_negative,
                  bool is_upper = false) noexcept {
    char digits[20];
    int count = 0;
    do {
      digits[count++] = (is_upper ? "0123456789ABCDEF" : "0123456789abcdef")[value % base];
      value /= base;
    } while (value > 0);
    const int shown = count + (is_negative ? 1 : 0);
    if (is_negative && spec.fill == '0') put('-');
    for (int i = shown; i < spec.width; ++i) put(spec.fill);
    if (is_negative && spec.fill != '0') put('-');
    while (count > 0) put(digits[--count]);
  }

  void put(char c) noexcept {
    if (size_ + 1 >= room_) return;
    out_[size_++] = c;
    out_[size_] = '\0';
  }

  std::va_list arguments_;
  char* out_;
  std::size_t room_;
  std::size_t size_ = 0;
};

}  // namespace lamina::detail
