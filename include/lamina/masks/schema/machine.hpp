// SPDX-License-Identifier: Apache-2.0
// JSON text under a schema, byte by byte: an automaton whose states say which byte may come next.
// Source: RFC 8259; JSON Schema 2020-12.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <lamina/core/config.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/masks/arena.hpp>
#include <lamina/masks/schema/containers.hpp>
#include <lamina/masks/schema/graph.hpp>
#include <lamina/masks/schema/mover.hpp>
#include <lamina/masks/schema/number_reader.hpp>
#include <lamina/masks/schema/scopes.hpp>
#include <lamina/masks/schema/state.hpp>
#include <lamina/masks/schema/strings.hpp>
#include <lamina/masks/string_body.hpp>

namespace lamina::masks {

/// Reads JSON under a schema. The graph must outlive it. Threads: one at a time.
class SchemaMachine {
 public:
  using State = SchemaState;

  explicit SchemaMachine(const SchemaGraph& graph, const JsonTextLimits& limits = {})
      : scopes_(graph), strings_(scopes_), containers_(scopes_), numbers_(scopes_, limits), limits_(limits) {}

  [[nodiscard]] Arena& arena() noexcept { return scopes_.arena(); }
  [[nodiscard]] bool failed() const noexcept { return scopes_.failed(); }

  [[nodiscard]] State start() {
    State state;
    state.scope = scopes_.root();
    return state;
  }

  /// Takes one byte; false if it may not come here, and the state is lost then.
  [[nodiscard]] bool step(State& state, std::uint8_t byte) {
    const char c = static_cast<char>(byte);
    switch (state.mode) {
      case Mode::string:
      case Mode::key:
        return string_byte(state, byte);
      case Mode::number:
        if (numbers_.take(state, c)) return true;
        if (!end_number(state)) return false;
        break;
      case Mode::literal:
        if (c != state.text[state.size]) return false;
        if (state.text[++state.size] != '\0') return true;
        return end_value(state, state.scope, static_cast<std::uint64_t>(state.text[0]));
      default:
        break;
    }
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') return ++state.spaces <= limits_.spaces;
    state.spaces = 0;
    switch (state.mode) {
      case Mode::value:
        return begin_value(state, state.scope, c);
      case Mode::first_item:
        if (c == ']') return close(state);
        return state.inner != nullptr && begin_value(state, state.inner, c);
      case Mode::after_value:
        if (c == ',') return comma(state);
        return c == (state.scope->is_object ? '}' : ']') && close(state);
      case Mode::first_key:
        if (c == '}') return close(state);
        return c == '"' && (state.scope = containers_.begin_key(*state.scope)) != nullptr && begin_key(state);
      case Mode::next_key:
        return c == '"' && begin_key(state);
      case Mode::colon:
        state.mode = Mode::value;
        state.scope = state.inner;
        state.inner = nullptr;
        return c == ':';
      default:
        return false;
    }
  }

  /// Whether the text may end here.
  [[nodiscard]] bool accepts(State state) {
    if (state.mode == Mode::number && state.scope->parent == nullptr && !end_number(state)) return false;
    return state.mode == Mode::end;
  }

  /// Equal for states from which the same texts go on.
  [[nodiscard]] std::uint64_t hash(const State& state) const noexcept {
    std::uint64_t hash = (std::uint64_t{static_cast<std::uint8_t>(state.mode)} << 40) |
                         (std::uint64_t{static_cast<std::uint8_t>(state.part)} << 32) |
                         (std::uint64_t{state.utf8.need} << 16) | (std::uint64_t{state.utf8.low} << 8) |
                         state.utf8.high;
    hash = mixed(hash, (std::uint64_t{state.spaces} << 32) | state.unit);
    hash = mixed(hash, (std::uint64_t{state.surrogate} << 32) | state.size);
    hash = mixed(hash, state.scope->hash);
    if (state.inner != nullptr) hash = mixed(hash, state.inner->hash);
    if (state.mode == Mode::number && state.text != nullptr) {
      for (std::uint32_t i = 0; i < state.size; ++i)
        hash = mixed(hash, static_cast<unsigned char>(state.text[i]));
    }
    if (state.mode == Mode::literal) hash = mixed(hash, static_cast<unsigned char>(state.text[0]));
    if (state.mode == Mode::key || (state.mode == Mode::string && state.scope->hashed))
      hash = mixed(hash, state.string.hash);
    if (state.string.words != nullptr) {
      hash = mixed(hash, (std::uint64_t{state.string.bytes} << 32) | state.string.characters);
      for (std::size_t i = 0; i < words_of(state); ++i) hash = mixed(hash, state.string.words[i]);
    }
    if (state.names != nullptr) {
      for (std::uint32_t i = 0; i < state.inner->group->words; ++i) hash = mixed(hash, state.names[i]);
    }
    return hash;
  }

  /// What is known of the rest of a string, for whoever looks through a whole vocabulary.
  [[nodiscard]] StringBody body(const State& state) {
    const bool is_key = state.mode == Mode::key;
    if ((state.mode != Mode::string && !is_key) || state.utf8.need > 0 || state.part != Part::plain)
      return {};
    if (!is_key && state.string.words == nullptr)
      return {state.scope->hashed ? StringBody::Kind::any_text : StringBody::Kind::free};
    if (!is_key) return strings_.body(*state.scope, state.string);
    if (state.names == nullptr) return containers_.body(*state.scope, state.string);
    if (state.scope->group->has_closed) return {StringBody::Kind::checked};
    return strings_.body(*state.inner, names_of(state));
  }

  /// Bytes that only spell differently what another byte says here: spaces between values, escapes.
  [[nodiscard]] static bool is_other_spelling(const State& state, std::uint8_t byte) noexcept {
    if (state.mode == Mode::string || state.mode == Mode::key)
      return byte == '\\' && state.part == Part::plain;
    return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r';
  }

  /// Gives back the memory of values that are over. Other copies of states are lost.
  void compact(State& state) {
    Arena fresh;
    ScopeMover mover(fresh);
    const std::size_t words = state.string.words == nullptr ? 0 : words_of(state);
    state.names =
        mover.move(state.names, state.names == nullptr ? 0 : std::max(state.inner->group->words, 1U));
    state.scope = mover.move(state.scope);
    state.inner = mover.move(state.inner);
    state.string.words = mover.move(state.string.words, words);
    if (state.mode == Mode::number) state.text = mover.move(state.text, state.size);
    scopes_.arena() = std::move(fresh);
  }

 private:
  using Mode = State::Mode;
  using Part = State::Part;
  static constexpr std::string_view escape_names = "\"\\/bfnrt", escaped_values = "\"\\/\b\f\n\r\t";

  [[nodiscard]] static std::size_t words_of(const State& state) noexcept {
    return state.mode == Mode::key ? ContainerRules::count_words(*state.scope)
                                   : std::max(state.scope->group->words, 1U);
  }

  [[nodiscard]] bool begin_value(State& state, const Scope* scope, char c) {
    std::uint8_t types = 0;
    const char* literal = nullptr;
    switch (c) {
      case '{':
        types = JsonTypes::object;
        break;
      case '[':
        types = JsonTypes::array;
        break;
      case '"':
        types = JsonTypes::string;
        break;
      case 't':
        types = JsonTypes::yes;
        literal = "true";
        break;
      case 'f':
        types = JsonTypes::no;
        literal = "false";
        break;
      case 'n':
        types = JsonTypes::null;
        literal = "null";
        break;
      default:
        if (c != '-' && (c < '0' || c > '9')) return false;
        types = JsonTypes::number;
    }
    Scope* typed = scopes_.typed(scope, types);
    if (typed == nullptr) return false;
    typed->is_object = c == '{';
    state.scope = Scopes::finish(typed);
    state.inner = nullptr;
    state.size = 0;
    state.text = nullptr;
    if (literal != nullptr) {
      state.mode = Mode::literal;
      state.text = literal;
      state.size = 1;
      return true;
    }
    if (c == '{' || c == '[') {
      if (++state.depth > limits_.depth) return false;
      state.mode = c == '{' ? Mode::first_key : Mode::first_item;
      if (c == '[') state.inner = containers_.begin_item(*typed);
      return true;
    }
    if (c == '"') {
      state.mode = Mode::string;
      state.part = Part::plain;
      state.string = {};
      state.string.words = strings_.begin(*typed);
      return state.string.words == nullptr || strings_.viable(*typed, state.string, false);
    }
    state.mode = Mode::number;
    state.part = Part::plain;
    return numbers_.take(state, c);
  }

  [[nodiscard]] bool comma(State& state) {
    if (state.scope->is_object) {
      state.mode = Mode::next_key;
      state.scope = containers_.begin_key(*state.scope);
    } else {
      state.mode = Mode::value;
      state.scope = containers_.begin_item(*state.scope);
    }
    return state.scope != nullptr;
  }

  [[nodiscard]] bool close(State& state) {
    Scope* scope = scopes_.copy(*state.scope);
    if (scope->is_object) {
      containers_.end_object(*scope);
    } else {
      containers_.end_array(*scope);
    }
    --state.depth;
    return end_value(state, scope, mixed(scope->content, scope->is_object ? 11 : 12));
  }

  [[nodiscard]] bool end_value(State& state, const Scope* scope, std::uint64_t hash) {
    state.inner = nullptr;
    state.string = {};
    state.text = nullptr;
    state.size = 0;
    state.part = Part::plain;
    if (scope->parent == nullptr) {
      state.mode = Mode::end;
      return scopes_.document_fits(scope);
    }
    state.mode = Mode::after_value;
    state.scope = scopes_.end_value(scope, hash);
    return state.scope != nullptr;
  }

  [[nodiscard]] bool end_number(State& state) {
    std::uint64_t hash = 0;
    const Scope* scope = numbers_.end(state, hash);
    return scope != nullptr && end_value(state, scope, hash);
  }

  // --- Strings ---

  [[nodiscard]] bool begin_key(State& state) {
    state.mode = Mode::key;
    state.part = Part::plain;
    state.string = {};
    state.string.words = containers_.begin_words(*state.scope);
    state.inner = nullptr;
    state.names = nullptr;
    if (!state.scope->group->has_name_rules) return true;
    state.inner = containers_.begin_names(*state.scope);
    if (state.inner == nullptr) return false;
    state.names = strings_.begin(*state.inner);
    return true;
  }

  [[nodiscard]] bool string_byte(State& state, std::uint8_t byte) {
    if (state.part != Part::plain) return escape_byte(state, static_cast<char>(byte));
    if (byte == '"' && state.utf8.need == 0) return end_string(state);
    if (byte == '\\' && state.utf8.need == 0) {
      state.part = Part::backslash;
      return limits_.plain ? escape_viable(state) : string_viable(state, true);
    }
    if (byte < 0x20 || !state.utf8.take(byte)) return false;
    feed(state, static_cast<char>(byte));
    return string_viable(state, false);
  }

  void feed(State& state, char byte) {
    StringProgress& now = state.string;
    if (now.words != nullptr) {
      const std::size_t count = words_of(state);
      auto* words = scopes_.arena().take<std::uint32_t>(count);
      std::copy_n(now.words, count, words);
      if (state.mode == Mode::key) {
        containers_.step(*state.scope, now, byte, words);
      } else {
        strings_.step(*state.scope, now, byte, words);
      }
      now.words = words;
    }
    if (state.names != nullptr) {
      const std::size_t count = std::max(state.inner->group->words, 1U);
      auto* words = scopes_.arena().take<std::uint32_t>(count);
      std::copy_n(state.names, count, words);
      strings_.step(*state.inner, now, byte, words);
      state.names = words;
    }
    ++now.bytes;
    if ((static_cast<std::uint8_t>(byte) & 0xC0) != 0x80) ++now.characters;
    now.hash = mixed(now.hash, static_cast<std::uint8_t>(byte) + 1U);
  }
  void feed(State& state, char32_t scalar) {
    std::string bytes;
    append_utf8(bytes, scalar);
    for (const char byte : bytes) feed(state, byte);
  }

  [[nodiscard]] bool string_viable(const State& state, bool more) {
    if (state.mode == Mode::key) {
      if (!containers_.viable_key(*state.scope, state.string, more)) return false;
      return state.names == nullptr || strings_.viable(*state.inner, names_of(state), more);
    }
    return state.string.words == nullptr || strings_.viable(*state.scope, state.string, more);
  }
  /// Whether rules may refuse how the string goes on.
  [[nodiscard]] static bool is_checked(const State& state) noexcept {
    if (state.mode == Mode::key) return state.names != nullptr || state.scope->group->has_closed;
    return state.string.words != nullptr;
  }
  /// Whether one of the short escapes may follow a backslash.
  [[nodiscard]] bool escape_viable(const State& state) {
    if (!is_checked(state)) return true;
    Arena& arena = scopes_.arena();
    const Arena::Mark mark = arena.mark();
    bool viable = false;
    for (const char c : escaped_values) {
      State next = state;
      feed(next, c);
      viable = viable || string_viable(next, false);
      arena.reset(mark);
    }
    return viable;
  }
  [[nodiscard]] static StringProgress names_of(const State& state) noexcept {
    StringProgress names = state.string;
    names.words = state.names;
    return names;
  }

  [[nodiscard]] bool end_string(State& state) {
    if (state.mode == Mode::string) {
      Scope* scope = scopes_.copy(*state.scope);
      strings_.end(*scope, state.string);
      return end_value(state, scope, state.string.hash * 2 + 1);
    }
    Scope* names = nullptr;
    if (state.inner != nullptr) {
      names = scopes_.copy(*state.inner);
      strings_.end(*names, names_of(state));
    }
    state.inner = containers_.end_key(*state.scope, state.string, names);
    if (state.inner == nullptr) return false;
    state.mode = Mode::colon;
    state.scope = state.inner->parent;
    state.string = {};
    state.names = nullptr;
    return true;
  }

  [[nodiscard]] bool escape_byte(State& state, char c) {
    switch (state.part) {
      case Part::backslash: {
        if (c == 'u') {
          if (limits_.plain && is_checked(state)) return false;
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
  [[nodiscard]] bool hex_byte(State& state, char c) {
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

  Scopes scopes_;
  StringRules strings_;
  ContainerRules containers_;
  NumberReader numbers_;
  JsonTextLimits limits_;
};

}  // namespace lamina::masks
