// SPDX-License-Identifier: Apache-2.0
// A build that says nothing about checks, neither NDEBUG nor LAMINA_DEBUG_CHECKS, has them.
#undef NDEBUG
#undef LAMINA_DEBUG_CHECKS
#include <lamina/core/config.hpp>

#include <doctest/doctest.h>

#include "support/dies.hpp"

namespace {

TEST_CASE("without NDEBUG a broken precondition ends the program") {
  CHECK(!dies([] { return LAMINA_DCHECK(1 + 1 == 2), true; }));
  CHECK(dies([] { return LAMINA_DCHECK(1 + 1 == 3), true; }));
}

}  // namespace
