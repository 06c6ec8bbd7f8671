// SPDX-License-Identifier: Apache-2.0
// An automaton over the bytes of one string, for whoever looks through a whole vocabulary with it.
#pragma once

#include <cstdint>

#include <lamina/core/config.hpp>

namespace lamina::masks {

/// States are numbers. Threads: one at a time.
class TextAutomaton {
 public:
  static constexpr std::uint32_t dead = 0;     ///< leads nowhere
  static constexpr std::uint32_t unclear = 1;  ///< the automaton does not tell

  TextAutomaton(const TextAutomaton&) = delete;
  TextAutomaton& operator=(const TextAutomaton&) = delete;
  virtual ~TextAutomaton() = default;

  /// The state behind one more byte of the string's text.
  [[nodiscard]] virtual std::uint32_t step(std::uint32_t state, std::uint8_t byte) = 0;
  /// Whether every character leads back to a state.
  [[nodiscard]] virtual bool takes_all(std::uint32_t state) = 0;
  /// Differs between all automata that a machine ever makes.
  [[nodiscard]] virtual std::uint64_t serial() const noexcept = 0;

 protected:
  TextAutomaton() = default;
};

}  // namespace lamina::masks
