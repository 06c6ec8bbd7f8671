// SPDX-License-Identifier: Apache-2.0
// Compiles one model for every CPU target of Highway, in the translation unit that includes it:
//
//   #include "shop_models.hpp"
//   #define LAMINA_DISPATCH_MODEL shop::E2b
//   #define LAMINA_USER_KERNELS "strided-inl.hpp"  // optional: kernels of own kinds, with a toggled guard
//   #include <lamina/dispatch/define.hpp>
//
// That defines what `lamina::dispatched<shop::E2b>()` chooses from. Nothing that includes Highway may come
// before it, and the unit gets no -m flags. Highway before 1.0.4 puts VNNI and BF16 into no target: with it,
// the CMake function lamina_add_models makes code that is faster on CPUs that have them.
#pragma once

#if !defined(LAMINA_DISPATCH_MODEL)
#error "lamina: define LAMINA_DISPATCH_MODEL as a model type before <lamina/dispatch/define.hpp>"
#endif
#if defined(HWY_HIGHWAY_INCLUDED)
#error "lamina: include <lamina/dispatch/define.hpp> before every header that includes Highway"
#endif
#if defined(LAMINA_EXTERN_LINEAR_KERNELS) || defined(LAMINA_EXTERN_ATTENTION_KERNELS)
#error "lamina: a dispatched unit compiles its kernels itself: do not define LAMINA_EXTERN_*_KERNELS"
#endif
#if defined(__AVX__) && !defined(LAMINA_NO_TARGET_WARNING)
#error \
    "lamina: the flags of a dispatched unit allow AVX: its ordinary functions would use it, and lower targets are left out; compile it without -m flags"
#endif

// As simd/prelude.hpp does; foreach_target.h reads it first. SSSE3 machines are older than 2008.
#if !defined(HWY_DISABLE_PCLMUL_AES)
#define HWY_DISABLE_PCLMUL_AES
#endif
#if !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS HWY_SSSE3
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lamina/dispatch/model-inl.hpp"
#include <hwy/foreach_target.h>

#include <lamina/dispatch/model-inl.hpp>

#include <lamina/dispatch/dispatched.hpp>
#include <lamina/dispatch/refusing_entry.hpp>

namespace lamina {

template <>
const DispatchedModel& dispatched_model<LAMINA_DISPATCH_MODEL>() noexcept {
  static constexpr LevelEntry levels[] = {
#if HWY_TARGETS & HWY_SCALAR
    {CpuLevel::baseline, &N_SCALAR::make_model_entry<LAMINA_DISPATCH_MODEL>},
#elif HWY_TARGETS & HWY_EMU128
    {CpuLevel::baseline, &N_EMU128::make_model_entry<LAMINA_DISPATCH_MODEL>},
#elif defined(HWY_SSE2) && (HWY_TARGETS & HWY_SSE2)
    {CpuLevel::baseline, &N_SSE2::make_model_entry<LAMINA_DISPATCH_MODEL>},
#elif !HWY_ARCH_X86
    {CpuLevel::baseline, &HWY_NAMESPACE::make_model_entry<LAMINA_DISPATCH_MODEL>},
#endif
#if HWY_TARGETS & HWY_SSE4
    {CpuLevel::sse4, &N_SSE4::make_model_entry<LAMINA_DISPATCH_MODEL>},
#endif
#if HWY_TARGETS & HWY_AVX2
    {CpuLevel::avx2, &N_AVX2::make_model_entry<LAMINA_DISPATCH_MODEL>},
#endif
#if HWY_TARGETS & HWY_AVX3
    {CpuLevel::avx512, &N_AVX3::make_model_entry<LAMINA_DISPATCH_MODEL>},
#endif
  };
  static constexpr DispatchedModel model{levels,
                                         RefusingEntry<LAMINA_DISPATCH_MODEL, levels[0].level>::entry};
  return model;
}

}  // namespace lamina
