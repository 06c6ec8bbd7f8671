// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "lamina/cgroup.hpp"  // of examples/
#include "support/temporary_directory.hpp"

using program::CgroupLimits;

namespace {

constexpr std::uint64_t gib = std::uint64_t{1} << 30;

/// A machine's /proc and /sys in a folder.
class FakeRoot {
 public:
  FakeRoot(std::string_view groups, std::string_view mounts) {
    put("/proc/self/cgroup", groups);
    put("/proc/self/mountinfo", mounts);
  }
  void put(const std::string& path, std::string_view content) const {
    std::filesystem::create_directories(std::filesystem::path(folder_.path() + path).parent_path());
    (void)folder_.write(path.substr(1), content);
  }
  [[nodiscard]] CgroupLimits limits() const { return program::read_cgroup_limits(folder_.path()); }

 private:
  TemporaryDirectory folder_;
};

constexpr std::string_view mounts_v2 =
    "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "24 21 0:22 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

constexpr std::string_view mounts_v1 =
    "24 21 0:22 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n"
    "30 24 0:26 / /sys/fs/cgroup/memory rw shared:12 - cgroup cgroup rw,memory\n"
    "31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";

void check_unlimited(const CgroupLimits& limits) {
  CHECK(limits.memory_bytes == CgroupLimits::no_limit);
  CHECK(limits.memory_left == CgroupLimits::no_limit);
  CHECK(limits.cpus == 0);
}

}  // namespace

TEST_CASE("control groups: version 2, file pages count as free") {
  const FakeRoot root("0::/job\n", mounts_v2);
  root.put("/sys/fs/cgroup/job/memory.max", "4294967296\n");
  root.put("/sys/fs/cgroup/job/memory.current", "3221225472\n");
  root.put("/sys/fs/cgroup/job/memory.stat",
           "anon 5\ninactive_file 1073741824\nactive_file 536870912\nshmem 7\n");
  root.put("/sys/fs/cgroup/job/cpu.max", "150000 100000\n");
  const CgroupLimits limits = root.limits();
  CHECK(limits.memory_bytes == 4 * gib);
  CHECK(limits.memory_left == 4 * gib - (3 * gib - gib - gib / 2));
  CHECK(limits.cpus == doctest::Approx(1.5));
}

TEST_CASE("control groups: version 2, the groups around count too") {
  const FakeRoot root("0::/a/b/c\n", mounts_v2);
  root.put("/sys/fs/cgroup/a/memory.max", "1073741824\n");
  root.put("/sys/fs/cgroup/a/memory.current", "1000000000\n");
  root.put("/sys/fs/cgroup/a/b/memory.max", "max\n");
  root.put("/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
  root.put("/sys/fs/cgroup/a/b/c/memory.max", "8589934592\n");
  root.put("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
  const CgroupLimits limits = root.limits();
  CHECK(limits.memory_bytes == gib);
  CHECK(limits.memory_left == gib - 1'000'000'000);
  CHECK(limits.cpus == doctest::Approx(4));
}

TEST_CASE("control groups: version 2 in a container, seen from its own root") {
  const FakeRoot own("0::/\n", mounts_v2);
  own.put("/sys/fs/cgroup/memory.max", "1073741824\n");
  CHECK(own.limits().memory_bytes == gib);
  // The mount shows the container's group, /proc still the host's name for it; names may hold spaces.
  const FakeRoot host("0::/pods/my pod\n",
                      "24 21 0:22 /pods/my\\040pod /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n");
  host.put("/sys/fs/cgroup/memory.max", "1073741824\n");
  host.put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
  CHECK(host.limits().memory_bytes == gib);
  CHECK(host.limits().cpus == doctest::Approx(0.5));
  // A group outside of what the container sees.
  const FakeRoot outside("0::/../other\n", mounts_v2);
  outside.put("/sys/fs/cgroup/memory.max", "1073741824\n");
  CHECK(outside.limits().memory_bytes == gib);
}

TEST_CASE("control groups: version 1") {
  const FakeRoot root("12:memory:/docker/x\n5:cpu,cpuacct:/docker/x\n1:name=systemd:/y\n", mounts_v1);
  const std::string memory = "/sys/fs/cgroup/memory/docker/x/";
  root.put(memory + "memory.limit_in_bytes", "2147483648\n");
  root.put(memory + "memory.usage_in_bytes", "1073741824\n");
  root.put(memory + "memory.stat", "inactive_file 1\ntotal_inactive_file 536870912\n");
  root.put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  const std::string cpu = "/sys/fs/cgroup/cpu,cpuacct/docker/x/";
  root.put(cpu + "cpu.cfs_quota_us", "300000\n");
  root.put(cpu + "cpu.cfs_period_us", "100000\n");
  root.put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  root.put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  const CgroupLimits limits = root.limits();
  CHECK(limits.memory_bytes == 2 * gib);
  CHECK(limits.memory_left == 2 * gib - gib / 2);
  CHECK(limits.cpus == doctest::Approx(3));
}

TEST_CASE("control groups: version 1 without limits, version 2 beside it without controllers") {
  const FakeRoot root(
      "12:memory:/\n5:cpu,cpuacct:/\n0::/user\n",
      std::string(mounts_v1) + "40 24 0:40 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  root.put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  root.put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  root.put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  root.put("/sys/fs/cgroup/unified/user/cgroup.procs", "1\n");
  check_unlimited(root.limits());
}

TEST_CASE("control groups: more used than allowed leaves nothing") {
  const FakeRoot root("0::/\n", mounts_v2);
  root.put("/sys/fs/cgroup/memory.max", "1000\n");
  root.put("/sys/fs/cgroup/memory.current", "2000\n");
  CHECK(root.limits().memory_left == 0);
  root.put("/sys/fs/cgroup/memory.stat", "inactive_file 99999\n");
  CHECK(root.limits().memory_left == 1000);
}

TEST_CASE("control groups: what is absent or garbage limits nothing") {
  check_unlimited(program::read_cgroup_limits("/nonexistent"));
  for (const std::string_view groups : {"", "\n\n", "0::", "0:/job", ":::::", "0::job\n", "12:memory\n"}) {
    for (const std::string_view mounts :
         {"", " - ", "24 - cgroup2", "24 21 0:22 - cgroup2 x", "\\04 - cgroup2 a b\n"}) {
      CAPTURE(groups);
      CAPTURE(mounts);
      check_unlimited(FakeRoot(groups, mounts).limits());
    }
  }
  const FakeRoot root("0::/job\n", mounts_v2);
  for (const std::string_view text :
       {"", "\n", "max", "-5", "12x", "99999999999999999999999", "0x10", "many words"}) {
    CAPTURE(text);
    root.put("/sys/fs/cgroup/job/memory.max", text);
    root.put("/sys/fs/cgroup/job/memory.current", text);
    root.put("/sys/fs/cgroup/job/memory.stat", text);
    root.put("/sys/fs/cgroup/job/cpu.max", text);
    check_unlimited(root.limits());
  }
  root.put("/sys/fs/cgroup/job/cpu.max", "100000 0");
  check_unlimited(root.limits());
  root.put("/sys/fs/cgroup/job/cpu.max", "0 100000");
  check_unlimited(root.limits());
}
