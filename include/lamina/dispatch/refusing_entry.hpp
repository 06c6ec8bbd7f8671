// SPDX-License-Identifier: Apache-2.0
// The entry of a model on a CPU that none of its code is for: says so when weights are bound.
#pragma once

#include <cstddef>
#include <string_view>

#include <lamina/simd/cpu_level.hpp>
#include <lamina/engine/model_entry.hpp>
#include <lamina/schedule/describe.hpp>

namespace lamina {

namespace detail {

/// The table of kernels of code that does not exist.
inline const LinearKernels& no_kernels() noexcept {
  static constexpr LinearKernels none = [] {
    LinearKernels kernels{};
    kernels.target = "none";
    kernels.products = "none";
    kernels.optimised = true;
    return kernels;
  }();
  return none;
}

[[nodiscard]] inline Error lacks_instructions(std::string_view name, CpuLevel lowest) noexcept {
  return {
      ErrorCode::unsupported, name,           "this CPU lacks instructions that the program was compiled for",
      name_of(lowest),        "an older CPU", "compile the model for a lower level"};
}

}  // namespace detail

/// Entry of model `V` without code; `lowest` is the level that the CPU should have at least.
template <class V, CpuLevel lowest>
struct RefusingEntry {
  static const ModelDescription& describe() noexcept {
    static constexpr ModelDescription description = lamina::describe<V>();
    return description;
  }
  static void visit_matrices(void (*)(void*, std::string_view), void*) noexcept {}
  static std::size_t no_bytes() noexcept { return 0; }
  static std::size_t no_runner(const EngineOptions&) noexcept { return 0; }
  static std::size_t no_cache(const EngineOptions&, const SequenceOptions&) noexcept { return 0; }
  static std::size_t no_page(CacheFormats) noexcept { return 0; }
  static RingBytes no_rings(const EngineOptions&, const SequenceOptions&) noexcept { return {}; }
  static Result<const ModelCore*> bind(const WeightFile&, Arena&) noexcept {
    return detail::lacks_instructions(V::name, lowest);
  }

  static constexpr ModelEntry entry{{V::name, &describe, &detail::no_kernels, &visit_matrices},
                                    &no_bytes,
                                    &no_runner,
                                    &no_cache,
                                    false,
                                    &no_page,
                                    &no_rings,
                                    &bind};
};

}  // namespace lamina
