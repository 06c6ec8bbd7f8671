// SPDX-License-Identifier: Apache-2.0
// JSON under schemas, byte by byte: what each keyword lets through, in which order keys may come, and where a
// text that cannot become valid is stopped.
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/json/schema/compiler.hpp>
#include <lamina/masks/schema/machine.hpp>

#include "support/expect_error.hpp"

namespace {

using lamina::ErrorCode;

lamina::masks::SchemaGraph graph_of(std::string_view schema) {
  auto graph = lamina::compile_schema(schema);
  INFO(std::string(schema));
  if (!graph) INFO(lamina::describe(graph.error()).c_str());
  REQUIRE(static_cast<bool>(graph));
  return std::move(*graph);
}

/// Bytes that are taken, one more where the text may end behind them.
std::size_t taken(std::string_view schema, std::string_view text) {
  const auto graph = graph_of(schema);
  lamina::masks::SchemaMachine machine(graph);
  auto state = machine.start();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!machine.step(state, static_cast<std::uint8_t>(text[i]))) return i;
  }
  return text.size() + (machine.accepts(state) ? 1 : 0);
}

bool valid(std::string_view schema, std::string_view text) { return taken(schema, text) == text.size() + 1; }

struct Case {
  const char* schema;
  std::vector<const char*> good;
  std::vector<const char*> bad;
};

void check_cases(const std::vector<Case>& cases) {
  for (const Case& test : cases) {
    CAPTURE(std::string(test.schema));
    for (const char* text : test.good) {
      CAPTURE(std::string(text));
      CHECK(valid(test.schema, text));
    }
    for (const char* text : test.bad) {
      CAPTURE(std::string(text));
      CHECK_FALSE(valid(test.schema, text));
    }
  }
}

}  // namespace

TEST_CASE("schema: any JSON, and nothing else") {
  check_cases({{"{}",
                {"{}", "[]", "1", "-0.5e+10", "\"\"", "\"\\u00e9\\ud83d\\ude00\\n\"", "null", "true",
                 " { \"a\" : [ 1 , 2 ] } ", "{\"a\":{\"b\":[{}]}}", "0", "1E5", "\"\xF0\x9F\x98\x80\""},
                {"",
                 "{",
                 "[1,]",
                 "{,}",
                 "{\"a\"}",
                 "{\"a\":}",
                 "01",
                 "1.",
                 ".5",
                 "-",
                 "1e",
                 "+1",
                 "nul",
                 "'a'",
                 "\"\\x\"",
                 "\"\\ud83d\"",
                 "\"\\ude00\"",
                 "\"\x01\"",
                 "\"\xC0\x80\"",
                 "\"\xED\xA0\x80\"",
                 "\"\xE2\"",
                 "[1 2]",
                 "{} {}",
                 "{\"a\":1,\"a\":2}"}},
               {"true", {"1"}, {}},
               {"false", {}, {"1", "{}", "\"\""}}});
}

TEST_CASE("schema: types, numbers and strings") {
  check_cases({
      {R"({"type":"integer"})", {"1", "-3", "1.0", "1e3", "1.5e+16", "0"}, {"1.5", "1.50", "\"1\"", "true"}},
      {R"({"type":["null","boolean"]})", {"null", "false"}, {"0", "\"null\""}},
      {R"({"minimum":5,"maximum":12})",
       {"5", "12", "7.25", "5.0", "\"x\"", "1.2e1"},
       {"4", "4.999", "13", "12.1", "-7", "1.3e1"}},
      {R"({"type":"integer","exclusiveMinimum":0,"exclusiveMaximum":10})",
       {"1", "9"},
       {"0", "10", "-1", "11"}},
      {R"({"multipleOf":0.01})", {"0.07", "1", "4.35", "19.99", "0.0750e1", "0"}, {"0.075", "1.001"}},
      {R"({"type":"integer","multipleOf":7,"maximum":30})", {"0", "7", "28", "-7"}, {"8", "35", "29"}},
      {R"({"multipleOf":1e-8})", {"12391239123", "0.00000001"}, {"0.000000001"}},
      {R"({"minLength":2,"maxLength":3})",
       {"\"ab\"", "\"\xC3\xA9\xF0\x9F\x98\x80\"", "\"\\u00e9\\ud83d\\ude00\"", "1"},
       {"\"a\"", "\"abcd\"", "\"\xC3\xA9\"", "\"a\\n\\n\\n\""}},
      {R"({"pattern":"^a+b?$"})",
       {"\"a\"", "\"aab\"", "\"\\u0061\"", "null"},
       {"\"\"", "\"b\"", "\"abb\"", "\"xa\""}},
      {R"({"pattern":"b.d"})", {"\"abcde\"", "\"bxd\""}, {"\"bd\"", "\"abc\""}},
      {R"({"format":"date","type":"string"})",
       {"\"2024-02-29\"", "\"1999-12-31\""},
       {"\"2023-02-29\"", "\"2023-13-01\"", "\"x\""}},
      {R"({"format":"no such thing"})", {"\"x\""}, {}},
  });
}

TEST_CASE("schema: values from a list, keys in any order") {
  check_cases({
      {R"({"enum":["ab","abc","a\"b",1,2.5,null,[1,{"x":2}],{"p":1,"q":[]}]})",
       {"\"ab\"", "\"abc\"", "\"a\\\"b\"", "1", "1.0", "2.5", "2.50", "null", "[1,{\"x\":2}]",
        "{\"q\":[],\"p\":1}", "\"a\\u0062\""},
       {"\"a\"", "\"abcd\"", "2", "2.55", "true", "[1]", "{\"p\":1}", "{\"p\":1,\"q\":[],\"r\":1}", "[]"}},
      {R"({"const":{"a":{"b":1}}})", {"{\"a\":{\"b\":1}}"}, {"{\"a\":{}}", "{\"a\":{\"b\":2}}", "{}"}},
      {R"({"const":false})", {"false"}, {"0", "true"}},
      {R"({"const":9007199254740992})",
       {"9007199254740992", "9007199254740992.0", "9.007199254740992e15"},
       {"9007199254740993"}},
      {R"({"const":"x","type":"number"})", {}, {"\"x\"", "1"}},
  });
}

TEST_CASE("schema: objects") {
  check_cases({
      {R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a"],"additionalProperties":false})",
       {"{\"a\":1}", "{\"b\":\"x\",\"a\":1}", "{\"a\":1,\"b\":\"\"}"},
       {"{}", "{\"b\":\"\"}", "{\"a\":\"\"}", "{\"a\":1,\"c\":1}"}},
      {R"({"patternProperties":{"^x_":{"type":"null"},"_y$":{"type":["null","number"]}},"additionalProperties":{"type":"string"}})",
       {"{\"x_1\":null}", "{\"a_y\":4}", "{\"x_y\":null}", "{\"z\":\"\"}"},
       {"{\"x_1\":4}", "{\"x_y\":4}", "{\"z\":1}"}},
      {R"({"propertyNames":{"maxLength":2,"not":{"const":"no"}}})",
       {"{}", "{\"ab\":1}"},
       {"{\"abc\":1}", "{\"no\":1}"}},
      {R"({"minProperties":1,"maxProperties":2})",
       {"{\"a\":1}", "{\"a\":1,\"b\":2}", "[]"},
       {"{}", "{\"a\":1,\"b\":2,\"c\":3}"}},
      {R"({"dependentRequired":{"a":["b"]}})", {"{}", "{\"b\":1}", "{\"a\":1,\"b\":1}", "1"}, {"{\"a\":1}"}},
      {R"({"dependentSchemas":{"a":{"minProperties":2}}})",
       {"{\"b\":1}", "{\"a\":1,\"b\":1}"},
       {"{\"a\":1}"}},
      {R"({"dependencies":{"a":["b"],"c":{"required":["d"]}}})",
       {"{\"a\":1,\"b\":1}"},
       {"{\"a\":1}", "{\"c\":1}"}},
      {R"({"properties":{"a":false}})", {"{}", "{\"b\":1}"}, {"{\"a\":1}"}},
      {R"({"properties":{"\u00e9/~":{"type":"null"}},"required":["\u00e9/~"]})",
       {"{\"\xC3\xA9/~\":null}"},
       {"{\"\xC3\xA9/~\":1}", "{}"}},
  });
}

TEST_CASE("schema: arrays") {
  check_cases({
      {R"({"items":{"type":"integer"},"minItems":1,"maxItems":2})",
       {"[1]", "[1,2]", "{}"},
       {"[]", "[1,2,3]", "[\"\"]"}},
      {R"({"prefixItems":[{"const":1},{"const":2}],"items":false})",
       {"[]", "[1]", "[1,2]"},
       {"[2]", "[1,2,3]"}},
      {R"({"$schema":"http://json-schema.org/draft-07/schema#","items":[{"const":1}],"additionalItems":{"type":"null"}})",
       {"[1,null,null]", "[]"},
       {"[1,1]", "[null]"}},
      {R"({"contains":{"const":1},"minContains":2,"maxContains":3})",
       {"[1,1]", "[0,1,1,1]", "5"},
       {"[]", "[1]", "[1,1,1,1]"}},
      {R"({"contains":{"type":"string"}})", {"[1,\"\"]"}, {"[]", "[1]"}},
      {R"({"uniqueItems":true})",
       {"[1,2]", "[{\"a\":1,\"b\":2},{\"a\":1,\"b\":3}]", "[1,true,\"1\",[1]]", "[[1],[2]]"},
       {"[1,1.0]", "[1,2,10e-1]", "[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]", "[[1],[1]]",
        "[\"a\",\"\\u0061\"]"}},
  });
}

TEST_CASE("schema: combinations") {
  check_cases({
      {R"({"anyOf":[{"type":"integer"},{"minLength":2}]})", {"1", "\"ab\"", "true"}, {"\"a\""}},
      {R"({"oneOf":[{"type":"integer"},{"minimum":2}]})", {"1", "2.5"}, {"3", "1.5"}},
      {R"({"allOf":[{"required":["a"]},{"required":["b"]}]})", {"{\"b\":1,\"a\":1}"}, {"{\"a\":1}"}},
      {R"({"not":{"type":["integer","object"]}})", {"1.5", "\"\"", "[]"}, {"1", "{}"}},
      {R"({"not":{"required":["a"]}})", {"{}", "{\"b\":1}"}, {"{\"a\":1}"}},
      {R"({"if":{"properties":{"k":{"const":1}},"required":["k"]},"then":{"required":["x"]},"else":{"required":["y"]}})",
       {"{\"k\":1,\"x\":0}", "{\"y\":0}", "{\"x\":0,\"k\":1}"},
       {"{\"k\":1}", "{\"k\":2,\"x\":0}", "{}"}},
      {R"({"anyOf":[{"properties":{"a":{"type":"integer"}}},{"properties":{"a":{"type":"string"}}}]})",
       {"{\"a\":1}", "{\"a\":\"\"}"},
       {"{\"a\":true}"}},
      {R"({"$ref":"#/$defs/tree","$defs":{"tree":{"type":"object","properties":{"l":{"$ref":"#/$defs/tree"},"v":{"type":"integer"}},"additionalProperties":false}}})",
       {"{\"l\":{\"l\":{\"v\":1}}}"},
       {"{\"l\":{\"v\":\"\"}}", "{\"l\":1}"}},
      {R"({"$id":"http://h/a.json","$ref":"b.json","$defs":{"x":{"$id":"b.json","type":"null"},"y":{"$anchor":"z","const":1}}})",
       {"null"},
       {"1"}},
      {R"({"properties":{"a":{"$ref":"#z"}},"$defs":{"y":{"$anchor":"z","const":1}}})",
       {"{\"a\":1}"},
       {"{\"a\":2}"}},
      {R"({"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"$ref":"#/definitions/n","maximum":1}},"definitions":{"n":{"type":"integer"}}})",
       {"{\"a\":5}"},
       {"{\"a\":\"\"}"}},
      {R"({"$schema":"http://json-schema.org/draft-04/schema#","minimum":1,"exclusiveMinimum":true,"const":9})",
       {"2"},
       {"1"}},
  });
}

TEST_CASE("schema: a text that cannot become valid is stopped at once") {
  CHECK(taken(R"({"type":"object","properties":{"alpha":{}},"additionalProperties":false})", "{\"alx") == 4);
  CHECK(taken(R"({"enum":["red","green"]})", "\"reX") == 3);
  CHECK(taken(R"({"type":"integer","maximum":100})", "101") == 2);
  CHECK(taken(R"({"maxItems":1})", "[1,") == 2);
  CHECK(taken(R"({"maxProperties":1})", "{\"a\":1,") == 6);
  CHECK(taken(R"({"required":["b"],"maxProperties":2})", "{\"a\":1,\"c\":1,") == 12);
  CHECK(taken(R"({"properties":{"a":{}},"required":["a"],"additionalProperties":false})", "{\"a\":1,") == 6);
  CHECK(taken(R"({"properties":{"a":false}})", "{\"a\":") == 3);
  CHECK(taken(R"({"pattern":"^.{3}$","maxLength":2})", "\"") == 0);
  CHECK(taken(R"({"not":{"type":"string"}})", "\"") == 0);
  CHECK(taken(R"({"oneOf":[{"type":"string"},{"type":"string"}]})", "\"") == 0);
  CHECK(
      taken(
          R"({"anyOf":[{"properties":{"a":{"const":1}}},{"properties":{"a":{"const":2}}}],"required":["a"]})",
          "{\"a\":3") == 5);
}

TEST_CASE("schema: a way is found beside names that only lead to lists of unlike texts") {
  // "include" is asked for by a rule that must not hold behind this engine; a search through its lists has no
  // end.
  const auto graph = graph_of(R"({"type":"object","additionalProperties":false,"required":["engine","src"],
      "properties":{"engine":{"enum":["static","custom","other"]},"src":{"type":"string"},"serve":{"type":"string"},
        "path":{"type":"string"},"run":{"type":"string"},"public":{"type":"boolean"},
        "include":{"type":"array","minItems":1,"uniqueItems":true,"items":{"type":"string"}}},
      "allOf":[
        {"if":{"properties":{"engine":{"const":"static"}},"required":["engine"]},"then":{"required":["serve"]}},
        {"if":{"properties":{"engine":{"enum":["static"]}},"required":["engine"]},
         "then":{"not":{"required":["include"]}},"else":{"not":{"required":["serve"]}}}]})");
  lamina::masks::SchemaMachine machine(graph, lamina::masks::JsonTextLimits::for_writing());
  for (const std::string_view text : {R"({"src":"m","engine":"static","serve":"p"})",
                                      R"({"engine":"custom","src":"m","include":["a","b"]})",
                                      R"({"serve":"p","engine":"static","src":"m"})"}) {
    CAPTURE(text);
    auto state = machine.start();
    CHECK(machine.looks_ahead());
    for (const char c : text) REQUIRE(machine.step(state, static_cast<std::uint8_t>(c)));
    CHECK(machine.accepts(state));
  }
}

TEST_CASE("schema: where a model writes there is one spelling of a number and one space") {
  const auto written = [](std::string_view schema, std::string_view text) {
    const auto graph = graph_of(schema);
    lamina::masks::SchemaMachine machine(graph, lamina::masks::JsonTextLimits::for_writing());
    auto state = machine.start();
    for (const char c : text) {
      if (!machine.step(state, static_cast<std::uint8_t>(c))) return false;
    }
    return machine.accepts(state);
  };
  CHECK(written("{}", "[1, 2.5, -3]"));
  CHECK_FALSE(written("{}", "[1,  2]"));
  CHECK_FALSE(written("{}", "1e3"));
  CHECK_FALSE(written(R"({"type":"integer"})", "1.0"));
  CHECK_FALSE(written(R"({"maximum":1})", "5e-1"));
  CHECK(written(R"({"maximum":1})", "0.5"));
  CHECK(written(R"({"enum":[1e30]})", "1e+30"));
  // No escape from which no way leads on.
  CHECK(written("{}", "\"\\u00e9\\n\""));
  const auto graph = graph_of(R"~({"anyOf":[{"pattern":"^[0-9]+$"},{"enum":["a\"b"]}]})~");
  lamina::masks::SchemaMachine machine(graph, lamina::masks::JsonTextLimits::for_writing());
  auto state = machine.start();
  CHECK(machine.step(state, '"'));
  auto other = state;
  CHECK_FALSE(machine.step(other, '\\'));
  CHECK(machine.step(state, 'a'));
  CHECK(machine.step(state, '\\'));
  other = state;
  CHECK_FALSE(machine.step(other, 'u'));
  CHECK(machine.step(state, '"'));
}

TEST_CASE("schema: what cannot be kept is refused with its place") {
  const auto refused = [](const char* schema, ErrorCode code, const char* where) {
    CAPTURE(std::string(schema));
    expect_error(lamina::compile_schema(std::string_view(schema)), code, where, "");
  };
  refused(R"({"properties":{"a/b":{"unevaluatedItems":false}}})", ErrorCode::unsupported,
          "#/properties/a~1b/unevaluatedItems");
  refused(R"({"items":{"$dynamicRef":"#x"}})", ErrorCode::unsupported, "#/items/$dynamicRef");
  refused(R"({"$ref":"http://elsewhere/x"})", ErrorCode::unsupported, "#/$ref");
  refused(R"~({"allOf":[{},{"pattern":"(?=a)"}]})~", ErrorCode::unsupported, "#/allOf/1/pattern");
  refused(R"({"format":"regex"})", ErrorCode::unsupported, "#/format");
  refused(R"({"$schema":"http://elsewhere/draft"})", ErrorCode::unsupported, "#/$schema");
  refused(R"({"type":"text"})", ErrorCode::bad_argument, "#/type");
  refused(R"({"minLength":-1})", ErrorCode::bad_argument, "#/minLength");
  refused(R"({"multipleOf":0})", ErrorCode::bad_argument, "#/multipleOf");
  refused(R"({"anyOf":[]})", ErrorCode::bad_argument, "#/anyOf");
  refused(R"({"pattern":"["})", ErrorCode::bad_argument, "#/pattern");
  refused(R"({"$ref":"#"})", ErrorCode::unsupported, "schema");
  refused(R"({"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"not":{"$ref":"#"}}}})", ErrorCode::unsupported,
          "schema");
  refused("[1]", ErrorCode::bad_argument, "#");
  refused("{", ErrorCode::bad_argument, "");
}

TEST_CASE("schema: hostile schemas end") {
  std::string chain = R"({"$ref":"#/$defs/a0","$defs":{)";
  for (int i = 0; i < 2000; ++i)
    chain += "\"a" + std::to_string(i) + "\":{\"$ref\":\"#/$defs/a" + std::to_string(i + 1) + "\"},";
  CHECK_FALSE(static_cast<bool>(lamina::compile_schema(std::string_view(chain + "\"a2000\":{}}}"))));
  // Each place applies the next one twice: 2^60 ways down, 60 places.
  std::string twice = R"({"$ref":"#/$defs/a0","$defs":{)";
  for (int i = 0; i < 60; ++i) {
    const std::string ref = "{\"$ref\":\"#/$defs/a" + std::to_string(i + 1) + "\"}";
    twice += "\"a" + std::to_string(i) + "\":{\"allOf\":[" + ref + "," + ref + "]},";
  }
  CHECK(valid(twice + "\"a60\":{\"type\":\"integer\"}}}", "1"));
  CHECK_FALSE(static_cast<bool>(
      lamina::compile_schema(std::string_view(R"~({"pattern":"((a{1000}){1000}){1000}"})~"))));
  CHECK(taken("{}", std::string(100'000, '[')) == 256);
  CHECK(taken("{}", std::string(100'000, ' ')) == 64);
}
