// SPDX-License-Identifier: Apache-2.0
// NDEBUG turns preconditions off, as it does `assert`.
#undef LAMINA_DEBUG_CHECKS
#undef NDEBUG
#define NDEBUG
#include <lamina/core/config.hpp>

#include <doctest/doctest.h>

namespace {

TEST_CASE("with NDEBUG a precondition is not even evaluated") {
  int evaluated = 0;
  LAMINA_DCHECK(++evaluated == 2);
  CHECK(evaluated == 0);
}

}  // namespace
