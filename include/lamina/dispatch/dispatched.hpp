// SPDX-License-Identifier: Apache-2.0
// A model that was compiled for several CPU levels: the best one for this CPU. No Highway.
#pragma once

#include <span>

#include <lamina/core/config.hpp>
#include <lamina/dispatch/cpu_level.hpp>
#include <lamina/engine/model_entry.hpp>

namespace lamina {

/// The code of one model for one level.
struct LevelEntry {
  CpuLevel level;
  const ModelEntry& (*entry)() noexcept;  ///< to be called only where `cpu_has(level)`
};

/// All code of one model.
struct DispatchedModel {
  std::span<const LevelEntry> levels;  ///< the slowest first
  const ModelEntry& refusal;           ///< for a CPU that runs none of them: its `bind` returns an error
};

/// The code of model `V`. Defined for each model by the translation unit of <lamina/dispatch/define.hpp>, or
/// by the CMake function lamina_add_models: a program that has neither does not link.
template <class V>
[[nodiscard]] const DispatchedModel& dispatched_model() noexcept;

/// The fastest of `levels` that this CPU runs, none above `highest`; null if there is none.
[[nodiscard]] inline const LevelEntry* best_level(std::span<const LevelEntry> levels,
                                                  CpuLevel highest = all_cpu_levels.back()) noexcept {
  const LevelEntry* best = nullptr;
  for (const LevelEntry& level : levels) {
    if (level.level <= highest && cpu_has(level.level)) best = &level;
  }
  return best;
}

/// The entry of model `V` that is the fastest on this CPU, for `Model::create`, `Session::create`,
/// `pack_weights` and lists of compiled-in models. `highest` bounds the level, for tests and comparisons.
///
/// Errors   none; on a CPU that runs no level, binding the entry is `unsupported`
template <class V>
[[nodiscard]] const ModelEntry& dispatched(CpuLevel highest = all_cpu_levels.back()) noexcept {
  const DispatchedModel& model = dispatched_model<V>();
  const LevelEntry* best = best_level(model.levels, highest);
  return best != nullptr ? best->entry() : model.refusal;
}

}  // namespace lamina
