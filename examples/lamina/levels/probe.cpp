// SPDX-License-Identifier: Apache-2.0
// The library's probes for one CPU level: compiled beside the models of that level
// (cmake/LaminaModels.cmake).
#include <lamina/testing/probe-inl.hpp>

#define PROGRAM_JOIN(symbol, level) symbol##level
#define PROGRAM_ENTRY(symbol, level) PROGRAM_JOIN(symbol, level)

extern "C" {

double PROGRAM_ENTRY(lamina_entry_probe_bandwidth, LAMINA_LEVEL)(lamina::Executor* threads) {
  return lamina::HWY_NAMESPACE::probe_bandwidth(threads);
}

double PROGRAM_ENTRY(lamina_entry_probe_int8_peak, LAMINA_LEVEL)(lamina::Executor* threads) {
  return lamina::HWY_NAMESPACE::probe_int8_peak(threads);
}
}
