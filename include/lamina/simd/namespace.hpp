// SPDX-License-Identifier: Apache-2.0
// The inline namespace that keeps fixed-target and dispatched code of one program apart (style: ADR 0002).
#pragma once

#include <lamina/core/config.hpp>

/// Namespace of all target-dependent code: `fixed` where the compiler flags choose the target, `per_target`
/// in the translation units that Highway compiles once per target. Without it both would define the same weak
/// symbols and the linker could keep the body that the running CPU does not have.
#if !defined(LAMINA_MODE)
#if defined(HWY_TARGET_INCLUDE)
#define LAMINA_MODE per_target
#else
#define LAMINA_MODE fixed
#endif
#endif
