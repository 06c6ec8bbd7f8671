// SPDX-License-Identifier: Apache-2.0
// Compiles the layer benches of Gemma4E4b.
#include <lamina/variants/gemma4_e4b.hpp>

#include "make_timed_variant.hpp"

namespace bench {

const TimedVariant& timed_e4b() {
  static const TimedVariant variant = lamina::HWY_NAMESPACE::make_timed_variant<lamina::Gemma4E4b>();
  return variant;
}

}  // namespace bench
