// SPDX-License-Identifier: Apache-2.0
// The second of two translation units that include every header, in the opposite order.
#include <all_headers_reversed.hpp>

#include "units.hpp"

Seen seen_by_second() {
  return {reinterpret_cast<const void*>(&lamina::row_bytes), &lamina::all_formats, sizeof(lamina::Session)};
}
