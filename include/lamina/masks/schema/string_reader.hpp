// SPDX-License-Identifier: Apache-2.0
// Strings and keys byte by byte: UTF-8, escapes, and what the rules say of the text that they stand for.
// Source: RFC 8259 §7.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <lamina/core/config.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/masks/arena.hpp>
#include <lamina/masks/schema/containers.hpp>
#include <lamina/masks/schema/scopes.hpp>
#include <lamina/masks/schema/state.hpp>
#include <lamina/masks/schema/strings.hpp>
#include <lamina/masks/string_body.hpp>

namespace lamina::masks {

/// Follows strings within the limits of a text.
class StringReader {
 public:
  /// What is referred to must outlive the reader.
  StringReader(Scopes& scopes, ContainerRules& containers, const JsonTextLimits& limits)
      : scopes_(&scopes), rules_(scopes), containers_(&containers), plain_(limits.plain) {}

  /// Begins a value; false if none of its texts can be valid.
  [[nodiscard]] bool begin_value(SchemaState& state) {
    state.mode = Mode::string;
    state.part = Part::plain;
    state.string = {};
    state.string.words = rules_.begin(*state.scope);
    return state.string.words == nullptr || rules_.viable(*state.scope, state.string, false);
  }
  /// Begins a key of the object that is `state.scope`; false if none can be valid.
  [[nodiscard]] bool begin_key(SchemaState& state) {
    state.mode = Mode::key;
    state.part = Part::plain;
    state.string = {};
    state.string.words = containers_->begin_words(*state.scope);
    state.inner = nullptr;
    state.names = nullptr;
    if (!state.scope->group->has_name_rules) return true;
    state.inner = containers_->begin_names(*state.scope);
    if (state.inner == nullptr) return false;
    state.names = rules_.begin(*state.inner);
    return true;
  }

  /// Whether a byte ends the string.
  [[nodiscard]] static bool is_end(const SchemaState& state, std::uint8_t byte) noexcept {
    return byte == '"' && state.part == Part::plain && state.utf8.need == 0;
  }
  /// Takes a byte that does not end the string; false if it may not come here.
  [[nodiscard]] bool take(SchemaState& state, std::uint8_t byte) {
    if (state.part != Part::plain) return escape_byte(state, static_cast<char>(byte));
    if (byte == '\\' && state.utf8.need == 0) {
      state.part = Part::backslash;
      return plain_ ? escape_viable(state) : string_viable(state, true);
    }
    if (byte < 0x20 || !state.utf8.take(byte)) return false;
    feed(state, static_cast<char>(byte));
    return string_viable(state, false);
  }

  /// The scope of a value that ended, with all atoms decided, and its hash.
  [[nodiscard]] const Scope* end_value(const SchemaState& state, std::uint64_t& hash) {
    Scope* scope = scopes_->copy(*state.scope);
    rules_.end(*scope, state.string);
    hash = state.string.hash * 2 + 1;
    return scope;
  }
  /// Goes on behind a key that ended; false if it cannot be valid here.
  [[nodiscard]] bool end_key(SchemaState& state) {
    Scope* names = nullptr;
    if (state.inner != nullptr) {
      names = scopes_->copy(*state.inner);
      rules_.end(*names, names_of(state));
    }
    state.inner = containers_->end_key(*state.scope, state.string, names);
    if (state.inner == nullptr) return false;
    state.mode = Mode::colon;
    state.scope = state.inner->parent;
    state.string = {};
    state.names = nullptr;
    return true;
  }

  /// What is known of the rest of a string, for whoever looks through a whole vocabulary.
  [[nodiscard]] StringBody body(const SchemaState& state) {
    const bool is_key = state.mode == Mode::key;
    if ((state.mode != Mode::string && !is_key) || state.utf8.need > 0 || state.part != Part::plain)
      return {};
    if (!is_key && state.string.words == nullptr)
      return {state.scope->hashed ? StringBody::Kind::any_text : StringBody::Kind::free};
    if (!is_key) return rules_.body(*state.scope, state.string);
    if (state.names == nullptr) return containers_->body(*state.scope, state.string);
    if (state.scope->group->has_closed) return {StringBody::Kind::checked};
    return rules_.body(*state.inner, names_of(state));
  }

  /// How many states of checks `state.string.words` are.
  [[nodiscard]] static std::size_t words_of(const SchemaState& state) noexcept {
    return state.mode == Mode::key ? ContainerRules::count_words(*state.scope)
                                   : std::max(state.scope->group->words, 1U);
  }
  /// Characters that have a short escape, and what stands behind its backslash.
  static constexpr std::string_view escaped_values = "\"\\/\b\f\n\r\t", escape_names = "\"\\/bfnrt";
  /// What stands behind the backslash where a character must be escaped, which a slash need not be; 0 where
  /// it need not be, or has no short escape.
  [[nodiscard]] static constexpr char escape_of(char c) noexcept {
    const std::size_t at = escaped_values.find(c);
    return c == '/' || at == escaped_values.npos ? '\0' : escape_names[at];
  }

 private:
  using Mode = SchemaState::Mode;
  using Part = SchemaState::Part;

  void feed(SchemaState& state, char byte) {
    StringProgress& now = state.string;
    if (now.words != nullptr) {
      const std::size_t count = words_of(state);
      auto* words = scopes_->arena().take<std::uint32_t>(count);
      std::copy_n(now.words, count, words);
      if (state.mode == Mode::key) {
        containers_->step(*state.scope, now, byte, words);
      } else {
        rules_.step(*state.scope, now, byte, words);
      }
      now.words = words;
    }
    if (state.names != nullptr) {
      const std::size_t count = std::max(state.inner->group->words, 1U);
      auto* words = scopes_->arena().take<std::uint32_t>(count);
      std::copy_n(state.names, count, words);
      rules_.step(*state.inner, now, byte, words);
      state.names = words;
    }
    ++now.bytes;
    if ((static_cast<std::uint8_t>(byte) & 0xC0) != 0x80) ++now.characters;
    now.hash = mixed(now.hash, static_cast<std::uint8_t>(byte) + 1U);
  }
  void feed(SchemaState& state, char32_t scalar) {
    std::string bytes;
    append_utf8(bytes, scalar);
    for (const char byte : bytes) feed(state, byte);
  }

  [[nodiscard]] bool string_viable(const SchemaState& state, bool more) {
    if (state.mode == Mode::key) {
      if (!containers_->viable_key(*state.scope, state.string, more)) return false;
      return state.names == nullptr || rules_.viable(*state.inner, names_of(state), more);
    }
    return state.string.words == nullptr || rules_.viable(*state.scope, state.string, more);
  }
  /// Whether rules may refuse how the string goes on.
  [[nodiscard]] bool is_checked(const SchemaState& state) const noexcept {
    if (state.mode == Mode::key) return plain_ || state.names != nullptr || state.scope->group->has_closed;
    return state.string.words != nullptr;
  }
  /// Whether one of the short escapes may follow a backslash.
  [[nodiscard]] bool escape_viable(const SchemaState& state) {
    if (!is_checked(state)) return true;
    Arena& arena = scopes_->arena();
    const Arena::Mark mark = arena.mark();
    bool viable = false;
    for (const char c : escaped_values) {
      SchemaState next = state;
      feed(next, c);
      viable = viable || string_viable(next, false);
      arena.reset(mark);
    }
    return viable;
  }
  [[nodiscard]] static StringProgress names_of(const SchemaState& state) noexcept {
    StringProgress names = state.string;
    names.words = state.names;
    return names;
  }

  [[nodiscard]] bool escape_byte(SchemaState& state, char c) {
    switch (state.part) {
      case Part::backslash: {
        if (c == 'u') {
          if (plain_ && is_checked(state)) return false;
          state.part = Part::hex1;
          state.unit = 0;
          return true;
        }
        const std::size_t i = escape_names.find(c);
        if (i == escape_names.npos) return false;
        state.part = Part::plain;
        feed(state, escaped_values[i]);
        return string_viable(state, false);
      }
      case Part::low_backslash:
        state.part = Part::low_u;
        return c == '\\';
      case Part::low_u:
        state.part = Part::hex1;
        state.unit = 0;
        return c == 'u';
      default:
        return hex_byte(state, c);
    }
  }
  [[nodiscard]] bool hex_byte(SchemaState& state, char c) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return false;
    state.unit = state.unit * 16 + static_cast<std::uint32_t>(digit);
    if (state.surrogate != 0 && state.part == Part::hex2 && (state.unit < 0xDC || state.unit > 0xDF))
      return false;
    if (state.surrogate == 0 && state.part == Part::hex2 && state.unit >= 0xDC && state.unit <= 0xDF)
      return false;
    if (state.part != Part::hex4) {
      state.part = static_cast<Part>(static_cast<std::uint8_t>(state.part) + 1);
      return true;
    }
    char32_t scalar = state.unit;
    if (state.surrogate == 0 && scalar >= 0xD800 && scalar < 0xDC00) {
      state.surrogate = scalar;
      state.part = Part::low_backslash;
      return true;
    }
    if (state.surrogate != 0) scalar = 0x10000 + ((state.surrogate - 0xD800) << 10) + (scalar - 0xDC00);
    state.surrogate = 0;
    state.unit = 0;
    state.part = Part::plain;
    feed(state, scalar);
    return string_viable(state, false);
  }

  Scopes* scopes_;
  StringRules rules_;
  ContainerRules* containers_;
  bool plain_;
};

}  // namespace lamina::masks
