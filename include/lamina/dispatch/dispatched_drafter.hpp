// SPDX-License-Identifier: Apache-2.0
// A drafter that was compiled for several CPU levels: the best one for this CPU. No Highway.
#pragma once

#include <cstddef>

#include <lamina/simd/cpu_level.hpp>
#include <lamina/dispatch/dispatched.hpp>
#include <lamina/dispatch/refusing_entry.hpp>
#include <lamina/engine/drafting/drafter_entry.hpp>
#include <lamina/schedule/describe.hpp>

namespace lamina {

/// Entry of drafter `V` on a CPU that none of its code is for: says so when weights are bound. `lowest` is
/// the level that the CPU should have at least.
template <class V, CpuLevel lowest>
struct RefusingDrafter {
  static const ModelDescription& describe() noexcept {
    static constexpr ModelDescription description = lamina::describe<V>();
    return description;
  }
  static void visit_matrices(void (*)(void*, std::string_view), void*) noexcept {}
  static std::size_t no_bytes() noexcept { return 0; }
  static std::size_t no_runner(const EngineOptions&) noexcept { return 0; }
  static Result<const DrafterCore*> bind(const WeightFile&, Arena&) noexcept {
    return detail::lacks_instructions(V::name, lowest);
  }

  static constexpr DrafterEntry entry{
      {V::name, &describe, &detail::no_kernels, &visit_matrices}, &no_bytes, &no_runner, &bind};
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
