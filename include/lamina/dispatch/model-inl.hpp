// SPDX-License-Identifier: Apache-2.0
// What a dispatched unit compiles for a target: Highway includes this file once per target (define.hpp).
#if defined(LAMINA_DISPATCH_MODEL_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef LAMINA_DISPATCH_MODEL_INL_HPP_
#undef LAMINA_DISPATCH_MODEL_INL_HPP_
#else
#define LAMINA_DISPATCH_MODEL_INL_HPP_
#endif

#include <lamina/forward/model_entry-inl.hpp>

#if defined(LAMINA_USER_KERNELS)
#include LAMINA_USER_KERNELS
#endif

#endif  // LAMINA_DISPATCH_MODEL_INL_HPP_
