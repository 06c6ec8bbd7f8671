// SPDX-License-Identifier: Apache-2.0
// JSON text from elsewhere, brought into the form that a strict parser reads: byte-order mark, encodings,
// ill-formed text, numbers of Python.
// Source: tokenizer-and-chat.md §3 (ill-formed text), RFC 8259, Python's `json` (NaN, Infinity).
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/core/file_error.hpp>

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

[[nodiscard]] inline Error malformed_json(std::string_view source, std::size_t byte,
                                          std::string_view expected, std::string_view found) noexcept {
  return bad_file(place(source, text("byte %zu", byte)), "JSON is not well-formed", expected,
                  found.empty() ? "the end of the text" : found.substr(0, 24));
}

/// A number that JSON cannot write, given to the parser as a string: which of the text's strings it is.
struct NotFinite {
  std::size_t string = 0;  ///< counted from 0, keys included
  double value = 0;
};

/// A JSON text in which what a strict parser would refuse is replaced; the same bytes where nothing is.
///
/// NaN, Infinity, -Infinity and numbers that overflow a double become strings that `not_finite` lists; lone
/// surrogates and bytes that are no UTF-8 become U+FFFD. Whether it is well-formed is the parser's business.
class PlainJson {
 public:
  PlainJson(std::string_view text, std::string_view source, IllFormed ill_formed)
      : text_(without_byte_order_mark(text)),
        source_(source),
        ill_formed_(ill_formed),
        skipped_(text.size() - text_.size()) {}

  /// Errors   bad_file (ill-formed text, where that is refused)
  /// Cost     one pass over the text; copies it only if something is replaced
  [[nodiscard]] Status prepare() {
    if (text_.size() != without_byte_order_mark(text_).size()) {
      return malformed_json(source_, skipped_, "one byte-order mark", "a second one");
    }
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        LAMINA_TRY(step_over_string());
      } else if (c == '-' || (c >= '0' && c <= '9') || c == 'N' || c == 'I') {
        step_over_number();
      } else {
        ++at_;
      }
    }
    if (copied_ > 0) plain_.append(text_, copied_);
    return Done{};
  }

  [[nodiscard]] std::string_view text() const noexcept { return copied_ > 0 ? plain_ : text_; }
  /// Bytes of the original in front of `text()`.
  [[nodiscard]] std::size_t skipped() const noexcept { return skipped_; }
  [[nodiscard]] std::span<const NotFinite> not_finite() const noexcept { return not_finite_; }

 private:
  /// Puts `by` in place of the next `size` bytes.
  void replace(std::size_t size, std::string_view by) {
    plain_.append(text_, copied_, at_ - copied_);
    plain_.append(by);
    at_ += size;
    copied_ = at_;
  }

  [[nodiscard]] Status step_over_string() {
    ++strings_;
    for (++at_; at_ < text_.size() && text_[at_] != '"';) {
      const auto byte = static_cast<unsigned char>(text_[at_]);
      if (byte == '\\') {
        LAMINA_TRY(step_over_escape());
      } else if (byte < 0x80) {
        ++at_;
      } else if (const Utf8Step step = decode_utf8(text_.substr(at_)); step.status == Utf8Status::valid) {
        at_ += step.size;
      } else {
        LAMINA_TRY(replace_ill_formed(step.size, replacement_character));
      }
    }
    if (at_ < text_.size()) ++at_;
    return Done{};
  }

  [[nodiscard]] Status step_over_escape() {
    const std::uint32_t unit = unit_at(at_);
    const bool is_high = unit >= 0xD800 && unit < 0xDC00;
    const bool is_low = unit >= 0xDC00 && unit < 0xE000;
    const std::uint32_t next = is_high ? unit_at(at_ + 6) : 0;
    if (next >= 0xDC00 && next < 0xE000) {
      at_ += 12;
    } else if (is_high || is_low) {
      return replace_ill_formed(6, "\\ufffd");
    } else {
      at_ = std::min(at_ + 2, text_.size());
    }
    return Done{};
  }

  /// The UTF-16 unit of an escape "\uXXXX" that begins at `at`; 0 if there is none.
  [[nodiscard]] std::uint32_t unit_at(std::size_t at) const noexcept {
    if (at + 6 > text_.size() || text_[at] != '\\' || text_[at + 1] != 'u') return 0;
    std::uint32_t unit = 0;
    const char* const end = text_.data() + at + 6;
    return std::from_chars(text_.data() + at + 2, end, unit, 16).ptr == end ? unit : 0;
  }

  [[nodiscard]] Status replace_ill_formed(std::size_t size, std::string_view by) {
    if (ill_formed_ == IllFormed::refuse) {
      return malformed_json(source_, skipped_ + at_, "well-formed text", text_.substr(at_, size));
    }
    replace(size, by);
    return Done{};
  }

  void step_over_number() {
    const std::size_t end = std::min(
        text_.find_first_not_of("+-.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", at_),
        text_.size());
    const std::string_view word = text_.substr(at_, end - at_);
    constexpr double infinity = std::numeric_limits<double>::infinity();
    double value = 0;
    if (word == "NaN") {
      value = std::numeric_limits<double>::quiet_NaN();
    } else if (word == "Infinity" || word == "-Infinity" || overflows(word)) {
      value = word.front() == '-' ? -infinity : infinity;
    } else {
      at_ = end;
      return;
    }
    not_finite_.push_back({strings_++, value});
    replace(word.size(), '"' + std::string(word) + '"');
  }

  /// Whether a word is a number too large for a double. Underflow, whose exponent is negative, is none.
  [[nodiscard]] static bool overflows(std::string_view word) noexcept {
    const std::size_t exponent = word.find_first_of("eE");
    if (exponent == word.npos && word.size() < 300) return false;
    double value = 0;
    const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), value);
    return problem == std::errc::result_out_of_range && end == word.data() + word.size() &&
           (exponent == word.npos || word.substr(exponent + 1).front() != '-');
  }

  std::string_view text_;
  std::string_view source_;
  IllFormed ill_formed_;
  std::size_t skipped_;
  std::size_t at_ = 0;
  std::size_t copied_ = 0;   // bytes of `text_` that are in `plain_`, replaced or not
  std::size_t strings_ = 0;  // that have begun
  std::string plain_;
  std::vector<NotFinite> not_finite_;
};

}  // namespace detail

}  // namespace lamina
