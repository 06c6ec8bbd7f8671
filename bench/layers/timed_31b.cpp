// SPDX-License-Identifier: Apache-2.0
// Compiles the layer benches of Gemma4_31b.
#include <lamina/variants/gemma4_31b.hpp>

#include "make_timed_variant.hpp"

namespace bench {

const TimedVariant& timed_31b() {
  static const TimedVariant variant = lamina::HWY_NAMESPACE::make_timed_variant<lamina::Gemma4_31b>();
  return variant;
}

}  // namespace bench
