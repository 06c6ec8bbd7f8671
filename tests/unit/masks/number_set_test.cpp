// SPDX-License-Identifier: Apache-2.0
// Numbers under several rules: whatever beginning a model is allowed to write leads to an end, and every
// number that is allowed can be written. Random schemas, random ways through them.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/json/schema/compiler.hpp>
#include <lamina/masks/schema/machine.hpp>

#include "support/schema_walk.hpp"

namespace {

using lamina::masks::JsonTextLimits;
using lamina::masks::SchemaGraph;
using lamina::masks::SchemaMachine;

const std::vector<std::string> bounds = {"0",   "1",   "-1",        "7",    "10",  "12",   "14",
                                         "-12", "99",  "100",       "1000", "2.5", "-0.5", "0.125",
                                         "0.1", "1e3", "12345.678", "-7",   "3",   "1e-3"};
const std::vector<std::string> divisors = {"1",    "2",   "3",   "5",  "7",   "0.5",
                                           "0.01", "0.3", "2.5", "10", "100", "0.125"};

/// A schema with limits on a number; `depth` more of them around it.
std::string random_rule(Dice& dice, int depth) {
  std::string schema = "{";
  const auto add = [&](const std::string& key, const std::string& value) {
    if (schema.size() > 1) schema += ',';
    schema += '"' + key + "\":" + value;
  };
  if (depth == 2)
    add("type", dice.below(2) == 0 ? "\"integer\"" : "\"number\"");
  else if (dice.below(4) == 0)
    add("type", dice.below(2) == 0 ? "\"integer\"" : "\"number\"");
  if (dice.below(2) == 0) add(dice.below(3) == 0 ? "exclusiveMinimum" : "minimum", dice.one_of(bounds));
  if (dice.below(2) == 0) add(dice.below(3) == 0 ? "exclusiveMaximum" : "maximum", dice.one_of(bounds));
  if (dice.below(3) == 0) add("multipleOf", dice.one_of(divisors));
  if (dice.below(8) == 0) add("enum", "[1,2.5,-7,1e30,100,0.125,3]");
  if (depth > 0 && dice.below(2) == 0) {
    const std::string key = dice.one_of({"allOf", "allOf", "anyOf", "oneOf"});
    std::string list = "[" + random_rule(dice, depth - 1);
    for (std::uint32_t more = dice.below(3); more > 0; --more) list += "," + random_rule(dice, depth - 1);
    add(key, list + "]");
  }
  if (depth > 0 && dice.below(6) == 0) add("not", random_rule(dice, depth - 1));
  return schema + "}";
}

bool can_be_written(const SchemaGraph& graph, std::string_view text) {
  SchemaMachine machine(graph, JsonTextLimits::for_writing());
  auto state = machine.start();
  for (const char c : text) {
    if (!machine.step(state, static_cast<std::uint8_t>(c))) return false;
  }
  return machine.accepts(state);
}

}  // namespace

TEST_CASE("numbers: every way through random limits comes to an end, and what is written is valid") {
  const std::size_t count = rounds(400);
  std::size_t walks = 0, refused = 0;
  for (std::size_t round = 0; round < count; ++round) {
    Dice dice(round);
    const std::string schema = random_rule(dice, 2);
    CAPTURE(schema);
    const auto graph = lamina::compile_schema(schema);
    if (!graph) {
      ++refused;
      continue;
    }
    for (int walk = 0; walk < 4; ++walk) {
      SchemaMachine machine(*graph, JsonTextLimits::for_writing());
      const std::string text = RandomWalk(machine, dice).run();
      CAPTURE(text);
      CHECK_FALSE(text.starts_with('!'));
      // Nothing may be written where nothing is valid: `not` forbids numbers as such.
      if (!text.empty() && !text.starts_with('~')) CHECK(is_valid(*graph, text));
      walks += text.empty() ? 0U : 1U;
    }
    // What is valid and written as models write, can be.
    for (int whole = -20; whole <= 130; ++whole) {
      const std::string text = std::to_string(whole);
      if (is_valid(*graph, text)) {
        CAPTURE(text);
        CHECK(can_be_written(*graph, text));
      }
    }
  }
  CHECK(walks > refused);
}

TEST_CASE("numbers: limits in several places are one limit") {
  const auto writes = [](const char* schema, const char* text) {
    const auto graph = lamina::compile_schema(std::string_view(schema));
    REQUIRE(static_cast<bool>(graph));
    return can_be_written(*graph, text);
  };
  const char* split = R"({"type":"integer","allOf":[{"minimum":10},{"maximum":12}]})";
  CHECK(writes(split, "11"));
  CHECK_FALSE(writes(split, "9"));
  const auto graph = lamina::compile_schema(std::string_view(split));
  REQUIRE(static_cast<bool>(graph));
  SchemaMachine machine(*graph, JsonTextLimits::for_writing());
  auto state = machine.start();
  CHECK_FALSE(machine.step(state, '9'));
  const char* grid =
      R"({"allOf":[{"multipleOf":3},{"multipleOf":5},{"minimum":16,"maximum":44,"type":"integer"}]})";
  CHECK(writes(grid, "30"));
  CHECK_FALSE(writes(grid, "25"));
  CHECK(writes(R"({"type":"number","exclusiveMinimum":0,"exclusiveMaximum":0.001})", "0.0001"));
}

TEST_CASE("numbers: limits that leave no number are refused when the schema is compiled") {
  for (const char* schema :
       {R"({"type":"integer","minimum":5,"maximum":4})",
        R"({"type":"integer","exclusiveMinimum":1,"exclusiveMaximum":2})",
        R"({"type":"number","allOf":[{"minimum":10},{"maximum":9.5}]})",
        R"({"type":"integer","multipleOf":7,"minimum":1,"maximum":6})",
        R"({"type":"object","properties":{"a":{"type":"integer","minimum":5,"maximum":4}},"required":["a"]})",
        R"({"type":"integer","allOf":[{"multipleOf":3},{"multipleOf":5}],"minimum":1,"maximum":14})"}) {
    CAPTURE(std::string(schema));
    CHECK_FALSE(static_cast<bool>(lamina::compile_schema(std::string_view(schema))));
  }
  // Another value may stand there.
  CHECK(static_cast<bool>(lamina::compile_schema(std::string_view(R"({"minimum":5,"maximum":4})"))));
  CHECK(static_cast<bool>(lamina::compile_schema(std::string_view(
      R"({"type":"object","properties":{"a":{"type":"integer","minimum":5,"maximum":4}}})"))));
}
