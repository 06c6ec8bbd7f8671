// SPDX-License-Identifier: Apache-2.0
// The first of two translation units that include every header, in the order of their names.
#include <all_headers.hpp>

#include "units.hpp"

Seen seen_by_first() {
  return {reinterpret_cast<const void*>(&lamina::row_bytes), &lamina::all_formats, sizeof(lamina::Session)};
}
