// SPDX-License-Identifier: Apache-2.0
// Version, language and build-wide macros: every header reaches this one before it says anything.
#pragma once

#if __cplusplus < 202002L
// Not #error: compilers go on after it, into pages of errors. An include that is nowhere ends their work.
#include <lamina: needs C++20: compile with -std=c++20 or newer>
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "lamina: needs a little-endian machine: weight files are read and computed with as they are"
#endif

/// The one place that states the version; CMake reads it from here.
#define LAMINA_VERSION_MAJOR 0
#define LAMINA_VERSION_MINOR 1
#define LAMINA_VERSION_PATCH 0
#define LAMINA_VERSION_STRING "0.1.0"

// Macros that a program may define, the same ones for all of its translation units:
//   LAMINA_FORMATS=q8_0,bf16        only these encodings (names of `Format`) and F32 are compiled
//   LAMINA_CACHE_FORMATS=bf16       only these formats of the key/value cache (names of `CacheFormat`)
//   LAMINA_WITHOUT_STDIO            messages are formatted without <cstdio>: for programs that link no C
//   library LAMINA_NO_TARGET_WARNING        no message where the compiler flags make the kernels slow
// What was left out is an `unsupported` error when a file or an option asks for it.

/// Checks a precondition in debug builds. Define it before the first lamina header to route failures
/// elsewhere (a host that must not abort may log instead). Never used for data from outside: that returns an
/// `Error`.
///
/// Debug builds are those without NDEBUG, as for `assert`, and those with LAMINA_DEBUG_CHECKS. As with
/// `assert`, all translation units of a program must agree on it: of functions that differ, the linker keeps
/// one. A broken precondition ends the program where it is found, without a word: a debugger shows the place.
#ifndef LAMINA_DCHECK
#if defined(LAMINA_DEBUG_CHECKS) || !defined(NDEBUG)
#define LAMINA_DCHECK(condition) ((condition) ? static_cast<void>(0) : __builtin_trap())
#else
#define LAMINA_DCHECK(condition) static_cast<void>(0)
#endif
#endif
