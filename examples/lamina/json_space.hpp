// SPDX-License-Identifier: Apache-2.0
// The words of flags and requests for white space in JSON.
#pragma once

#include <optional>
#include <string_view>

#include <lamina/masks/schema/state.hpp>

namespace program {

/// "any" or "none"; nothing for other words.
[[nodiscard]] inline std::optional<lamina::masks::JsonSpace> json_space_of(std::string_view word) noexcept {
  if (word == "any") return lamina::masks::JsonSpace::any;
  if (word == "none") return lamina::masks::JsonSpace::none;
  return std::nullopt;
}

}  // namespace program
