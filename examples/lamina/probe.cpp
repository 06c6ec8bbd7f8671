// SPDX-License-Identifier: Apache-2.0
// The one translation unit that compiles the library's probes for the program.
#include "probe.hpp"

#include <lamina/testing/probe-inl.hpp>

namespace program {

double probe_bandwidth(lamina::Executor* threads) { return lamina::HWY_NAMESPACE::probe_bandwidth(threads); }

double probe_int8_peak(lamina::Executor* threads) { return lamina::HWY_NAMESPACE::probe_int8_peak(threads); }

}  // namespace program
