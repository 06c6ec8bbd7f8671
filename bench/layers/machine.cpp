// SPDX-License-Identifier: Apache-2.0
// The translation unit that compiles the library's probes for the benches.
#include "../machine.hpp"

#include <lamina/testing/probe-inl.hpp>

namespace bench {

Ceilings measure_ceilings(lamina::Executor* threads) {
  return {lamina::HWY_NAMESPACE::probe_bandwidth(threads), lamina::HWY_NAMESPACE::probe_int8_peak(threads)};
}

}  // namespace bench
