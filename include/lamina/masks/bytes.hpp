// SPDX-License-Identifier: Apache-2.0
// What constraints do with any automaton over bytes: take a text, and find the bytes that must come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <lamina/masks/arena.hpp>

namespace lamina::masks {

/// Takes as much of `text` as may come: steps `state` over it. `step(state, byte)` says whether a byte may,
/// and changes the state; one that it refuses does not count.
///
/// Returns how many bytes were taken
template <class State, class Step>
[[nodiscard]] std::size_t take_bytes(State& state, std::string_view text, Step step) {
  std::size_t taken = 0;
  for (; taken < text.size(); ++taken) {
    State next = state;
    if (!step(next, static_cast<std::uint8_t>(text[taken]))) break;
    state = next;
  }
  return taken;
}

/// The bytes behind `state`, at most `most`, that have no other beside them; none where `ends(state)`.
///
/// Effects   the arena is as before
template <class State, class Step, class Ends>
[[nodiscard]] std::string forced_bytes(Arena& arena, State state, std::size_t most, Step step, Ends ends) {
  const Arena::Mark mark = arena.mark();
  std::string out;
  while (out.size() < most && !ends(state)) {
    State only = state;
    std::size_t ways = 0;
    std::uint8_t byte = 0;
    for (std::uint32_t b = 0; b < 256 && ways < 2; ++b) {
      State next = state;
      if (!step(next, static_cast<std::uint8_t>(b))) continue;
      ++ways;
      only = next;
      byte = static_cast<std::uint8_t>(b);
    }
    if (ways != 1) break;
    out += static_cast<char>(byte);
    state = only;
  }
  arena.reset(mark);
  return out;
}

}  // namespace lamina::masks
