// SPDX-License-Identifier: Apache-2.0
// Compiles one test file for every Highway target and runs it on each that this CPU has; needs no test
// framework.
//
// A test file looks like this (the name as seen from an include folder; tests/ is one):
//
//   #define HWY_TARGET_INCLUDE "unit/rows/norm_test.cpp"     // this very file: included once per target
//   #include <lamina/testing/for_each_target.hpp>            // before anything that includes Highway
//
//   #include <doctest/doctest.h>
//   #include <lamina/rows/norm-inl.hpp>                      // toggled guard: seen again for every target
//   #include <lamina/simd/prelude.hpp>                       // Highway, also once per target
//
//   HWY_BEFORE_NAMESPACE();
//   namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
//   namespace {
//   void test_rms_norm() {                  // all helpers that touch vectors or kernels live here too
//     INFO("target ", hwy::TargetName(HWY_TARGET));
//     CHECK(...);                           // on plain values: doctest's lambdas must hold no vector code
//   }
//   }  // namespace
//   }  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
//   HWY_AFTER_NAMESPACE();
//
//   #if HWY_ONCE                            // the rest is compiled once
//   namespace lamina {
//   HWY_EXPORT(test_rms_norm);
//   TEST_CASE("rms_norm equals the reference") { CHECK(LAMINA_ON_EACH_TARGET(test_rms_norm) > 0); }
//   }  // namespace lamina
//   #endif
//
// Types and functions that do not depend on the target go in between `#if HWY_ONCE`, or into a header of
// their own (the file is read several times: what stands outside both is defined several times). Compile
// without -m flags, else only the targets above the flags' are generated, and link libhwy. The same file
// compiled with -march=native tests the fixed mode's target alone.
#pragma once

#include <cstdint>

#if defined(HWY_HIGHWAY_INCLUDED)
#error "lamina: include <lamina/testing/for_each_target.hpp> before every header that includes Highway"
#endif

// As simd/prelude.hpp does; foreach_target.h reads it first.
#if !defined(HWY_DISABLE_PCLMUL_AES)
#define HWY_DISABLE_PCLMUL_AES
#endif

#include <hwy/foreach_target.h>

#include <lamina/simd/prelude.hpp>

namespace lamina::testing {

/// Calls `run()` once per target that this file was compiled for and this CPU supports; inside,
/// HWY_DYNAMIC_DISPATCH leads to that target. Returns the number of targets. Threads: one at a time, the
/// choice is global.
template <class Run>
int for_each_target(Run run) {
  int count = 0;
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
    run();
    ++count;
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
  return count;
}

}  // namespace lamina::testing

/// Runs `function()`, named in an HWY_EXPORT before, on each target; the value is the number of targets.
#define LAMINA_ON_EACH_TARGET(function) \
  ::lamina::testing::for_each_target([] { HWY_DYNAMIC_DISPATCH(function)(); })
