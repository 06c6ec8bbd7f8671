// SPDX-License-Identifier: Apache-2.0
// A session over weights that are gone when the line ends: a file, and one inside a result.
// FIRST: deleted function .*create
// EXPECT: session_of_temporary_file.cpp:13:.*deleted
// EXPECT: session_of_temporary_file.cpp:16:.*deleted

#include <utility>

#include <lamina/session.hpp>

namespace la = lamina;

auto first(const la::ModelEntry& entry) { return la::Session::create(entry, la::WeightFile(), {}); }

auto second(const la::ModelEntry& entry, la::Result<la::WeightFile> (*open)()) {
  return la::Session::create(entry, *open(), {});
}
