// SPDX-License-Identifier: Apache-2.0
// Libraries that lie beside the program and are loaded by those commands alone that need them.
#pragma once

namespace program {

/// A function of a library in the program's folder; null if either is not there (`dlerror` may tell why). The
/// library stays loaded: what its functions return may hold its code.
[[nodiscard]] void* function_beside(const char* library, const char* function) noexcept;

}  // namespace program
