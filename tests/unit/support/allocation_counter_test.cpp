// SPDX-License-Identifier: Apache-2.0
// The allocation counter sees every way to the heap; without that, "no allocation" tests could not fail.
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include <doctest/doctest.h>

#include "support/allocation_counter.hpp"

namespace {

// Written through, so that the compiler cannot remove the pair of allocation and release.
void* volatile escape = nullptr;

TEST_CASE("every kind of allocation is counted") {
  lamina_test::AllocationCounter counter;
  CHECK(counter.count() == 0);

  escape = std::malloc(100);
  CHECK(counter.count() == 1);
  escape = std::realloc(escape, 100'000);
  CHECK(counter.count() == 2);
  std::free(escape);
  escape = std::calloc(3, 5);
  CHECK(counter.count() == 3);
  std::free(escape);
  escape = std::aligned_alloc(64, 128);
  CHECK(counter.count() == 4);
  std::free(escape);

  escape = ::operator new(16);
  CHECK(counter.count() == 5);
  ::operator delete(escape);
  escape = ::operator new[](16, std::align_val_t{64});
  CHECK(counter.count() == 6);
  ::operator delete[](escape, std::align_val_t{64});
  escape = ::operator new(16, std::nothrow);
  CHECK(counter.count() == 7);
  ::operator delete(escape);
}

TEST_CASE("work without the heap counts nothing") {
  std::vector<int> numbers(100, 1);
  lamina_test::AllocationCounter counter;
  for (int& number : numbers) number += 1;
  CHECK(counter.count() == 0);
  numbers.push_back(1);
  CHECK(counter.count() == 1);
}

}  // namespace
