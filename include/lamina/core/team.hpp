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

/// Units of work as they are dealt: each part has a row of neighbours of its own, and when it is through with
/// them takes the last ones that others have left. So a thread reads on where it is, as a stream, and one
/// that gets less of its CPU gets less to do. Does not allocate.
/// Threads   any number of them may take units at the same time
class DealtUnits {
 public:
  DealtUnits(std::uint32_t units, std::uint32_t parts) noexcept
      : rows_(parts == 0          ? 1
              : parts < most_rows ? parts
                                  : most_rows) {
    for (std::uint32_t row = 0; row < rows_; ++row) {
      const IndexRange own = share_of(units, 1, row, rows_);
      left_[row].range.store(packed(own.first, own.first + own.count), std::memory_order_relaxed);
    }
  }

  /// Takes the next unit for `part`: its own first one, or the last one of another; false if none is left.
  [[nodiscard]] bool take(std::uint32_t part, std::uint32_t& unit) noexcept {
    const std::uint32_t own = part % rows_;
    if (take_of(own, true, unit)) return true;
    for (std::uint32_t i = 1; i < rows_; ++i) {
      if (take_of((own + i) % rows_, false, unit)) return true;
    }
    return false;
  }

 private:
  static constexpr std::uint32_t most_rows = 64;  ///< more parts share them
  struct alignas(64) Left {
    std::atomic<std::uint64_t> range;  ///< the first unit left, and above it the end
  };

  [[nodiscard]] static constexpr std::uint64_t packed(std::uint32_t first, std::uint32_t end) noexcept {
    return std::uint64_t{end} << 32 | first;
  }

  /// Takes the first or the last unit of a row; false if it has none.
  [[nodiscard]] bool take_of(std::uint32_t row, bool first_of_row, std::uint32_t& unit) noexcept {
    std::atomic<std::uint64_t>& range = left_[row].range;
    std::uint64_t seen = range.load(std::memory_order_relaxed);
    for (;;) {
      const auto first = static_cast<std::uint32_t>(seen);
      const auto end = static_cast<std::uint32_t>(seen >> 32);
      if (first >= end) return false;
      unit = first_of_row ? first : end - 1;
      const std::uint64_t rest = first_of_row ? packed(first + 1, end) : packed(first, end - 1);
      if (range.compare_exchange_weak(seen, rest, std::memory_order_relaxed)) return true;
    }
  }

  std::uint32_t rows_;
  Left left_[most_rows];
};

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

  /// Calls `body(unit, part)` for every unit, as `DealtUnits` deals them.
  template <class Body>
  void deal(std::uint32_t units, Body body) const noexcept {
    DealtUnits dealt(units, units < width() ? units : width());
    run(units, [&](std::uint32_t part, std::uint32_t) noexcept {
      for (std::uint32_t unit = 0; dealt.take(part, unit);) body(unit, part);
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
