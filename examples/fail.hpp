// SPDX-License-Identifier: Apache-2.0
// How the numbered examples end when something went wrong.
#pragma once

#include <cstdio>

#include <lamina/core/error.hpp>

/// Prints what went wrong and what can be done about it. Returns the program's exit code.
inline int fail(const lamina::Error& error) {
  std::fprintf(stderr, "%s\n", describe(error).c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "hint: %s\n", error.hint.c_str());
  return 1;
}
