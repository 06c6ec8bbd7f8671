// SPDX-License-Identifier: Apache-2.0
// Reading lines and whole streams.
#pragma once

#include <cstdio>
#include <string>

namespace program {

/// Reads one line without its newline; false at the end, or when Ctrl-C broke the wait off.
inline bool read_line(std::FILE* stream, std::string& line) {
  line.clear();
  for (int c = std::getc(stream); c != EOF; c = std::getc(stream)) {
    if (c == '\n') return true;
    line += static_cast<char>(c);
  }
  return !line.empty();
}

/// Reads everything that is left.
inline std::string read_all(std::FILE* stream) {
  std::string text;
  char buffer[1 << 16];
  for (std::size_t count = 0; (count = std::fread(buffer, 1, sizeof buffer, stream)) > 0;)
    text.append(buffer, count);
  return text;
}

}  // namespace program
