// SPDX-License-Identifier: Apache-2.0
// What this machine can do at most: the ceilings that `lamina bench` compares with.
#pragma once

#include <cstdint>

#include <lamina/core/executor.hpp>

namespace program {

/// Runs jobs on the calling thread alone.
class OneThread final : public lamina::Executor {
 public:
  [[nodiscard]] std::uint32_t width() const noexcept override { return 1; }
  void run(Job job, void* context, std::uint32_t parts) noexcept override {
    for (std::uint32_t part = 0; part < parts; ++part) job(context, part, parts);
  }
};

/// Bytes per second that all threads together read from memory, in one stream each; the best of several
/// passes. Cost: half a second and 256 MiB.
[[nodiscard]] double probe_bandwidth(lamina::Executor& threads);

/// 8-bit multiply and add operations per second of all threads together, operands in registers.
[[nodiscard]] double probe_int8_peak(lamina::Executor& threads);

}  // namespace program
