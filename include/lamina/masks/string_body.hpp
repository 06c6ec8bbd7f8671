// SPDX-License-Identifier: Apache-2.0
// What an automaton knows of the rest of a JSON string, so that a whole vocabulary need not be tried.
#pragma once

#include <cstdint>

#include <lamina/masks/regex/dfa.hpp>

namespace lamina::masks {

/// How texts inside a string may go on. "Text" is whole characters without quotes, backslashes and controls.
struct StringBody {
  enum class Kind : std::uint8_t {
    none,      ///< not inside a string, or inside a character
    free,      ///< any text, and no text changes the state
    any_text,  ///< any text, but the state remembers it
    limited,   ///< `room` characters, and as `dfa` goes on where there is one
    checked,   ///< each text must be tried
  };
  Kind kind = Kind::none;
  std::uint32_t room = UINT32_MAX;
  Dfa* dfa = nullptr;
  std::uint32_t state = 0;
};

}  // namespace lamina::masks
