// SPDX-License-Identifier: Apache-2.0
// Threads of a bench, and the ceilings of the machine that its results are compared with.
#pragma once

#include <cstdint>
#include <memory>

#include <lamina/core/error.hpp>
#include <lamina/core/executor.hpp>
#include <lamina/core/threads.hpp>

namespace bench {

/// Measured ceilings of some threads together.
struct Ceilings {
  double bytes_per_s = 0;
  double int8_ops_per_s = 0;
  double bf16_ops_per_s = 0;  ///< as float32 where the CPU has no products of bf16 numbers
  double float_ops_per_s = 0;
};

/// Measures all; `threads` null: the calling thread alone. Cost: two seconds.
[[nodiscard]] Ceilings measure_ceilings(lamina::Executor* threads);

/// A pool of `count` threads; null for one.
[[nodiscard]] inline lamina::Result<std::unique_ptr<lamina::ThreadPool>> start_threads(std::uint32_t count) {
  if (count <= 1) return std::unique_ptr<lamina::ThreadPool>();
  return lamina::ThreadPool::create(count);
}

}  // namespace bench
