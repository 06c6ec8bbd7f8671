// SPDX-License-Identifier: Apache-2.0
// The compiler flags of the models, which are this file's too unless they dispatch, beside what the CPU
// reports.
#include "target.hpp"

#include <array>
#include <string_view>

#include <lamina/core/config.hpp>
#include <lamina/simd/cpu_level.hpp>
#include <lamina/linear/linear.hpp>

#include "registry.hpp"

namespace program {
namespace {

const lamina::LinearKernels& kernels() { return lamina_registry().front()->kernels(); }

#if defined(LAMINA_DISPATCHES)

// The models have chosen the best that they have: LAMINA_DISPATCHES is a list, LEVEL(sse4) LEVEL(avx2) ...
constexpr const char* remedy = "compile that level, too (CMake: -DLAMINA_LEVELS)";

const char* missed_extension() {
#define LEVEL(name) lamina::CpuLevel::name,
  static constexpr lamina::CpuLevel compiled[] = {LAMINA_DISPATCHES};
#undef LEVEL
  const lamina::CpuLevel missed = lamina::missed_level(compiled, lamina::cpu_has);
  return missed == lamina::CpuLevel::baseline ? nullptr : lamina::name_of(missed).data();
}

#elif defined(__x86_64__) || defined(__i386__)

constexpr const char* remedy = "build with -march=native on this machine";

// True if the compiler predefines `macro` as 1; the text of one that is not defined is its name.
#define PROGRAM_TEXT_OF(macro) #macro
#define PROGRAM_IS_ONE(macro) (std::string_view(PROGRAM_TEXT_OF(macro)) == "1")

/// Instructions that make products faster, the slowest first.
struct Extension {
  const char* name;
  bool compiled;  ///< the flags of the models allow it
  bool here;      ///< this CPU has it
};

/// The best extension of this CPU that the models were compiled without; null if there is none.
const char* missed_extension() {
  const std::array<Extension, 5> extensions{{
      {"SSE4", PROGRAM_IS_ONE(__SSE4_1__), __builtin_cpu_supports("sse4.1") != 0},
      {"AVX2", PROGRAM_IS_ONE(__AVX2__), __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
      {"AVX-512", PROGRAM_IS_ONE(__AVX512BW__), __builtin_cpu_supports("avx512bw") != 0},
      {"AVX-512 VNNI", PROGRAM_IS_ONE(__AVX512VNNI__), __builtin_cpu_supports("avx512vnni") != 0},
      {"AVX-512 BF16", PROGRAM_IS_ONE(__AVX512BF16__), __builtin_cpu_supports("avx512bf16") != 0},
  }};
  const char* missed = nullptr;
  for (const Extension& extension : extensions) {
    if (extension.here && !extension.compiled) missed = extension.name;
  }
  return missed;
}

#undef PROGRAM_IS_ONE
#undef PROGRAM_TEXT_OF

#else

constexpr const char* remedy = "";

const char* missed_extension() { return nullptr; }

#endif

}  // namespace

std::string target_name() { return kernels().target; }

std::string kernel_names() { return kernels().products; }

std::string target_warning() {
  if (!kernels().optimised) {
    return "compiled without optimisation, tens of times slower: build with -O3 (CMake: "
           "-DCMAKE_BUILD_TYPE=Release)";
  }
  if (const char* missed = missed_extension()) {
    return "compiled for " + target_name() + ", but this CPU has " + missed + ", which is faster: " + remedy;
  }
  if (target_name() == "none") return "this CPU lacks instructions that every x86-64 CPU since 2009 has";
  if (target_name() == "SCALAR" || target_name() == "EMU128") {
    return "compiled for " + target_name() + ": one number at a time, as this CPU has no vector instructions";
  }
  return {};
}

std::string version_text() {
  std::string text = LAMINA_VERSION_STRING "\ntarget " + target_name();
  if (const std::string warning = target_warning(); !warning.empty()) text += "\nwarning: " + warning;
  return text;
}

}  // namespace program
