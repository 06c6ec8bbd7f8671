// SPDX-License-Identifier: Apache-2.0
// A model that was compiled for several CPU levels: the best one for this CPU. No Highway.
#pragma once

#include <span>

#include <lamina/core/config.hpp>
#include <lamina/simd/cpu_level.hpp>
#include <lamina/engine/model_entry.hpp>

namespace lamina {

/// The code of one type for one level.
template <class Entry>
struct LevelOf {
  CpuLevel level;
  const Entry& (*entry)() noexcept;  ///< to be called only where `cpu_has(level)`
};
using LevelEntry = LevelOf<ModelEntry>;

/// All code of one type.
template <class Entry>
struct DispatchedOf {
  std::span<const LevelOf<Entry>> levels;  ///< the slowest first
  const Entry& refusal;                    ///< for a CPU that runs none of them: its `bind` returns an error

  /// The entry of the fastest level that this CPU runs, none above `highest`.
  [[nodiscard]] const Entry& best(CpuLevel highest) const noexcept;
};
using DispatchedModel = DispatchedOf<ModelEntry>;

/// The code of model `V`. Defined for each model by the translation unit of <lamina/dispatch/define.hpp>, or
/// by the CMake function lamina_add_models: a program that has neither does not link.
template <class V>
[[nodiscard]] const DispatchedModel& dispatched_model() noexcept;

namespace detail {

template <class Entry>
[[nodiscard]] const LevelOf<Entry>* best_level_of(std::span<const LevelOf<Entry>> levels,
                                                  CpuLevel highest) noexcept {
  const LevelOf<Entry>* best = nullptr;
  for (const LevelOf<Entry>& level : levels) {
    if (level.level <= highest && cpu_has(level.level)) best = &level;
  }
  return best;
}

}  // namespace detail

template <class Entry>
const Entry& DispatchedOf<Entry>::best(CpuLevel highest) const noexcept {
  const LevelOf<Entry>* level = detail::best_level_of<Entry>(levels, highest);
  return level != nullptr ? level->entry() : refusal;
}

/// The fastest of `levels` that this CPU runs, none above `highest`; null if there is none.
[[nodiscard]] inline const LevelEntry* best_level(std::span<const LevelEntry> levels,
                                                  CpuLevel highest = all_cpu_levels.back()) noexcept {
  return detail::best_level_of<ModelEntry>(levels, highest);
}

/// The entry of model `V` that is the fastest on this CPU, for `Model::create`, `Session::create`,
/// `pack_weights` and lists of compiled-in models. `highest` bounds the level, for tests and comparisons.
///
/// Errors   none; on a CPU that runs no level, binding the entry is `unsupported`
template <class V>
[[nodiscard]] const ModelEntry& dispatched(CpuLevel highest = all_cpu_levels.back()) noexcept {
  return dispatched_model<V>().best(highest);
}

}  // namespace lamina
