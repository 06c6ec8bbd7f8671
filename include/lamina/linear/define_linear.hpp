// SPDX-License-Identifier: Apache-2.0
// Defines `extern_linear_kernels()`: include it in exactly one translation unit of a program whose others
// define LAMINA_EXTERN_LINEAR_KERNELS, compiled with the same flags as those.
#pragma once

#if defined(LAMINA_EXTERN_LINEAR_KERNELS)
#error "lamina: define_linear.hpp compiles the kernels: do not define LAMINA_EXTERN_LINEAR_KERNELS here"
#endif

#define LAMINA_DEFINES_LINEAR_KERNELS
#include <lamina/linear/linear-inl.hpp>

namespace lamina {

template <std::uint64_t BuiltIn>
const LinearKernels& extern_linear_kernels() noexcept {
  return HWY_NAMESPACE::own_linear_kernels();
}
template const LinearKernels& extern_linear_kernels<built_in_formats>() noexcept;

}  // namespace lamina
