// SPDX-License-Identifier: Apache-2.0
// Bytes written as hexadecimal text, as in the reference data and the specification's examples.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

/// The bytes of pairs of hexadecimal digits; blanks and line ends between digits are skipped.
inline std::vector<std::byte> bytes_from_hex(std::string_view text) {
  std::vector<std::byte> bytes;
  int pending = -1;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) continue;
    if (pending < 0) {
      pending = digit;
    } else {
      bytes.push_back(static_cast<std::byte>(pending * 16 + digit));
      pending = -1;
    }
  }
  return bytes;
}
