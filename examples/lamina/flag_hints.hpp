// SPDX-License-Identifier: Apache-2.0
// The library's hints name its own options and functions; who runs the program knows them as flags.
#pragma once

#include <string>
#include <string_view>

#include <lamina/core/error.hpp>

namespace program {

/// What the library calls it, and what it is called on the command line.
struct FlagName {
  std::string_view library;
  std::string_view flag;
};

inline constexpr FlagName flag_names[] = {
    {"`context`", "context (-c)"},
    {"`cache` format", "cache format (--cache)"},
    {"the weights are damaged, or too large to compute with: scan them with check_numbers",
     "look for the damaged tensor: lamina plan --check-weights -m MODEL"},
    {"fewer threads", "fewer threads (-t)"},
    {"`lamina::as_header`", "`lamina plan --as-header`"},
};

/// The error with flags in its hint.
[[nodiscard]] inline lamina::Error with_flags(lamina::Error error) {
  std::string hint(error.hint.view());
  for (const FlagName& name : flag_names) {
    const std::size_t at = hint.find(name.library);
    if (at != std::string::npos) hint.replace(at, name.library.size(), name.flag);
  }
  error.hint = std::string_view(hint);
  return error;
}

}  // namespace program
