// SPDX-License-Identifier: Apache-2.0
// How programs here print an error: one line that says what is wrong, one that says what to do about it.
#pragma once

#include <cstdio>

#include <lamina/core/error.hpp>

/// Prints the error after `prefix`, and its hint if it has one, on stderr. Returns 1, an exit code.
inline int print_error(const lamina::Error& error, const char* prefix = "") {
  std::fprintf(stderr, "%s%s\n", prefix, describe(error).c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "hint: %s\n", error.hint.c_str());
  return 1;
}
