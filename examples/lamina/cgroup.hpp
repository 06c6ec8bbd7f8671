// SPDX-License-Identifier: Apache-2.0
// What a container or batch system allows this process: limits of its control groups, version 1 and 2.
// Source: Linux Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst; proc(5) (mountinfo).
#pragma once

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace program {

/// Limits of a process; those of all groups around its own count too.
struct CgroupLimits {
  static constexpr std::uint64_t no_limit = UINT64_MAX;
  std::uint64_t memory_bytes = no_limit;  ///< smallest limit
  std::uint64_t memory_left = no_limit;   ///< smallest rest; pages of files count as free, for they can go
  double cpus = 0;                        ///< CPUs' worth of time; 0: no limit
};

namespace cgroup_detail {

/// A whole file of a few megabytes at most; empty if it cannot be read.
inline std::string read_small_file(const std::string& path) {
  constexpr std::size_t most = std::size_t{4} << 20;
  std::string text;
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return text;
  char buffer[4096];
  for (std::size_t count = 0;
       text.size() < most && (count = std::fread(buffer, 1, sizeof buffer, file)) > 0;) {
    text.append(buffer, count);
  }
  std::fclose(file);
  return text;
}

/// Cuts the text before `separator` off `rest`; all of it if there is none.
inline std::string_view cut(std::string_view& rest, char separator) {
  const std::size_t at = std::min(rest.find(separator), rest.size());
  const std::string_view piece = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return piece;
}

/// The number that a text begins with; nothing for "max", "-1" and what is no number.
inline std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{}) return std::nullopt;
  if (end != text.data() + text.size() && std::isspace(static_cast<unsigned char>(*end)) == 0)
    return std::nullopt;
  return number;
}

inline std::optional<std::uint64_t> number_in(const std::string& path) {
  return number_of(read_small_file(path));
}

inline bool lists(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    if (cut(list, ',') == word) return true;
  }
  return false;
}

/// Bytes of file pages in "memory.stat": `prefix` is "" or "total_".
inline std::uint64_t file_pages(std::string_view statistics, const std::string& prefix) {
  std::uint64_t bytes = 0;
  while (!statistics.empty()) {
    std::string_view line = cut(statistics, '\n');
    const std::string_view name = cut(line, ' ');
    if (name != prefix + "inactive_file" && name != prefix + "active_file") continue;
    bytes += number_of(line).value_or(0);
  }
  return bytes;
}

inline void add_memory(CgroupLimits& limits, std::optional<std::uint64_t> limit, std::uint64_t used,
                       std::uint64_t files) {
  // Version 1 writes the largest number of pages for "no limit".
  constexpr std::uint64_t beyond_any_machine = std::uint64_t{1} << 60;
  if (!limit || *limit >= beyond_any_machine) return;
  const std::uint64_t kept = used - std::min(used, files);
  limits.memory_bytes = std::min(limits.memory_bytes, *limit);
  limits.memory_left = std::min(limits.memory_left, *limit - std::min(*limit, kept));
}

inline void add_quota(CgroupLimits& limits, std::optional<std::uint64_t> quota,
                      std::optional<std::uint64_t> period) {
  if (!quota || !period || *quota == 0 || *period == 0) return;
  const double cpus = static_cast<double>(*quota) / static_cast<double>(*period);
  limits.cpus = limits.cpus > 0 ? std::min(limits.cpus, cpus) : cpus;
}

/// One version 2 group.
inline void read_unified(const std::string& folder, CgroupLimits& limits) {
  add_memory(limits, number_in(folder + "/memory.max"), number_in(folder + "/memory.current").value_or(0),
             file_pages(read_small_file(folder + "/memory.stat"), ""));
  const std::string quota = read_small_file(folder + "/cpu.max");  // "QUOTA PERIOD"
  std::string_view rest = quota;
  const auto first = number_of(cut(rest, ' '));
  add_quota(limits, first, number_of(rest));
}

/// One version 1 group of the memory controller.
inline void read_memory(const std::string& folder, CgroupLimits& limits) {
  add_memory(limits, number_in(folder + "/memory.limit_in_bytes"),
             number_in(folder + "/memory.usage_in_bytes").value_or(0),
             file_pages(read_small_file(folder + "/memory.stat"), "total_"));
}

/// One version 1 group of the CPU controller.
inline void read_cpu(const std::string& folder, CgroupLimits& limits) {
  add_quota(limits, number_in(folder + "/cpu.cfs_quota_us"), number_in(folder + "/cpu.cfs_period_us"));
}

/// mountinfo writes spaces and other separators in names as \ and three octal digits.
inline std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int value = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, value, 8).ptr == text.data() + i + 4) {
      plain += static_cast<char>(value);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

/// Where a controller's hierarchy is mounted.
struct Mount {
  std::string top;  ///< the group that the mount point shows
  std::string point;
};

/// A line of mountinfo, "ID PARENT DEVICE TOP POINT OPTIONS [more] - TYPE SOURCE OPTIONS", if it mounts
/// `type` with the controller `option` (empty: any).
inline std::optional<Mount> mount_of(std::string_view line, std::string_view type, std::string_view option) {
  const std::size_t dash = line.find(" - ");
  if (dash == line.npos) return std::nullopt;
  std::string_view tail = line.substr(dash + 3);
  if (cut(tail, ' ') != type) return std::nullopt;
  cut(tail, ' ');
  if (!option.empty() && !lists(tail, option)) return std::nullopt;
  for (int skipped = 0; skipped < 3; ++skipped) cut(line, ' ');
  const std::string_view top = cut(line, ' ');
  return Mount{unescaped(top), unescaped(cut(line, ' '))};
}

/// Calls `read` on the folder of the group `group` and on those of all groups around it, below `root`.
template <class Read>
void walk_up(const std::string& root, const Mount& mount, std::string_view group, CgroupLimits& limits,
             Read read) {
  // A mount that shows another part of the tree, as in containers that share the host's view: its top is
  // ours.
  std::string_view below;
  if (mount.top == "/") {
    below = group;
  } else if (group.starts_with(mount.top)) {
    below = group.substr(mount.top.size());
    if (!below.empty() && below.front() != '/') below = {};
  }
  if (below.find("/..") != below.npos) below = {};
  while (below.ends_with('/')) below.remove_suffix(1);
  for (;;) {
    read(root + mount.point + std::string(below), limits);
    if (below.empty()) return;
    below = below.substr(0, below.rfind('/'));
  }
}

}  // namespace cgroup_detail

/// Reads the limits of this process. What cannot be read or understood limits nothing.
/// `root`: where "/proc" and "/sys" are looked for, for tests.
[[nodiscard]] inline CgroupLimits read_cgroup_limits(const std::string& root = "") {
  using namespace cgroup_detail;
  CgroupLimits limits;
  const std::string groups = read_small_file(root + "/proc/self/cgroup");
  const std::string mounts = read_small_file(root + "/proc/self/mountinfo");
  for (std::string_view rest = groups; !rest.empty();) {
    std::string_view group = cut(rest, '\n');  // "NUMBER:CONTROLLERS:PATH", version 2: "0::PATH"
    const std::string_view number = cut(group, ':');
    const std::string_view controllers = cut(group, ':');
    if (!group.starts_with('/')) continue;
    for (std::string_view lines = mounts; !lines.empty();) {
      const std::string_view line = cut(lines, '\n');
      if (number == "0" && controllers.empty()) {
        if (const auto mount = mount_of(line, "cgroup2", ""))
          walk_up(root, *mount, group, limits, read_unified);
      }
      if (lists(controllers, "memory")) {
        if (const auto mount = mount_of(line, "cgroup", "memory"))
          walk_up(root, *mount, group, limits, read_memory);
      }
      if (lists(controllers, "cpu")) {
        if (const auto mount = mount_of(line, "cgroup", "cpu"))
          walk_up(root, *mount, group, limits, read_cpu);
      }
    }
  }
  return limits;
}

}  // namespace program
