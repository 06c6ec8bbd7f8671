// SPDX-License-Identifier: Apache-2.0
// The body of a tool call, byte by byte, as JSON under a schema is read: `call:NAME{key:value}` is followed
// as
// {"NAME":{"key":value}}. Source: tokenizer-and-chat.md §8.3 (grammar of a call body).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <lamina/core/config.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/masks/arena.hpp>
#include <lamina/masks/graph/graph.hpp>
#include <lamina/masks/schema/machine.hpp>
#include <lamina/masks/schema/state.hpp>
#include <lamina/masks/schema/string_reader.hpp>
#include <lamina/masks/string_body.hpp>

namespace lamina::masks {

/// Where in the body of a call an automaton stands.
struct CallState {
  SchemaState inner;       ///< in the JSON text that the call stands for
  std::uint32_t tail = 0;  ///< the last bytes of a key
  std::uint8_t head = 0;   ///< of "call:", those that came
};

/// Reads the body of one call. White space is left out between values, keys are bare, and the quotes of
/// strings are no bytes (`quote`): within them everything is literal. The graph is one of objects with one
/// member, the name and its arguments (`compile_calls`); it must outlive the machine.
///
/// Threads  one at a time
class CallMachine {
 public:
  using State = CallState;

  explicit CallMachine(const SchemaGraph& graph) : json_(graph, limits()) {}

  [[nodiscard]] Arena& arena() noexcept { return json_.arena(); }
  [[nodiscard]] bool failed() const noexcept { return json_.failed(); }

  [[nodiscard]] State start() {
    State state{json_.start()};
    static_cast<void>(json_.step(state.inner, '{'));
    return state;
  }

  /// Takes one byte; false if it may not come here, and the state is lost then.
  [[nodiscard]] bool step(State& state, std::uint8_t byte) {
    constexpr std::string_view opening = "call:";
    const char c = static_cast<char>(byte);
    if (state.head < opening.size()) return c == opening[state.head++];
    switch (state.inner.mode) {
      case Mode::first_key:
        if (c == '}' && state.inner.depth > 1) return json_.step(state.inner, byte);
        return begin_key(state, byte);
      case Mode::next_key:
        return begin_key(state, byte);
      case Mode::key:
        return key_byte(state, byte);
      case Mode::string:
        return literal(state.inner, byte);
      case Mode::value:
      case Mode::first_item:
      case Mode::number:
      case Mode::literal:
      case Mode::after_value:
        return state.inner.depth > 1 && c != '"' && json_.step(state.inner, byte);
      case Mode::colon:
      case Mode::end:
        return false;
    }
    return false;
  }

  /// Takes a quote, the token `<|"|>`. False as of `step`.
  [[nodiscard]] bool quote(State& state) {
    const Mode mode = state.inner.mode;
    if (state.head < 5 || (mode != Mode::value && mode != Mode::first_item && mode != Mode::string))
      return false;
    return json_.step(state.inner, '"');
  }
  /// Whether the body is complete.
  [[nodiscard]] static bool is_complete(const State& state) noexcept {
    return state.inner.depth == 1 && state.inner.mode == Mode::after_value;
  }

  /// A body is ended by a token of its own, never by one that ends texts.
  [[nodiscard]] static bool accepts(const State&) noexcept { return false; }
  /// Equal for states from which the same bodies go on.
  [[nodiscard]] std::uint64_t hash(const State& state) const noexcept {
    return mixed(json_.hash(state.inner), (std::uint64_t{state.head} << 32) | state.tail);
  }
  /// What is known of the rest of a string; keys end at bytes that are plain text elsewhere.
  [[nodiscard]] StringBody body(const State& state) {
    return state.inner.mode == Mode::string ? json_.body(state.inner) : StringBody{};
  }
  /// Gives back the memory of values that are over. Other copies of states are lost.
  void compact(State& state) { json_.compact(state.inner); }

 private:
  using Mode = SchemaState::Mode;

  /// As models write, without white space; a number has no more digits than a double keeps.
  [[nodiscard]] static constexpr JsonTextLimits limits() noexcept {
    JsonTextLimits limits = JsonTextLimits::for_writing(JsonSpace::none);
    limits.number = 16;
    return limits;
  }

  [[nodiscard]] bool begin_key(State& state, std::uint8_t byte) {
    if (byte == ':' || byte == '}' || byte == '{' || !json_.step(state.inner, '"')) return false;
    state.tail = 0;
    return key_byte(state, byte);
  }
  [[nodiscard]] bool key_byte(State& state, std::uint8_t byte) {
    // The name ends where the arguments begin.
    if (state.inner.depth == 1 && byte == '{') return end_key(state) && json_.step(state.inner, '{');
    if (byte == ':') return state.inner.depth > 1 && end_key(state);
    if (byte == '}' || byte < 0x20) return false;
    if (!literal(state.inner, byte)) return false;
    state.tail = (state.tail << 8) | byte;
    const bool is_first = state.inner.string.characters == 1 && state.inner.utf8.need == 0;
    return !is_first || !ends_in_space(state);
  }
  /// White space at the ends of a key would be lost.
  [[nodiscard]] bool end_key(State& state) {
    const bool is_lost = ends_in_space(state);
    state.tail = 0;
    return !is_lost && json_.step(state.inner, '"') && json_.step(state.inner, ':');
  }
  [[nodiscard]] static bool ends_in_space(const State& state) noexcept {
    const char bytes[] = {static_cast<char>(state.tail >> 24), static_cast<char>(state.tail >> 16),
                          static_cast<char>(state.tail >> 8), static_cast<char>(state.tail)};
    const std::string_view text(bytes, sizeof bytes);
    return trim_end(text).size() < text.size();
  }

  /// A byte within a string, escaped as JSON wants it.
  [[nodiscard]] bool literal(SchemaState& inner, std::uint8_t byte) {
    const char escape = StringReader::escape_of(static_cast<char>(byte));
    if (escape == '\0') return json_.step(inner, byte);
    return inner.utf8.need == 0 && json_.step(inner, '\\') &&
           json_.step(inner, static_cast<std::uint8_t>(escape));
  }

  SchemaMachine json_;
};

}  // namespace lamina::masks
