// SPDX-License-Identifier: Apache-2.0
// Where in a JSON text an automaton stands.
#pragma once

#include <cstdint>

#include <lamina/core/config.hpp>
#include <lamina/masks/schema/scopes.hpp>
#include <lamina/masks/schema/strings.hpp>
#include <lamina/masks/utf8_progress.hpp>

namespace lamina::masks {

/// White space between the values of a document.
enum class JsonSpace : std::uint8_t {
  any,
  none,
};

/// Bounds on the text of a document.
struct JsonTextLimits {
  std::uint32_t spaces = 64;   ///< white space in one place, bytes
  std::uint32_t number = 128;  ///< characters of a number
  std::uint32_t depth = 256;   ///< containers inside each other
  /// No exponents, no point in whole numbers (values of an `enum` as they are); no \u in strings with rules.
  bool plain = false;

  /// For texts that a model writes: JSON has many spellings, and a model that may choose among them for ever
  /// sometimes does. With `JsonSpace::any` one white space may stand in a place.
  [[nodiscard]] static constexpr JsonTextLimits for_writing(JsonSpace space = JsonSpace::any) noexcept {
    return {space == JsonSpace::any ? 1U : 0U, 32, 64, true};
  }
};

/// A state: where in the text, and what is known of the open values. Copied freely; what it points to lives
/// in the machine's arena.
struct SchemaState {
  enum class Mode : std::uint8_t {
    value,
    first_item,
    after_value,
    first_key,
    next_key,
    colon,
    string,
    key,
    number,
    literal,
    end
  };
  /// Inside a string or number.
  enum class Part : std::uint8_t {
    plain,
    backslash,
    hex1,
    hex2,
    hex3,
    hex4,
    low_backslash,
    low_u,
    minus,
    zero,
    whole,
    point,
    places,
    e,
    sign,
    power
  };

  Mode mode = Mode::value;
  Part part = Part::plain;
  Utf8Progress utf8;  ///< inside a string
  std::uint32_t spaces = 0;
  std::uint32_t unit = 0;       ///< of an escape
  std::uint32_t surrogate = 0;  ///< first half of a pair
  std::uint32_t depth = 0;
  const Scope* scope = nullptr;  ///< the value that is expected or comes in, or the container between values
  const Scope* inner = nullptr;  ///< the value that comes next, or a key as a value
  StringProgress string;
  std::uint32_t* names = nullptr;  ///< states of a key's own checks
  const char* text = nullptr;      ///< of a number or literal
  std::uint32_t size = 0;          ///< that came
};

}  // namespace lamina::masks
