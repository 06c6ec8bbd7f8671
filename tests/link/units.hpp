// SPDX-License-Identifier: Apache-2.0
// What both translation units of the link test report about the headers they see.
#pragma once

#include <cstddef>

/// Addresses of one inline function, one inline variable, and the size of one class.
struct Seen {
  const void* function;
  const void* variable;
  std::size_t session_size;
};

Seen seen_by_first();
Seen seen_by_second();
