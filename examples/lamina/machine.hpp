// SPDX-License-Identifier: Apache-2.0
// What the program asks the machine: cores, memory use, and sizes as people write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <lamina/core/error.hpp>

namespace program {

/// Physical cores this process may run on, at least 1: hardware threads of one core count once.
[[nodiscard]] std::uint32_t physical_cores();

/// Most memory this process has held, in bytes.
[[nodiscard]] std::uint64_t peak_memory_bytes();

/// Memory that a program may take now without pushing others out, in bytes.
[[nodiscard]] std::uint64_t available_memory_bytes();

/// Reads "2GiB", "800 MB", "1.5G", "123456". Errors: bad_argument that names `where`.
[[nodiscard]] lamina::Result<std::uint64_t> parse_bytes(std::string_view text, std::string_view where);

/// Writes 1536 as "1.5 KiB".
[[nodiscard]] std::string format_bytes(double bytes);

/// Measures wall time from its construction on.
class Stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace program
