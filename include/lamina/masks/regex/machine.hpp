// SPDX-License-Identifier: Apache-2.0
// A text that matches a regular expression as a whole, byte by byte.
#pragma once

#include <cstdint>

#include <lamina/core/config.hpp>
#include <lamina/masks/arena.hpp>
#include <lamina/masks/regex/dfa.hpp>
#include <lamina/masks/regex/nfa.hpp>
#include <lamina/masks/string_body.hpp>
#include <lamina/masks/utf8_progress.hpp>

namespace lamina::masks {

/// Runs one pattern, built for `RegexUse::whole`, over well-formed text. The automaton must outlive it.
class RegexMachine {
 public:
  struct State {
    std::uint32_t state = 0;
    Utf8Progress utf8;
  };

  explicit RegexMachine(const Nfa& nfa) : dfa_(nfa, RegexUse::whole) {}

  [[nodiscard]] Arena& arena() noexcept { return arena_; }
  [[nodiscard]] bool failed() const noexcept { return dfa_.failed(); }
  [[nodiscard]] State start() const noexcept { return {dfa_.start(), {}}; }
  [[nodiscard]] bool step(State& state, std::uint8_t byte) {
    if (!state.utf8.take(byte)) return false;
    state.state = dfa_.step(state.state, byte);
    return state.state != Dfa::dead;
  }
  [[nodiscard]] bool accepts(const State& state) const noexcept {
    return state.utf8.need == 0 && dfa_.accepts(state.state);
  }
  [[nodiscard]] std::uint64_t hash(const State& state) const noexcept {
    return mixed(state.state, (std::uint64_t{state.utf8.need} << 16) | (std::uint64_t{state.utf8.low} << 8) |
                                  state.utf8.high);
  }
  [[nodiscard]] static StringBody body(const State&) noexcept { return {}; }
  /// No spelling is left out when a text is forced.
  [[nodiscard]] static bool is_other_spelling(const State&, std::uint8_t) noexcept { return false; }
  static void compact(State&) noexcept {}

 private:
  Dfa dfa_;
  Arena arena_;
};

}  // namespace lamina::masks
