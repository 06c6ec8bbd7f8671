// SPDX-License-Identifier: Apache-2.0
// Compiles the layer benches of Gemma4_12b.
#include <lamina/variants/gemma4_12b.hpp>

#include "make_timed_variant.hpp"

namespace bench {

const TimedVariant& timed_12b() {
  static const TimedVariant variant = lamina::HWY_NAMESPACE::make_timed_variant<lamina::Gemma4_12b>();
  return variant;
}

}  // namespace bench
