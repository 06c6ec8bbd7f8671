// SPDX-License-Identifier: Apache-2.0
// The body of a tool call, as the model writes it, to a name and arguments; tolerant of what models get
// wrong. Source: tokenizer-and-chat.md §8.3 (grammar and tolerances).
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/unicode.hpp>
#include <lamina/chat/value.hpp>

namespace lamina {

/// One call made by the model, or the text of one that cannot be read.
struct ParsedCall {
  bool well_formed = false;
  std::string name;
  Value arguments;   ///< an object, keys in the model's order
  std::string body;  ///< as written, quote tokens as `<|"|>`
};

/// Stands for the quote token within a body: a byte that UTF-8 text cannot hold, so spelled quotes stay text.
inline constexpr char quote_mark = '\xFF';

namespace detail {

/// Replaces quote marks by the text of the quote token, or drops them.
[[nodiscard]] inline std::string replace_marks(std::string_view text, std::string_view replacement) {
  std::string out;
  for (const char c : text) {
    if (c == quote_mark) {
      out += replacement;
    } else {
      out += c;
    }
  }
  return out;
}

/// Reads one body from front to back; every `read_` function returns false for a malformed call.
class CallParser {
 public:
  explicit CallParser(std::string_view body) noexcept : rest_(body) {}

  [[nodiscard]] bool read_call(ParsedCall& call) {
    constexpr std::string_view prefix = "call:";
    if (!rest_.starts_with(prefix)) return false;
    rest_.remove_prefix(prefix.size());
    const std::size_t brace = rest_.find('{');
    if (brace == std::string_view::npos) return false;
    const std::string_view name = trim(rest_.substr(0, brace));
    if (name.empty() || name.find(quote_mark) != std::string_view::npos) return false;
    call.name = name;
    rest_.remove_prefix(brace);
    if (!read_object(call.arguments)) return false;
    // A closer too many does no harm; anything else means that the end was read wrongly.
    return rest_.find_first_not_of(" \t\r\n}]") == std::string_view::npos;
  }

 private:
  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }
  void skip_space() noexcept { rest_.remove_prefix(leading_space(rest_)); }
  [[nodiscard]] bool take(char wanted) noexcept {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }

  /// Reads the items between an opener and its closer; the end of the body closes everything.
  template <class ReadItem>
  [[nodiscard]] bool read_items(char opener, char closer, ReadItem&& read_item) {
    if (!take(opener) || open_.size() >= deepest_value) return false;
    open_.push_back(closer);
    for (;;) {
      skip_space();
      if (at_end() || take(closer)) break;
      if (!read_item()) return false;
      skip_space();
      if (at_end() || take(closer)) break;
      if (!take(',')) return false;
    }
    open_.pop_back();
    return true;
  }

  [[nodiscard]] bool read_object(Value& out) {
    out = Value::object();
    const bool read = read_items('{', '}', [&] {
      std::string key;
      Value value;
      if (!read_key(key)) return false;
      skip_space();
      if (!read_value(value)) return false;
      out.append(key, std::move(value));
      return true;
    });
    out.join_repeated_keys();
    return read;
  }

  [[nodiscard]] bool read_list(Value& out) {
    out = Value::list();
    return read_items('[', ']', [&] {
      Value value;
      if (!read_value(value)) return false;
      out.items.push_back(std::move(value));
      return true;
    });
  }

  /// A key and its colon.
  [[nodiscard]] bool read_key(std::string& out) {
    if (take(quote_mark)) {
      const std::size_t end = rest_.find(quote_mark);
      if (end == std::string_view::npos) return false;
      out = rest_.substr(0, end);
      rest_.remove_prefix(end + 1);
      skip_space();
      return take(':');
    }
    const std::size_t end = rest_.find_first_of(":}");
    if (end == std::string_view::npos || rest_[end] != ':') return false;
    out = replace_marks(trim(rest_.substr(0, end)), "<|\"|>");
    rest_.remove_prefix(end + 1);
    return true;
  }

  [[nodiscard]] bool read_value(Value& out) {
    if (at_end()) return false;
    switch (rest_.front()) {
      case '{':
        return read_object(out);
      case '[':
        return read_list(out);
      case quote_mark:
        return read_quoted(out);
      case '"':
      case '\'':
        return read_plain_string(out) || read_bare_word(out);
      default:
        return read_bare_word(out);
    }
  }

  /// A string between quote tokens: everything in it is literal.
  [[nodiscard]] bool read_quoted(Value& out) {
    rest_.remove_prefix(1);
    const std::size_t end = rest_.find(quote_mark);
    if (end == std::string_view::npos) {
      out = Value::string(rest_of_body());
      return true;
    }
    out = Value::string(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return true;
  }

  /// The rest of the body as the text of a string that nothing ends: without the closers of what is open,
  /// which the model wrote after it. They are taken off from the outside in, as they stand at the end of the
  /// text.
  [[nodiscard]] std::string_view rest_of_body() noexcept {
    std::string_view text = rest_;
    rest_ = {};
    for (const char closer : open_) {
      if (text.ends_with(closer)) text.remove_suffix(1);
    }
    return text;
  }

  /// A string between "…" (JSON escapes) or '…' (nothing escaped). False, and nothing taken, if it does not
  /// end or if something follows that no value is followed by: then it is a bare word that begins with a
  /// quote.
  [[nodiscard]] bool read_plain_string(Value& out) {
    const std::string_view before = rest_;
    const char mark = rest_.front();
    rest_.remove_prefix(1);
    std::string text;
    while (!at_end() && rest_.front() != mark) {
      if (mark == '"' && rest_.front() == '\\') {
        read_escape(text);
      } else {
        text += rest_.front();
        rest_.remove_prefix(1);
      }
    }
    const bool closed = take(mark);
    skip_space();
    if (!closed || !(at_end() || rest_.front() == ',' || rest_.front() == '}' || rest_.front() == ']')) {
      rest_ = before;
      return false;
    }
    out = Value::string(replace_marks(text, "<|\"|>"));
    return true;
  }

  /// One JSON escape; an unknown one stays as it is written.
  void read_escape(std::string& text) {
    constexpr std::string_view names = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    const std::size_t known = rest_.size() > 1 ? names.find(rest_[1]) : std::string_view::npos;
    char32_t scalar = 0;
    if (known != std::string_view::npos) {
      text += meanings[known];
      rest_.remove_prefix(2);
    } else if (read_code_unit(scalar)) {
      char32_t low = 0;
      if (scalar >= 0xD800 && scalar < 0xDC00 && read_code_unit(low)) {
        const bool pair = low >= 0xDC00 && low < 0xE000;
        scalar = pair ? 0x10000 + ((scalar - 0xD800) << 10) + (low - 0xDC00) : 0xFFFD;
      }
      append_utf8(text, scalar >= 0xD800 && scalar < 0xE000 ? 0xFFFD : scalar);
    } else {
      text += '\\';
      rest_.remove_prefix(1);
    }
  }

  /// "\uXXXX"; nothing is taken if it is not one.
  [[nodiscard]] bool read_code_unit(char32_t& unit) noexcept {
    if (!rest_.starts_with("\\u") || rest_.size() < 6) return false;
    std::uint32_t number = 0;
    const char* first = rest_.data() + 2;
    const auto result = std::from_chars(first, first + 4, number, 16);
    if (result.ec != std::errc{} || result.ptr != first + 4) return false;
    unit = number;
    rest_.remove_prefix(6);
    return true;
  }

  /// A number, a keyword, or else a string up to the next "," "}" or "]" outside brackets of its own.
  [[nodiscard]] bool read_bare_word(Value& out) {
    std::size_t end = 0;
    for (std::size_t depth = 0; end < rest_.size(); ++end) {
      const char c = rest_[end];
      const bool closes = c == '}' || c == ']';
      if (depth == 0 && (closes || c == ',')) break;
      if (c == '{' || c == '[') ++depth;
      if (closes) --depth;
    }
    const std::string_view word = trim(rest_.substr(0, end));
    rest_.remove_prefix(end);
    if (word.empty()) return false;
    if (word == "null") {
      out = Value{};
    } else if (word == "true" || word == "false") {
      out = Value::boolean(word == "true");
    } else if (!read_number(word, out)) {
      out = Value::string(replace_marks(word, ""));
    }
    return true;
  }

  /// A JSON number that a double can hold; integers keep all their digits.
  [[nodiscard]] static bool read_number(std::string_view word, Value& out) {
    std::string_view rest = word;
    const auto digits = [&rest] {
      std::size_t count = 0;
      while (count < rest.size() && rest[count] >= '0' && rest[count] <= '9') ++count;
      rest.remove_prefix(count);
      return count;
    };
    if (rest.starts_with('-')) rest.remove_prefix(1);
    const bool leading_zero = rest.starts_with('0');
    const std::size_t whole = digits();
    if (whole == 0 || (leading_zero && whole > 1)) return false;
    const bool is_integer = rest.empty();
    if (rest.starts_with('.')) {
      rest.remove_prefix(1);
      if (digits() == 0) return false;
    }
    if (rest.starts_with('e') || rest.starts_with('E')) {
      rest.remove_prefix(1);
      if (rest.starts_with('+') || rest.starts_with('-')) rest.remove_prefix(1);
      if (digits() == 0) return false;
    }
    double number = 0;
    const auto result = std::from_chars(word.data(), word.data() + word.size(), number);
    if (!rest.empty() || result.ec != std::errc{} || !std::isfinite(number)) return false;
    out = is_integer ? Value::integer(word) : Value::real(number);
    return true;
  }

  std::string_view rest_;
  std::string open_;  ///< closers of the brackets that are open, outermost first
};

}  // namespace detail

/// Reads the body of a call, the text between its two markers with `quote_mark` for each quote token.
///
/// A body that does not read `call:` NAME `{`… comes back malformed, with its text.
[[nodiscard]] inline ParsedCall parse_call(std::string_view body) {
  ParsedCall call;
  call.well_formed = detail::CallParser(body).read_call(call);
  if (!call.well_formed) {
    call.name.clear();
    call.arguments = {};
  }
  call.body = detail::replace_marks(body, "<|\"|>");
  return call;
}

}  // namespace lamina
