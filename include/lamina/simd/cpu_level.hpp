// SPDX-License-Identifier: Apache-2.0
// Levels of x86-64 instructions that a program has code for, and which of them this CPU runs.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include <lamina/core/config.hpp>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

namespace lamina {

/// Instructions that code may use; of those that a CPU has, the last is the fastest. The flags that compile
/// them are in cmake/LaminaDispatch.cmake.
enum class CpuLevel : std::uint8_t {
  baseline,     ///< what every CPU of the architecture has
  sse4,         ///< SSE4.2: x86-64-v2
  avx2,         ///< AVX2, FMA, F16C: x86-64-v3
  avx2_vnni,    ///< and AVX-VNNI
  avx512,       ///< AVX-512 F, BW, CD, DQ, VL: x86-64-v4
  avx512_vnni,  ///< and AVX-512 VNNI
  avx512_bf16,  ///< and AVX-512 BF16
};

inline constexpr std::array all_cpu_levels{CpuLevel::baseline,   CpuLevel::sse4,   CpuLevel::avx2,
                                           CpuLevel::avx2_vnni,  CpuLevel::avx512, CpuLevel::avx512_vnni,
                                           CpuLevel::avx512_bf16};

/// The level's name: "avx512_vnni".
[[nodiscard]] constexpr std::string_view name_of(CpuLevel level) noexcept {
  constexpr std::string_view names[] = {"baseline", "sse4",        "avx2",       "avx2_vnni",
                                        "avx512",   "avx512_vnni", "avx512_bf16"};
  return names[static_cast<std::uint8_t>(level)];
}

/// Whether the core has AVX-VNNI, as Zen 5 and Intel's since Alder Lake and Sapphire Rapids, whether or not
/// the operating system lets it be used. Asks the CPU alone, not the compiler's library, which firmware
/// lacks.
[[nodiscard]] inline bool core_has_avx_vnni() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 4 & 1) != 0;
#else
  return false;
#endif
}

/// Whether this CPU and its operating system run code of `level`.
[[nodiscard]] inline bool cpu_has(CpuLevel level) noexcept {
  if (level == CpuLevel::baseline) return true;
#if defined(__x86_64__) || defined(__i386__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  // Compilers learned the names of the others late: asked for by number.
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  const bool answers = __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0;
  const bool f16c_movbe = answers && (ecx >> 29 & 1) != 0 && (ecx >> 22 & 1) != 0;
  const bool lzcnt = __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) != 0 && (ecx >> 5 & 1) != 0;
  const bool v3 = avx2 && f16c_movbe && lzcnt;
  const bool has_leaf_1 = __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0;
  switch (level) {
    case CpuLevel::baseline:
      return true;
    case CpuLevel::sse4:
      return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
    case CpuLevel::avx2:
      return v3;
    case CpuLevel::avx2_vnni:
      return v3 && core_has_avx_vnni();
    case CpuLevel::avx512:
      return v3 && avx512;
    case CpuLevel::avx512_vnni:
      return v3 && avx512 && __builtin_cpu_supports("avx512vnni");
    case CpuLevel::avx512_bf16:
      return v3 && avx512 && __builtin_cpu_supports("avx512vnni") && has_leaf_1 && (eax >> 5 & 1) != 0;
  }
#endif
  return false;
}

/// The fastest level that a CPU has (`has(level)`) above all that are `compiled` for it; baseline if there is
/// none.
template <class Has>
[[nodiscard]] constexpr CpuLevel missed_level(std::span<const CpuLevel> compiled, Has has) noexcept {
  CpuLevel runs = CpuLevel::baseline;
  for (const CpuLevel level : compiled) {
    if (has(level) && level > runs) runs = level;
  }
  CpuLevel missed = CpuLevel::baseline;
  for (const CpuLevel level : all_cpu_levels) {
    if (has(level) && level > runs) missed = level;
  }
  return missed;
}

}  // namespace lamina
