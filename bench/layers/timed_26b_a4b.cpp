// SPDX-License-Identifier: Apache-2.0
// Compiles the layer benches of Gemma4_26bA4b.
#include <lamina/variants/gemma4_26b_a4b.hpp>

#include "make_timed_variant.hpp"

namespace bench {

const TimedVariant& timed_26b_a4b() {
  static const TimedVariant variant = lamina::HWY_NAMESPACE::make_timed_variant<lamina::Gemma4_26bA4b>();
  return variant;
}

}  // namespace bench
