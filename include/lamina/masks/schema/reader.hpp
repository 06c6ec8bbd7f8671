// SPDX-License-Identifier: Apache-2.0
// JSON text under a schema, byte by byte: which byte may come next, as far as the rules for each open value
// tell.
// Source: RFC 8259; JSON Schema 2020-12.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string>
#include <utility>
#include <vector>

#include <lamina/core/config.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/masks/arena.hpp>
#include <lamina/masks/schema/containers.hpp>
#include <lamina/masks/graph/graph.hpp>
#include <lamina/masks/schema/mover.hpp>
#include <lamina/masks/schema/number_reader.hpp>
#include <lamina/masks/schema/scopes.hpp>
#include <lamina/masks/schema/state.hpp>
#include <lamina/masks/schema/string_reader.hpp>
#include <lamina/masks/string_body.hpp>

namespace lamina::masks {

/// Reads JSON under a schema. What it takes as a whole is valid; a beginning that it takes may lead nowhere
/// where rules contradict each other late (`SchemaMachine` looks ahead). The graph must outlive it.
///
/// Threads  one at a time
class SchemaReader {
 public:
  using State = SchemaState;

  explicit SchemaReader(const SchemaGraph& graph, const JsonTextLimits& limits = {})
      : graph_(&graph),
        scopes_(graph),
        containers_(scopes_),
        strings_(scopes_, containers_, limits),
        numbers_(scopes_, limits),
        limits_(limits) {}

  [[nodiscard]] const SchemaGraph& graph() const noexcept { return *graph_; }
  [[nodiscard]] Arena& arena() noexcept { return scopes_.arena(); }
  [[nodiscard]] Scopes& scopes() noexcept { return scopes_; }
  [[nodiscard]] const JsonTextLimits& limits() const noexcept { return limits_; }
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
        if (!StringReader::is_end(state, byte)) return strings_.take(state, byte);
        return state.mode == Mode::key ? strings_.end_key(state) : end_string(state);
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
        return c == '"' && (state.scope = containers_.begin_key(*state.scope)) != nullptr &&
               strings_.begin_key(state);
      case Mode::next_key:
        return c == '"' && strings_.begin_key(state);
      case Mode::colon:
        state.mode = Mode::value;
        state.scope = state.inner;
        state.inner = nullptr;
        return c == ':';
      default:
        return false;
    }
  }

  /// The beginning of a document to which all places of a group apply.
  [[nodiscard]] State start(const Group& group) {
    State state;
    state.scope = scopes_.lone(group);
    return state;
  }

  /// Whether the text may end here.
  [[nodiscard]] bool accepts(State state) {
    if (state.mode == Mode::number && state.scope->parent == nullptr && !end_number(state)) return false;
    return state.mode == Mode::end;
  }

  /// See `NumberReader::examples`.
  [[nodiscard]] std::vector<std::string> numbers(const State& state, std::size_t count) {
    return numbers_.examples(state, count);
  }
  /// Ends the number that came, as the byte behind it would; false if it is not one that fits.
  [[nodiscard]] bool end_number(State& state) {
    std::uint64_t hash = 0;
    const Scope* scope = numbers_.end(state, hash);
    return scope != nullptr && end_value(state, scope, hash);
  }

  /// Equal for states from which the same texts go on. `alike`: also for those that differ only in which keys
  /// without a name in the schema, and which items that must differ, were there.
  [[nodiscard]] std::uint64_t hash(const State& state, bool alike = false) const noexcept {
    std::uint64_t hash = (std::uint64_t{static_cast<std::uint8_t>(state.mode)} << 40) |
                         (std::uint64_t{static_cast<std::uint8_t>(state.part)} << 32) |
                         (std::uint64_t{state.utf8.need} << 16) | (std::uint64_t{state.utf8.low} << 8) |
                         state.utf8.high;
    hash = mixed(hash, (std::uint64_t{state.spaces} << 32) | state.unit);
    hash = mixed(hash, (std::uint64_t{state.surrogate} << 32) | state.size);
    hash = mixed(hash, state.scope->hash_of(alike));
    if (state.inner != nullptr) hash = mixed(hash, state.inner->hash_of(alike));
    if (state.mode == Mode::number && state.text != nullptr) {
      for (std::uint32_t i = 0; i < state.size; ++i)
        hash = mixed(hash, static_cast<unsigned char>(state.text[i]));
    }
    if (state.mode == Mode::literal) hash = mixed(hash, static_cast<unsigned char>(state.text[0]));
    if (state.mode == Mode::key || (state.mode == Mode::string && state.scope->hashed))
      hash = mixed(hash, state.string.hash);
    if (state.string.words != nullptr) {
      hash = mixed(hash, (std::uint64_t{state.string.bytes} << 32) | state.string.characters);
      for (std::size_t i = 0; i < StringReader::words_of(state); ++i)
        hash = mixed(hash, state.string.words[i]);
    }
    if (state.names != nullptr) {
      for (std::uint32_t i = 0; i < state.inner->group->words; ++i) hash = mixed(hash, state.names[i]);
    }
    return hash;
  }

  /// What is known of the rest of a string, for whoever looks through a whole vocabulary.
  [[nodiscard]] StringBody body(const State& state) { return strings_.body(state); }

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
    const std::size_t words = state.string.words == nullptr ? 0 : StringReader::words_of(state);
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
    if (c == '"') return strings_.begin_value(state);
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

  [[nodiscard]] bool end_string(State& state) {
    std::uint64_t hash = 0;
    const Scope* scope = strings_.end_value(state, hash);
    return end_value(state, scope, hash);
  }
  const SchemaGraph* graph_;
  Scopes scopes_;
  ContainerRules containers_;
  StringReader strings_;
  NumberReader numbers_;
  JsonTextLimits limits_;
};

}  // namespace lamina::masks
