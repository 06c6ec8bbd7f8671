// SPDX-License-Identifier: Apache-2.0
// Who runs parallel work: a replaceable interface; without one, the calling thread does everything.
#pragma once

#include <cstdint>

#include <lamina/core/config.hpp>

namespace lamina {

/// Runs the parts of one job. Implement it to use the host's own threads.
class Executor {
 public:
  using Job = void (*)(void* context, std::uint32_t part, std::uint32_t parts) noexcept;

  virtual ~Executor() = default;

  /// Number of parts that can run at the same time (calling thread included); at least 1.
  [[nodiscard]] virtual std::uint32_t width() const noexcept = 0;

  /// Calls `job(context, part, parts)` once for every part in 0..parts-1 and returns when all are done.
  /// `parts` is at most `width()`. Parts do not wait for each other: one thread may do them all. Must not
  /// allocate and must not throw. Sessions that share an executor call it at the same time.
  virtual void run(Job job, void* context, std::uint32_t parts) noexcept = 0;
};

}  // namespace lamina
