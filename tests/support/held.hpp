// SPDX-License-Identifier: Apache-2.0
// What a process holds: blocks of memory, open files, mapped files.
#pragma once

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace lamina_test {

/// Blocks of all threads that are not given back yet: counted where `support/refusing_memory.hpp` is.
inline std::atomic<std::ptrdiff_t> blocks_held{0};

struct Held {
  std::ptrdiff_t blocks = 0;
  std::ptrdiff_t files = 0;
  std::ptrdiff_t mappings = 0;  ///< of files

  friend bool operator==(const Held&, const Held&) = default;
};

inline Held held_now() {
  Held held;
  held.files = std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) held.mappings += line.find('/') != std::string::npos;
  held.blocks = blocks_held;
  return held;
}

}  // namespace lamina_test
