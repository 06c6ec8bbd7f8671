// SPDX-License-Identifier: Apache-2.0
// Compiles the layer benches of Gemma4E2b.
#include <lamina/variants/gemma4_e2b.hpp>

#include "make_timed_variant.hpp"

namespace bench {

const TimedVariant& timed_e2b() {
  static const TimedVariant variant = lamina::HWY_NAMESPACE::make_timed_variant<lamina::Gemma4E2b>();
  return variant;
}

}  // namespace bench
