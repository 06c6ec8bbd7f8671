// SPDX-License-Identifier: Apache-2.0
// Splits loops over the executor's threads; alone, the calling thread does everything.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>

#include <lamina/core/executor.hpp>

namespace lamina {

/// A half-open range of indices.
struct IndexRange {
  std::uint32_t first;
  std::uint32_t count;
};

/// Part `part` of `parts` of `total` items, cut at multiples of `grain`; parts differ by at most one grain.
[[nodiscard]] constexpr IndexRange share_of(std::uint32_t total, std::uint32_t grain, std::uint32_t part,
                                            std::uint32_t parts) noexcept {
  const std::uint64_t grains = (std::uint64_t{total} + grain - 1) / grain;
  const std::uint64_t first = grains * part / parts * grain;
  const std::uint64_t last = grains * (part + 1) / parts * grain;
  const std::uint64_t end = last < total ? last : total;
  return {static_cast<std::uint32_t>(first < total ? first : total),
          static_cast<std::uint32_t>(end > first ? end - first : 0)};
}

/// The threads of one pass. Results never depend on how many there are: each output element is made by one
/// part.
class Team {
 public:
  explicit Team(Executor* executor) noexcept : executor_(executor) {}

  [[nodiscard]] std::uint32_t width() const noexcept { return executor_ != nullptr ? executor_->width() : 1; }

  /// Calls `body(part, parts)` for every part; at most `most_parts` of them. Does not allocate.
  template <class Body>
  void run(std::uint32_t most_parts, Body body) const noexcept {
    const std::uint32_t parts = most_parts < width() ? most_parts : width();
    if (parts <= 1) {
      body(0U, 1U);
      return;
    }
    executor_->run([](void* context, std::uint32_t part,
                      std::uint32_t count) noexcept { (*static_cast<Body*>(context))(part, count); },
                   std::addressof(body), parts);
  }

  /// Calls `body(unit, part)` for every unit; whoever is done with one takes the next, so that a thread that
  /// gets less of its CPU gets less to do.
  template <class Body>
  void deal(std::uint32_t units, Body body) const noexcept {
    std::atomic<std::uint32_t> next{0};
    run(units, [&](std::uint32_t part, std::uint32_t) noexcept {
      for (std::uint32_t unit = next++; unit < units; unit = next++) body(unit, part);
    });
  }

  /// Calls `body(IndexRange, part)` for shares of `total` items cut at multiples of `grain`.
  template <class Body>
  void split(std::uint32_t total, std::uint32_t grain, Body body) const noexcept {
    run((total + grain - 1) / grain, [&](std::uint32_t part, std::uint32_t parts) noexcept {
      const IndexRange range = share_of(total, grain, part, parts);
      if (range.count > 0) body(range, part);
    });
  }

 private:
  Executor* executor_;
};

}  // namespace lamina
