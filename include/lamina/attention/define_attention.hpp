// SPDX-License-Identifier: Apache-2.0
// Compiles attention for the cache layouts of published models: include it in exactly one translation unit of
// a program whose others define LAMINA_EXTERN_ATTENTION_KERNELS, compiled with the same flags as those.
#pragma once

#if defined(LAMINA_EXTERN_ATTENTION_KERNELS)
#error "lamina: define_attention.hpp compiles the kernels: do not define LAMINA_EXTERN_ATTENTION_KERNELS here"
#endif

#include <array>

#include <lamina/attention/attend-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE {
namespace detail {

/// The kernels of one layout. Having their addresses is what makes the compiler emit them: unlike explicit
/// instantiations, that can depend on which formats the program has.
struct AttendKernels {
  decltype(&attend<KvRowLayout<256, CacheFormat::f32>>) whole = nullptr;
  decltype(&attend_spans<KvRowLayout<256, CacheFormat::f32>>) spans = nullptr;
  decltype(&merge_spans<KvRowLayout<256, CacheFormat::f32>>) merge = nullptr;
};

template <class Layout>
constexpr AttendKernels attend_kernels() noexcept {
  AttendKernels kernels;
  if constexpr (is_built_in(Layout::format)) {
    kernels = {&attend<Layout>, &attend_spans<Layout>, &merge_spans<Layout>};
  }
  return kernels;
}

#define LAMINA_ATTEND_KERNELS(...) attend_kernels<__VA_ARGS__>(),
[[gnu::used]] static constexpr AttendKernels shared_attention[] = {
    LAMINA_FOR_SHARED_LAYOUTS(LAMINA_ATTEND_KERNELS, CacheFormat::f32)
        LAMINA_FOR_SHARED_LAYOUTS(LAMINA_ATTEND_KERNELS, CacheFormat::bf16)
            LAMINA_FOR_SHARED_LAYOUTS(LAMINA_ATTEND_KERNELS, CacheFormat::int8)};
#undef LAMINA_ATTEND_KERNELS

}  // namespace detail
}  // namespace lamina::inline LAMINA_MODE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
