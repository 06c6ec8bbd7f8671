// SPDX-License-Identifier: Apache-2.0
// What the program asks the machine: cores, memory use, and sizes as people write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <lamina/core/error.hpp>

namespace program {

/// Physical cores this process may run on, at least 1: hardware threads of one core count once. Capped by the
/// CPU time that its control groups grant (a container's --cpus), rounded up.
[[nodiscard]] std::uint32_t physical_cores();

/// Most memory this process has held, in bytes.
[[nodiscard]] std::uint64_t peak_memory_bytes();

/// Memory this process holds now, in bytes.
[[nodiscard]] std::uint64_t resident_memory_bytes();

/// Memory that this process may take now without pushing others out, in bytes: what the machine has left,
/// what the limits of its control groups leave, and those of its address space.
[[nodiscard]] std::uint64_t available_memory_bytes();

/// What the limits of control groups leave of memory: taking more ends the process. UINT64_MAX: no limit.
[[nodiscard]] std::uint64_t grantable_memory_bytes();

/// Memory of the machine or of this process's control groups, whichever is less, in bytes.
[[nodiscard]] std::uint64_t memory_bytes();

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
