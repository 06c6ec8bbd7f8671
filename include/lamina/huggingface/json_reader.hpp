// SPDX-License-Identifier: Apache-2.0
// The one entrance of JSON text from elsewhere: byte-order mark, encodings, ill-formed text, numbers.
// Source: tokenizer-and-chat.md §3 (ill-formed text), RFC 8259, Python's `json` (NaN, Infinity).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <lamina/core/error.hpp>
#include <lamina/text/unicode.hpp>
#include <lamina/weights/file_error.hpp>

namespace lamina {

/// What becomes of ill-formed text in a string: raw bytes that are no UTF-8, half a surrogate pair in
/// escapes.
enum class IllFormed : std::uint8_t {
  replace,  ///< each maximal ill-formed part is read as one U+FFFD
  refuse,   ///< an error: for names that two readers must not read differently
};

/// A text without the byte-order mark that editors on Windows put in front.
[[nodiscard]] constexpr std::string_view without_byte_order_mark(std::string_view text) noexcept {
  return text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text;
}

namespace detail {

/// Refuses other encodings by name; in UTF-8 a NUL byte never belongs to JSON.
[[nodiscard]] inline Status check_json_encoding(std::string_view text, std::string_view source) noexcept {
  const bool marked = text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF");
  const bool wide = text.size() >= 2 && (text[0] == '\0') != (text[1] == '\0');
  if (marked || wide) {
    return bad_file(place(source), "text has another encoding", "UTF-8", "UTF-16 or UTF-32",
                    "save it again as UTF-8");
  }
  if (text.empty() || std::memchr(text.data(), 0, text.size()) == nullptr) return Done{};
  return bad_file(place(source), "JSON holds a NUL byte", "JSON text", "byte 0x00");
}

/// Reads one JSON document and tells a handler what is in it, as events.
///
/// The handler has the events null(), boolean(bool), number_integer(std::int64_t),
/// number_unsigned(std::uint64_t), number_float(double, const std::string& digits), string(std::string&),
/// key(std::string&), start_object(), end_object(), start_array() and end_array(). An event returns whether
/// to go on; if not, `error()` says why. Depth is the handler's to limit: an open container costs the reader
/// one byte. Integers beyond 64 bits arrive as number_float with their digits, and so do NaN, Infinity (as
/// Python writes them) and what overflows a double, with a value that is not finite.
template <class Handler>
class JsonReader {
 public:
  JsonReader(std::string_view text, std::string_view source, IllFormed ill_formed, Handler& handler)
      : text_(text), source_(source), ill_formed_(ill_formed), handler_(handler) {}

  [[nodiscard]] Status read() {
    LAMINA_TRY(check_json_encoding(text_, source_));
    at_ = text_.size() - without_byte_order_mark(text_).size();
    do {
      LAMINA_TRY(read_value());
      LAMINA_TRY(close_and_step());
    } while (!open_.empty());
    skip_space();
    return at_ == text_.size() ? Status(Done{}) : malformed("the end of the text");
  }

 private:
  // --- Structure ---

  /// Reads a scalar or an empty container's beginning, through the beginnings of all containers in front of
  /// it.
  [[nodiscard]] Status read_value() {
    for (;;) {
      skip_space();
      const char c = peek();
      if (c != '{' && c != '[') return read_scalar(c);
      ++at_;
      open_ += c;
      LAMINA_TRY(told(c == '{' ? handler_.start_object() : handler_.start_array()));
      skip_space();
      if (peek() == closing()) return Done{};
      if (c == '{') LAMINA_TRY(read_key());
    }
  }

  /// Closes the containers that end behind a value; a comma leads to the next value.
  [[nodiscard]] Status close_and_step() {
    while (!open_.empty()) {
      skip_space();
      if (peek() == ',') {
        ++at_;
        skip_space();
        return open_.back() == '{' ? read_key() : Status(Done{});
      }
      if (peek() != closing()) return malformed(open_.back() == '{' ? ", or }" : ", or ]");
      ++at_;
      LAMINA_TRY(told(open_.back() == '{' ? handler_.end_object() : handler_.end_array()));
      open_.pop_back();
    }
    return Done{};
  }

  [[nodiscard]] Status read_key() {
    if (peek() != '"') return malformed("a key in quotes");
    LAMINA_TRY(read_string());
    LAMINA_TRY(told(handler_.key(buffer_)));
    skip_space();
    if (peek() != ':') return malformed("a colon");
    ++at_;
    return Done{};
  }

  [[nodiscard]] Status read_scalar(char first) {
    if (first == '"') {
      LAMINA_TRY(read_string());
      return told(handler_.string(buffer_));
    }
    if (is_digit(first) || (first == '-' && !rest().starts_with("-I"))) return read_number();
    constexpr double infinity = std::numeric_limits<double>::infinity();
    if (take("null")) return told(handler_.null());
    if (take("true")) return told(handler_.boolean(true));
    if (take("false")) return told(handler_.boolean(false));
    if (take("NaN")) return told(handler_.number_float(std::numeric_limits<double>::quiet_NaN(), buffer_));
    if (take("Infinity")) return told(handler_.number_float(infinity, buffer_));
    if (take("-Infinity")) return told(handler_.number_float(-infinity, buffer_));
    return malformed("a value");
  }

  // --- Strings ---

  /// Reads a string into `buffer_`. Requires a quote at the current place.
  [[nodiscard]] Status read_string() {
    buffer_.clear();
    ++at_;
    for (;;) {
      const std::size_t begin = at_;
      while (at_ < text_.size() && is_plain(text_[at_])) ++at_;
      buffer_.append(text_, begin, at_ - begin);
      const char c = peek();
      if (c == '"') {
        ++at_;
        return Done{};
      }
      if (c == '\\') {
        LAMINA_TRY(read_escape());
      } else if (static_cast<unsigned char>(c) >= 0x80) {
        const Utf8Step step = decode_utf8(rest());
        if (step.status == Utf8Status::valid) {
          buffer_.append(text_, at_, step.size);
        } else {
          LAMINA_TRY(replace_ill_formed());
        }
        at_ += step.size;
      } else {
        return malformed(at_ == text_.size() ? "the end of a string" : "no control character in a string");
      }
    }
  }

  [[nodiscard]] Status read_escape() {
    constexpr std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    const char letter = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    char32_t unit = 0;
    if (const std::size_t known = letters.find(letter); known != letters.npos) {
      buffer_ += meanings[known];
      at_ += 2;
      return Done{};
    }
    if (!read_unit(at_, unit)) return malformed("an escape that JSON has");
    char32_t low = 0;
    if (is_high_surrogate(unit) && read_unit(at_ + 6, low) && is_low_surrogate(low)) {
      append_utf8(buffer_, 0x10000 + ((unit & 0x3FF) << 10) + (low & 0x3FF));
      at_ += 12;
      return Done{};
    }
    if (is_high_surrogate(unit) || is_low_surrogate(unit)) {
      LAMINA_TRY(replace_ill_formed());
    } else {
      append_utf8(buffer_, unit);
    }
    at_ += 6;
    return Done{};
  }

  /// Reads the UTF-16 unit of an escape "\uXXXX" that begins at `at`; false if there is none.
  [[nodiscard]] bool read_unit(std::size_t at, char32_t& unit) const noexcept {
    if (at + 6 > text_.size() || text_[at] != '\\' || text_[at + 1] != 'u') return false;
    unit = 0;
    for (const char c : text_.substr(at + 2, 4)) {
      const int digit = is_digit(c)            ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return false;
      unit = unit << 4 | static_cast<char32_t>(digit);
    }
    return true;
  }

  [[nodiscard]] Status replace_ill_formed() {
    if (ill_formed_ == IllFormed::refuse) return malformed("well-formed text");
    buffer_ += replacement_character;
    return Done{};
  }

  // --- Numbers ---

  [[nodiscard]] Status read_number() {
    const std::size_t begin = at_;
    const bool negative = peek() == '-';
    if (negative) ++at_;
    const std::size_t first = at_;
    std::uint64_t magnitude = 0;
    bool fits = true;
    for (; is_digit(peek()); ++at_) {
      const auto digit = static_cast<std::uint64_t>(peek() - '0');
      fits = fits && magnitude <= (std::numeric_limits<std::uint64_t>::max() - digit) / 10;
      if (fits) magnitude = magnitude * 10 + digit;
    }
    if (at_ == first || (text_[first] == '0' && at_ - first > 1)) return malformed("a number");
    const std::size_t whole_end = at_;
    if (peek() == '.') {
      ++at_;
      if (!take_digits()) return malformed("digits behind the point");
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!take_digits()) return malformed("digits of an exponent");
    }
    if (at_ == whole_end && fits) {
      if (!negative) return told(handler_.number_unsigned(magnitude));
      constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
      if (magnitude <= most) return told(handler_.number_integer(-static_cast<std::int64_t>(magnitude)));
      if (magnitude == most + 1)
        return told(handler_.number_integer(std::numeric_limits<std::int64_t>::min()));
    }
    buffer_.assign(text_, begin, at_ - begin);
    return told(handler_.number_float(to_double(negative), buffer_));
  }

  /// The number in `buffer_`. nlohmann's own conversion reads a point in every locale; it rejects overflow.
  [[nodiscard]] double to_double(bool negative) const {
    const nlohmann::json number = nlohmann::json::parse(buffer_, nullptr, false);
    if (number.is_number()) return number.get<double>();
    return negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  }

  [[nodiscard]] bool take_digits() noexcept {
    const std::size_t begin = at_;
    while (is_digit(peek())) ++at_;
    return at_ > begin;
  }

  // --- Characters ---

  [[nodiscard]] static constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
  [[nodiscard]] static constexpr bool is_plain(char c) noexcept {
    return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x80 && c != '"' &&
           c != '\\';
  }
  [[nodiscard]] static constexpr bool is_high_surrogate(char32_t unit) noexcept {
    return unit >= 0xD800 && unit < 0xDC00;
  }
  [[nodiscard]] static constexpr bool is_low_surrogate(char32_t unit) noexcept {
    return unit >= 0xDC00 && unit < 0xE000;
  }
  [[nodiscard]] char closing() const noexcept { return open_.back() == '{' ? '}' : ']'; }
  [[nodiscard]] std::string_view rest() const noexcept { return text_.substr(at_); }

  /// The next character; NUL, which no text has in it, at the end.
  [[nodiscard]] char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip_space() noexcept {
    while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') ++at_;
  }

  /// Steps over a word and leaves it in `buffer_`, if it stands here.
  [[nodiscard]] bool take(std::string_view word) {
    if (!rest().starts_with(word)) return false;
    at_ += word.size();
    buffer_ = word;
    return true;
  }

  [[nodiscard]] Status told(bool goes_on) const {
    return goes_on ? Status(Done{}) : Status(handler_.error());
  }

  [[nodiscard]] Status malformed(std::string_view expected) const {
    const std::string_view found = rest().substr(0, 24);
    return bad_file(place(source_, text("byte %zu", at_)), "JSON is not well-formed", expected,
                    found.empty() ? "the end of the text" : found);
  }

  std::string_view text_;
  std::string_view source_;
  IllFormed ill_formed_;
  Handler& handler_;
  std::size_t at_ = 0;
  std::string open_;    // '{' or '[' of the containers not yet closed, outermost first
  std::string buffer_;  // the string or number at hand
};

/// Runs a handler over a whole JSON text, in UTF-8 with or without a byte-order mark.
///
/// Errors   bad_file (another encoding, not well-formed, anything behind the document), or the handler's own
template <class Handler>
[[nodiscard]] Status run_json(std::span<const std::byte> bytes, std::string_view source, Handler& handler,
                              IllFormed ill_formed = IllFormed::replace) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return JsonReader<Handler>(text, source, ill_formed, handler).read();
}

}  // namespace detail

}  // namespace lamina
