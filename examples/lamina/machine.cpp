// SPDX-License-Identifier: Apache-2.0
// Cores from /sys, memory from the kernel, sizes from text.
#include "machine.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <set>
#include <utility>

#include <lamina/core/threads.hpp>

#include "cgroup.hpp"

namespace program {

namespace {

std::uint64_t page_bytes() { return static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)); }

std::uint32_t allowed_cores() {
  const std::uint32_t cpus = lamina::available_cpus();
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return cpus;
  std::set<std::pair<int, int>> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    const std::string topology = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    int package = 0;
    int core = 0;
    if (!(std::ifstream(topology + "physical_package_id") >> package) ||
        !(std::ifstream(topology + "core_id") >> core)) {
      return cpus;
    }
    cores.emplace(package, core);
  }
  return cores.empty() ? cpus : static_cast<std::uint32_t>(cores.size());
}

/// What the machine has left.
std::uint64_t free_memory_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  std::uint64_t kilobytes = 0;
  while (file >> name >> kilobytes) {
    if (name == "MemAvailable:") return kilobytes * 1024;
    std::getline(file, name);  // the unit, if there is one
  }
  return static_cast<std::uint64_t>(sysconf(_SC_AVPHYS_PAGES)) * page_bytes();
}

/// What limits of the process (ulimit -v, -d) leave.
std::uint64_t unlimited_bytes() {
  std::ifstream file("/proc/self/statm");  // in pages: all, resident, shared, text, 0, data
  std::array<std::uint64_t, 6> pages{};
  for (std::uint64_t& count : pages) file >> count;
  std::uint64_t left = UINT64_MAX;
  const auto apply = [&left](int resource, std::uint64_t used) {
    rlimit limit{};
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
    left = std::min<std::uint64_t>(left, limit.rlim_cur - std::min<std::uint64_t>(limit.rlim_cur, used));
  };
  apply(RLIMIT_AS, pages[0] * page_bytes());
  apply(RLIMIT_DATA, pages[5] * page_bytes());
  return left;
}

}  // namespace

std::uint32_t physical_cores() {
  const std::uint32_t cores = allowed_cores();
  const double quota = read_cgroup_limits().cpus;
  return quota > 0 && quota < cores ? static_cast<std::uint32_t>(std::ceil(quota)) : cores;
}

std::uint64_t peak_memory_bytes() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

std::uint64_t resident_memory_bytes() {
  unsigned long long pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%*u %llu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return pages * page_bytes();
}

std::uint64_t available_memory_bytes() {
  return std::min({free_memory_bytes(), grantable_memory_bytes(), unlimited_bytes()});
}

std::uint64_t grantable_memory_bytes() { return read_cgroup_limits().memory_left; }

std::uint64_t memory_bytes() {
  return std::min(static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * page_bytes(),
                  read_cgroup_limits().memory_bytes);
}

lamina::Result<std::uint64_t> parse_bytes(std::string_view text, std::string_view where) {
  const lamina::Error error{lamina::ErrorCode::bad_argument,    where, "not a size",
                            "a number and B, KiB, MB, GiB ...", text,  ""};
  double number = 0;
  const auto [rest, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || !std::isfinite(number) || number < 0) return error;
  std::string unit;
  for (const char c : std::string_view(rest, static_cast<std::size_t>(text.data() + text.size() - rest))) {
    if (c != ' ') unit += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  // A bare letter counts in powers of 1024, as in most tools that print memory.
  constexpr std::array<std::pair<std::string_view, double>, 14> units{{
      {"", 1},
      {"B", 1},
      {"K", 0x1p10},
      {"KIB", 0x1p10},
      {"KB", 1e3},
      {"M", 0x1p20},
      {"MIB", 0x1p20},
      {"MB", 1e6},
      {"G", 0x1p30},
      {"GIB", 0x1p30},
      {"GB", 1e9},
      {"T", 0x1p40},
      {"TIB", 0x1p40},
      {"TB", 1e12},
  }};
  const auto* found =
      std::find_if(units.begin(), units.end(), [&](const auto& entry) { return entry.first == unit; });
  if (found == units.end() || number * found->second >= 0x1p63) return error;
  return static_cast<std::uint64_t>(number * found->second);
}

std::string format_bytes(double bytes) {
  constexpr std::array<const char*, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < units.size()) {
    bytes /= 1024;
    ++unit;
  }
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), unit == 0 ? "%.0f %s" : "%.2f %s", bytes, units[unit]);
  return buffer.data();
}

}  // namespace program
