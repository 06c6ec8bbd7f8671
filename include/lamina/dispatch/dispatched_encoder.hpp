// SPDX-License-Identifier: Apache-2.0
// An encoder that was compiled for several CPU levels: the best one for this CPU. No Highway.
#pragma once

#include <lamina/simd/cpu_level.hpp>
#include <lamina/dispatch/dispatched.hpp>
#include <lamina/encoders/encoder_entry.hpp>

namespace lamina {

/// The code of encoder `E`, defined by the CMake function lamina_add_models for its ENCODERS: a program
/// without it does not link.
template <class E>
[[nodiscard]] const DispatchedOf<EncoderEntry>& dispatched_encoder_model() noexcept;

/// The entry of encoder `E` that is the fastest on this CPU, for lists of compiled-in encoders. `highest`
/// bounds the level, for tests and comparisons.
///
/// Errors   none; on a CPU that runs no level, binding the entry is `unsupported`
template <class E>
[[nodiscard]] const EncoderEntry& dispatched_encoder(CpuLevel highest = all_cpu_levels.back()) noexcept {
  return dispatched_encoder_model<E>().best(highest);
}

}  // namespace lamina
