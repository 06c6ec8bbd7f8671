// SPDX-License-Identifier: Apache-2.0
// What an automaton knows of the rest of a JSON string, so that a whole vocabulary need not be tried.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <lamina/masks/regex/dfa.hpp>
#include <lamina/masks/text_automaton.hpp>

namespace lamina::masks {

/// One limit on how a text goes on.
struct TextLimit {
  std::uint32_t way = 0;            ///< limits of one way hold together
  std::uint32_t room = UINT32_MAX;  ///< characters
  Dfa* dfa = nullptr;               ///< null: no pattern
  std::uint32_t state = 0;
  bool is_list = false;
  std::vector<std::string_view> texts{};  ///< of a list: it goes on as one of these begins
  TextAutomaton* automaton = nullptr;     ///< what `state` is of, where it is no pattern's
};

/// How texts inside a string may go on. "Text" is whole characters without quotes, backslashes and controls.
struct StringBody {
  enum class Kind : std::uint8_t {
    none,      ///< not inside a string, or inside a character
    free,      ///< any text, and no text changes the state
    any_text,  ///< any text, but the state remembers it
    limited,   ///< as at least one way allows: ways count from 0, in the order of `limits`
    checked,   ///< each text must be tried
  };
  Kind kind = Kind::none;
  std::vector<TextLimit> limits{};
};

}  // namespace lamina::masks
