// SPDX-License-Identifier: Apache-2.0
// The list of variants whose layers can be timed.
#include "timed_variant.hpp"

namespace bench {

#if defined(LAMINA_BENCH_ALL_LAYERS)
const TimedVariant& timed_e2b();
const TimedVariant& timed_e4b();
const TimedVariant& timed_12b();
const TimedVariant& timed_31b();
#endif
const TimedVariant& timed_26b_a4b();
const TimedVariant& timed_demo();

std::span<const TimedVariant* const> timed_variants() {
  static const TimedVariant* const variants[] = {
#if defined(LAMINA_BENCH_ALL_LAYERS)
    &timed_e2b(),
    &timed_e4b(),
    &timed_12b(),
    &timed_31b(),
#endif
    &timed_26b_a4b(),
    &timed_demo()
  };
  return variants;
}

}  // namespace bench
