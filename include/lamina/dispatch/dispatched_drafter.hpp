// SPDX-License-Identifier: Apache-2.0
// A drafter that was compiled for several CPU levels: the best one for this CPU. No Highway.
#pragma once

#include <lamina/simd/cpu_level.hpp>
#include <lamina/dispatch/dispatched.hpp>
#include <lamina/dispatch/refusing_entry.hpp>
#include <lamina/engine/drafting/drafter_entry.hpp>

namespace lamina {

/// Entry of drafter `V` on a CPU that none of its code is for: says so when weights are bound. `lowest` is
/// the level that the CPU should have at least.
template <class V, CpuLevel lowest>
struct RefusingDrafter {
  using Without = RefusingEntry<V, lowest>;  ///< what has no code has no bytes either, whatever it is

  static Result<const DrafterCore*> bind(const WeightFile&, Arena&) noexcept {
    return detail::lacks_instructions(V::name, lowest);
  }

  static constexpr DrafterEntry entry{
      {V::name, &Without::describe, &detail::no_kernels, &Without::visit_matrices},
      &Without::no_bytes,
      &Without::no_runner,
      &bind};
};

/// The code of drafter `V`, defined by the CMake function lamina_add_models for its DRAFTERS: a program
/// without it does not link.
template <class V>
[[nodiscard]] const DispatchedOf<DrafterEntry>& dispatched_drafter_model() noexcept;

/// The entry of drafter `V` that is the fastest on this CPU, for lists of compiled-in drafters. `highest`
/// bounds the level.
///
/// Errors   none; on a CPU that runs no level, binding the entry is `unsupported`
template <class V>
[[nodiscard]] const DrafterEntry& dispatched_drafter(CpuLevel highest = all_cpu_levels.back()) noexcept {
  return dispatched_drafter_model<V>().best(highest);
}

}  // namespace lamina
