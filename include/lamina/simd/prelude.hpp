// SPDX-License-Identifier: Apache-2.0
// The only door to Highway: macros that must precede it, then Highway itself.

// Not `#pragma once`: under foreach_target.h every target must reach highway.h again, for its macros and
// operations.
#if defined(LAMINA_SIMD_PRELUDE_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_SIMD_PRELUDE_HPP_
#undef LAMINA_SIMD_PRELUDE_HPP_
#else
#define LAMINA_SIMD_PRELUDE_HPP_
#endif

#include <cstddef>
#include <cstdint>

// Highway 1.0.3 makes AVX3_DL the baseline of -march=sapphirerapids and newer, but calls it unattainable
// unless asked for, which is a hard #error. Only where the flags allow it; never under dispatch (its
// detection is wrong there).
#if !defined(HWY_TARGET_INCLUDE) && defined(__AVXVNNI__) && defined(__AVX512VBMI2__) && \
    !defined(HWY_WANT_AVX3_DL)
#define HWY_WANT_AVX3_DL
#endif

// lamina uses neither AES nor carry-less multiplication: do not let their absence push -march=x86-64-v3 down
// to SSSE3.
#if !defined(HWY_DISABLE_PCLMUL_AES)
#define HWY_DISABLE_PCLMUL_AES
#endif

#include <hwy/highway.h>

#if !defined(LAMINA_HWY_AT_LEAST)
/// True if the installed Highway is at least version a.b.c.
#define LAMINA_HWY_AT_LEAST(a, b, c) \
  (HWY_MAJOR * 1000000 + HWY_MINOR * 1000 + HWY_PATCH >= (a)*1000000 + (b)*1000 + (c))
#endif

#include <lamina/simd/namespace.hpp>

// Slow code gives right answers, so nobody looks for it: say so, once per translation unit, and never as an
// error (GCC calls it a note, clang a warning that -Werror leaves alone). LAMINA_NO_TARGET_WARNING: silence.
// Under dispatch the flags decide nothing.
#if !defined(LAMINA_NO_TARGET_WARNING) && !defined(HWY_TARGET_INCLUDE)
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
#pragma message(                                                                                             \
    "lamina: the compiler flags allow no vector instructions: everything is computed one number at a time, " \
    "tens of times slower; compile with -march=native, or define LAMINA_NO_TARGET_WARNING")
#endif
#if !defined(__OPTIMIZE__)
#pragma message(                                                                                            \
    "lamina: compiled without optimisation, vector code is tens of times slower; compile with -O3 (CMake: " \
    "CMAKE_BUILD_TYPE Release), or define LAMINA_NO_TARGET_WARNING")
#endif
#endif

#endif  // LAMINA_SIMD_PRELUDE_HPP_
