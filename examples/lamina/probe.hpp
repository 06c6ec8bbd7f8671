// SPDX-License-Identifier: Apache-2.0
// What this machine can do at most: the ceilings that `lamina bench` compares with.
#pragma once

#include <lamina/core/executor.hpp>

namespace program {

/// Bytes per second that all threads together read from memory; `threads` null: the calling thread alone.
[[nodiscard]] double probe_bandwidth(lamina::Executor* threads);

/// 8-bit multiply and add operations per second of all threads together, operands in registers.
[[nodiscard]] double probe_int8_peak(lamina::Executor* threads);

}  // namespace program
