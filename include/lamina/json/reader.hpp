// SPDX-License-Identifier: Apache-2.0
// The one entrance of JSON text from elsewhere: runs a handler over a document with nlohmann's parser.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <lamina/core/error.hpp>
#include <lamina/json/text.hpp>

namespace lamina::detail {

/// Passes the events of nlohmann's parser on to a handler, and numbers that are not finite as numbers.
///
/// The handler has the events null(), boolean(bool), number_integer(std::int64_t),
/// number_unsigned(std::uint64_t), number_float(double, const std::string& digits), string(std::string&),
/// key(std::string&), start_object(), end_object(), start_array() and end_array(). An event returns whether
/// to go on; if not, `error()` says why. Depth is the handler's to limit: an open container costs the parser
/// one bit. Integers beyond 64 bits arrive as number_float with their digits.
template <class Handler>
class JsonEvents {
 public:
  using json = nlohmann::json;

  JsonEvents(const PlainJson& plain, std::string_view source, Handler& handler)
      : text_(plain.text()),
        skipped_(plain.skipped()),
        not_finite_(plain.not_finite()),
        source_(source),
        handler_(handler) {}

  bool null() { return told(handler_.null()); }
  bool boolean(bool value) { return told(handler_.boolean(value)); }
  bool number_integer(json::number_integer_t value) { return told(handler_.number_integer(value)); }
  bool number_unsigned(json::number_unsigned_t value) { return told(handler_.number_unsigned(value)); }
  bool number_float(json::number_float_t value, const json::string_t& digits) {
    return told(handler_.number_float(value, digits));
  }
  bool string(json::string_t& value) {
    if (!is_number()) return told(handler_.string(value));
    const double number = not_finite_.front().value;
    not_finite_ = not_finite_.subspan(1);
    return told(handler_.number_float(number, value));
  }
  bool binary(json::binary_t&) { return false; }  // never occurs in text
  bool start_object(std::size_t) { return told(handler_.start_object()); }
  bool end_object() { return told(handler_.end_object()); }
  bool start_array(std::size_t) { return told(handler_.start_array()); }
  bool end_array() { return told(handler_.end_array()); }
  bool key(json::string_t& value) {
    if (!is_number()) return told(handler_.key(value));
    error_ = malformed_json(source_, 0, "a key in quotes", value);
    return false;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) {
    // The parser counts the last character that it has read; at the end there is none.
    const std::size_t at = token_begin(position > 0 ? position - 1 : 0);
    error_ = malformed_json(source_, skipped_ + at, "valid JSON", text_.substr(at));
    return false;
  }

  [[nodiscard]] const Error& error() const noexcept { return error_; }

 private:
  bool told(bool goes_on) {
    if (!goes_on) error_ = handler_.error();
    return goes_on;
  }
  /// Where the string or word begins whose last character is at `at`.
  [[nodiscard]] std::size_t token_begin(std::size_t at) const noexcept {
    if (at >= text_.size()) return text_.size();
    if (text_[at] == '"') return std::min(text_.rfind('"', at > 0 ? at - 1 : 0), at);
    const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
    while (at > 0 && is_letter(text_[at]) && is_letter(text_[at - 1])) --at;
    return at;
  }
  /// Whether the string at hand stands for a number.
  bool is_number() noexcept { return !not_finite_.empty() && not_finite_.front().string == strings_++; }

  std::string_view text_;
  std::size_t skipped_;
  std::span<const NotFinite> not_finite_;
  std::string_view source_;
  Handler& handler_;
  Error error_;
  std::size_t strings_ = 0;
};

/// What handlers that build a tree share: open containers, keys, depth. `Builder` has
/// `put(Node& container, std::string& key, Node value)` and `too_deep(std::size_t levels) -> Error`.
template <class Node, class Builder>
class TreeBuilder {
 public:
  bool key(std::string& value) {
    open_.back().key = value;
    return true;
  }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  [[nodiscard]] Node& root() noexcept { return root_; }
  [[nodiscard]] const Node& root() const noexcept { return root_; }
  [[nodiscard]] const Error& error() const noexcept { return error_; }

 protected:
  explicit TreeBuilder(std::size_t levels) : levels_(levels) {}

  bool add(Node value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else {
      Builder::put(open_.back().container, open_.back().key, std::move(value));
    }
    return true;
  }
  bool open(Node container) {
    if (open_.size() >= levels_) return fail(static_cast<const Builder*>(this)->too_deep(levels_));
    open_.push_back({std::move(container), {}});
    return true;
  }
  bool close() {
    Node done = std::move(innermost());
    open_.pop_back();
    return add(std::move(done));
  }
  bool fail(const Error& error) {
    error_ = error;
    return false;
  }
  [[nodiscard]] Node& innermost() noexcept { return open_.back().container; }

 private:
  struct Open {
    Node container;
    std::string key;  // of the member whose value comes next
  };

  std::size_t levels_;
  Node root_;
  std::vector<Open> open_;  // containers not yet closed, outermost first
  Error error_;
};

/// Runs a handler over a whole JSON text, in UTF-8 with or without a byte-order mark.
///
/// Errors   bad_file (another encoding, not well-formed, anything behind the document), or the handler's own
template <class Handler>
[[nodiscard]] Status run_json(std::span<const std::byte> bytes, std::string_view source, Handler& handler,
                              IllFormed ill_formed = IllFormed::replace) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  LAMINA_TRY(check_json_encoding(text, source));
  PlainJson plain(text, source, ill_formed);
  LAMINA_TRY(plain.prepare());
  JsonEvents<Handler> events(plain, source, handler);
  const std::string_view document = plain.text();
  if (nlohmann::json::sax_parse(document.begin(), document.end(), &events)) return Done{};
  return events.error();
}

}  // namespace lamina::detail
