// SPDX-License-Identifier: Apache-2.0
// The translation unit that compiles the library's probes for the benches.
#include "../machine.hpp"

#include <lamina/testing/probe-inl.hpp>

namespace bench {

Ceilings measure_ceilings(lamina::Executor* threads) {
  using namespace lamina::HWY_NAMESPACE;
  return {probe_bandwidth(threads), probe_int8_peak(threads), probe_bf16_peak(threads),
          probe_float_peak(threads)};
}

}  // namespace bench
