// SPDX-License-Identifier: Apache-2.0
// The library's probes, compiled with the flags of the models: here, or once per level beside them.
#include "probe.hpp"

#if defined(LAMINA_DISPATCHES)

#include <lamina/simd/cpu_level.hpp>

// LAMINA_DISPATCHES is a list, the slowest level first: LEVEL(sse4) LEVEL(avx2) ...
#define LEVEL(name)                                                         \
  extern "C" double lamina_entry_probe_bandwidth_##name(lamina::Executor*); \
  extern "C" double lamina_entry_probe_int8_peak_##name(lamina::Executor*);
LAMINA_DISPATCHES
#undef LEVEL

namespace program {
namespace {

struct Probes {
  lamina::CpuLevel level;
  double (*bandwidth)(lamina::Executor* threads);
  double (*int8_peak)(lamina::Executor* threads);
};

/// Those of the level whose models run; null if this CPU has none.
const Probes* probes() {
#define LEVEL(name) \
  {lamina::CpuLevel::name, &lamina_entry_probe_bandwidth_##name, &lamina_entry_probe_int8_peak_##name},
  static constexpr Probes all[] = {LAMINA_DISPATCHES};
#undef LEVEL
  const Probes* best = nullptr;
  for (const Probes& one : all) {
    if (lamina::cpu_has(one.level)) best = &one;
  }
  return best;
}

}  // namespace

double probe_bandwidth(lamina::Executor* threads) {
  const Probes* best = probes();
  return best != nullptr ? best->bandwidth(threads) : 0;
}

double probe_int8_peak(lamina::Executor* threads) {
  const Probes* best = probes();
  return best != nullptr ? best->int8_peak(threads) : 0;
}

}  // namespace program

#else

#include <lamina/testing/probe-inl.hpp>

namespace program {

double probe_bandwidth(lamina::Executor* threads) { return lamina::HWY_NAMESPACE::probe_bandwidth(threads); }

double probe_int8_peak(lamina::Executor* threads) { return lamina::HWY_NAMESPACE::probe_int8_peak(threads); }

}  // namespace program

#endif
