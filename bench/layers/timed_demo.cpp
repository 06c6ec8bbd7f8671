// SPDX-License-Identifier: Apache-2.0
// Compiles the layer benches of the demo model, which tests run.
#include "../../examples/models/demo.hpp"
#include "make_timed_variant.hpp"

namespace bench {

const TimedVariant& timed_demo() {
  static const TimedVariant variant = lamina::HWY_NAMESPACE::make_timed_variant<lamina::models::Demo>();
  return variant;
}

}  // namespace bench
