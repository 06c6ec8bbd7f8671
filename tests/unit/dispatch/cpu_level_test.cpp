// SPDX-License-Identifier: Apache-2.0
// Which level a program lacks on a CPU.
#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>

#include <lamina/simd/cpu_level.hpp>

namespace {

using lamina::CpuLevel;

TEST_CASE("missed_level: the fastest that the CPU has, if it is faster than all that are compiled") {
  const auto zen_4 = [](CpuLevel level) { return level != CpuLevel::avx2_vnni; };
  const auto zen_3 = [](CpuLevel level) { return level <= CpuLevel::avx2; };
  const auto alder_lake = [](CpuLevel level) { return level <= CpuLevel::avx2_vnni; };
  const CpuLevel two[] = {CpuLevel::sse4, CpuLevel::avx2};
  const CpuLevel all[] = {CpuLevel::sse4, CpuLevel::avx2, CpuLevel::avx512_vnni, CpuLevel::avx512_bf16};
  CHECK(lamina::missed_level(two, zen_4) == CpuLevel::avx512_bf16);
  CHECK(lamina::missed_level(two, zen_3) == CpuLevel::baseline);
  CHECK(lamina::missed_level(two, alder_lake) == CpuLevel::avx2_vnni);
  CHECK(lamina::missed_level(all, zen_4) == CpuLevel::baseline);
  CHECK(lamina::missed_level(all, alder_lake) == CpuLevel::avx2_vnni);
  CHECK(lamina::missed_level({}, zen_3) == CpuLevel::avx2);
  // What is compiled and cannot run does not count.
  const CpuLevel above[] = {CpuLevel::sse4, CpuLevel::avx512_bf16};
  CHECK(lamina::missed_level(above, zen_3) == CpuLevel::avx2);
}

}  // namespace
