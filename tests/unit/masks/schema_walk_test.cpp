// SPDX-License-Identifier: Apache-2.0
// What a model may write under a schema comes to an end: random schemas over all keywords, random ways
// through them. No way may stop where no byte is allowed, and what is written is valid.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/json/schema/compiler.hpp>
#include <lamina/masks/schema/machine.hpp>

#include "support/schema_maker.hpp"
#include "support/schema_walk.hpp"

namespace {

using lamina::masks::JsonTextLimits;
using lamina::masks::SchemaMachine;

}  // namespace

TEST_CASE("schema: every way through random schemas comes to an end, and what is written is valid") {
  const std::size_t count = rounds(300);
  std::size_t walks = 0, blind = 0;
  for (std::size_t round = 0; round < count; ++round) {
    SchemaMaker maker(round);
    const std::string schema = maker.schema(3);
    CAPTURE(schema);
    const auto graph = lamina::compile_schema(schema);
    if (!graph) continue;
    Dice dice(round);
    for (int walk = 0; walk < 3; ++walk) {
      SchemaMachine machine(*graph, JsonTextLimits::for_writing());
      const std::string text = RandomWalk(machine, dice).run();
      CAPTURE(text);
      blind += machine.looks_ahead() ? 0U : 1U;
      if (machine.looks_ahead()) CHECK_FALSE(text.starts_with('!'));
      if (text.empty() || text.front() == '!' || text.front() == '~') continue;
      CHECK(is_valid(*graph, text));
      ++walks;
    }
  }
  CHECK(walks > 2 * count);
  CHECK(blind * 25 < walks);  // schemas that contradict themselves in ways that no search sees through
}
