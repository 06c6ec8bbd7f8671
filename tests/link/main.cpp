// SPDX-License-Identifier: Apache-2.0
// Passes if both translation units see one and the same library.
#include <cstdio>

#include "units.hpp"

int main() {
  const Seen first = seen_by_first();
  const Seen second = seen_by_second();
  const bool same = first.function == second.function && first.variable == second.variable &&
                    first.session_size == second.session_size;
  if (!same) std::puts("the two translation units disagree");
  return same ? 0 : 1;
}
