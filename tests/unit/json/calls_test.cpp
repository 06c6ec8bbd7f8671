// SPDX-License-Identifier: Apache-2.0
// Calls of tools under their schemas: what may be written, and that all that is written fits and reads back.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <lamina/chat/response_parser.hpp>
#include <lamina/json/schema/calls.hpp>
#include <lamina/json/schema/compiler.hpp>
#include <lamina/json/value.hpp>
#include <lamina/masks/calls/constraint.hpp>
#include <lamina/masks/constraint.hpp>
#include <lamina/sampling/random.hpp>

#include "support/expect_error.hpp"
#include "support/golden_text.hpp"
#include "support/value_json.hpp"

namespace {

using lamina::TokenId;
using lamina::Value;

std::vector<Value> tools_of(std::string_view json) { return must(lamina::parse_json_value(json)).items; }

std::shared_ptr<const lamina::masks::SchemaGraph> graph_of(std::string_view json) {
  return std::make_shared<const lamina::masks::SchemaGraph>(must(lamina::compile_calls(tools_of(json))));
}

/// Whether a body is taken as a whole; a `~` stands for a quote.
bool takes_body(std::string_view tools, std::string_view body) {
  const auto graph = graph_of(tools);
  lamina::masks::CallMachine machine(*graph);
  auto state = machine.start();
  for (const char c : body) {
    const bool taken = c == '~' ? machine.quote(state) : machine.step(state, static_cast<std::uint8_t>(c));
    if (!taken) return false;
  }
  return lamina::masks::CallMachine::is_complete(state);
}

constexpr std::string_view weather =
    R"([{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"},
        "days":{"type":"integer","minimum":1,"maximum":14},"unit":{"enum":["C","F"]}},"required":["city"]}},
       {"name":"time","parameters":{"type":"object","properties":{}}}])";

bool fits(std::string_view body) { return takes_body(weather, body); }

constexpr std::string_view nested_schema =
    R"([{"name":"plan","strict":true,"parameters":{"$defs":{"place":{"type":"object","properties":
        {"name":{"type":"string","minLength":1,"maxLength":8},"at":{"type":"array","items":{"type":"number",
        "minimum":-90,"maximum":90},"minItems":2,"maxItems":2}},"required":["name","at"],
        "additionalProperties":false}},"type":"object","properties":{"stops":{"type":"array","items":
        {"$ref":"#/$defs/place"},"minItems":1,"maxItems":3},"fast":{"type":"boolean"},
        "note":{"type":["string","null"],"pattern":"^[a-z\"\\\\ \n]*$","maxLength":6}},
        "required":["stops","fast","note"]}},
       {"name":"none"}])";

/// Draws a call at random among what is allowed; ends what may end.
std::vector<TokenId> random_calls(lamina::CallConstraint& constraint, const lamina::Tokenizer& tokenizer,
                                  lamina::Random& random) {
  const auto& special = tokenizer.special();
  std::vector<TokenId> ids;
  constraint.reset();
  while (ids.size() < 2000) {
    const lamina::TokenMask mask = *must(constraint.mask());
    REQUIRE(mask.count() > 0);
    std::vector<TokenId> allowed;
    for (TokenId id = 0; id < tokenizer.size(); ++id) {
      if (mask.has(id)) allowed.push_back(id);
    }
    TokenId next = allowed[random.next() % allowed.size()];
    for (const TokenId ender : {special.quote, special.call_close, special.response_open}) {
      if (mask.has(ender) && random.next() % 3 == 0) next = ender;
    }
    ids.push_back(next);
    CHECK(constraint.accept(next));
    if (tokenizer.is_stop(next)) break;
  }
  return ids;
}

}  // namespace

TEST_CASE("bodies of calls: names, bare keys, quotes and the rules of values") {
  CHECK(fits("call:weather{city:~Oslo~}"));
  CHECK(fits("call:weather{city:~Oslo~,days:14,unit:~C~}"));
  CHECK(fits("call:weather{unit:~F~,city:~a \"b\" \\ {c},d:e\n~}"));
  CHECK(fits("call:weather{city:~~}"));
  CHECK(fits("call:time{}"));
  for (const char* wrong :
       {"call:weather{}", "call:weather{city:Oslo}", "call:weather{city:\"Oslo\"}", "call:rain{city:~a~}",
        "call:weather{city:~a~,days:15}", "call:weather{city:~a~,unit:~K~}",
        "call:weather{city:~a~,city:~b~}", "call:weather{ city:~a~}", "call:weather{city: ~a~}",
        "call:weather{~city~:~a~}", "weather{city:~a~}", "call:weather{city:~a~,more:1}", "call:time{a:1}",
        "call:weather{city:~a~}}", "call:weather{city:~a~", "call:weather {city:~a~}",
        "call:weather{city:~a~,}"}) {
    CAPTURE(wrong);
    CHECK_FALSE(fits(wrong));
  }
}

TEST_CASE("objects are closed only where that says less than the schema") {
  const auto tool = [](std::string_view parameters) {
    return R"([{"name":"f","parameters":)" + std::string(parameters) + "}]";
  };
  const auto open =
      tool(R"({"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":true})");
  CHECK(takes_body(open, "call:f{a:1,b:~x~}"));
  CHECK(takes_body(open, "call:f{two words:[1,{c:null}]}"));
  for (const char* lost :
       {"call:f{ b:1}", "call:f{b :1}", "call:f{\xC2\xA0z:1}", "call:f{z\xE3\x80\x80:1}", "call:f{:1}"})
    CHECK_FALSE(takes_body(open, lost));
  // Closing both branches would leave nothing.
  const auto both =
      tool(R"({"type":"object","allOf":[{"properties":{"a":{"type":"integer"}},"required":["a"]},
                             {"properties":{"b":{"type":"integer"}},"required":["b"]}]})");
  CHECK(takes_body(both, "call:f{a:1,b:2}"));
  CHECK_FALSE(takes_body(both, "call:f{a:1}"));
  const auto needed = tool(R"({"type":"object","properties":{"a":{"type":"integer"}},"required":["b"]})");
  CHECK(takes_body(needed, "call:f{b:2}"));
}

TEST_CASE("what cannot be followed is refused with its place") {
  const auto refused = [](std::string_view tools) {
    const auto graph = lamina::compile_calls(tools_of(tools));
    REQUIRE_FALSE(static_cast<bool>(graph));
    return std::string(graph.error().where.view());
  };
  CHECK(
      refused(
          R"([{"name":"a"},{"name":"f","parameters":{"type":"object","properties":{"x":{"type":"frog"}}}}])") ==
      "tools[1].function.parameters#/properties/x/type");
  CHECK(refused(R"([{"name":"f","parameters":{"type":"object","properties":{"a:b":{}}}}])") ==
        "tools[0].function.parameters/properties");
  CHECK(refused(R"([{"name":"f","parameters":{"type":"string"}}])") == "tools[0].function.parameters");
}

TEST_CASE("random calls under a mask read back and fit their schemas") {
  const lamina::Tokenizer tokenizer = golden_tokenizer("small.gguf");
  const auto index = must(lamina::TokenIndex::create(tokenizer));
  lamina::Random random(15);
  std::size_t ended = 0;
  for (const std::string_view tools : {weather, nested_schema}) {
    const auto functions = tools_of(tools);
    auto constraint = must(lamina::CallConstraint::create(graph_of(tools), index, {true, 3, {}}));
    for (int run = 0; run < 100; ++run) {
      const auto ids = random_calls(*constraint, tokenizer, random);
      if (!tokenizer.is_stop(ids.back())) continue;
      ++ended;
      std::vector<lamina::ResponseEvent> events;
      lamina::ResponseParser parser(tokenizer);
      CHECK(parser.push(ids, events));
      CHECK(parser.reason() == lamina::FinishReason::tool_calls);
      CHECK(events.size() <= 3);
      for (const auto& event : events) {
        REQUIRE(event.kind == lamina::ResponseEvent::Kind::tool_call);
        CAPTURE(event.call.body);
        REQUIRE(event.call.well_formed);
        const auto tool = std::find_if(functions.begin(), functions.end(), [&](const Value& one) {
          return one.find("name")->text == event.call.name;
        });
        REQUIRE(tool != functions.end());
        const Value* schema = tool->find("parameters");
        const auto graph = schema == nullptr ? must(lamina::compile_schema(R"({"maxProperties":0})"))
                                             : must(lamina::compile_schema(*schema));
        lamina::masks::SchemaMachine machine(graph);
        auto state = machine.start();
        bool taken = true;
        std::string arguments;
        lamina::append_json(event.call.arguments, arguments);
        for (const char c : arguments) taken = taken && machine.step(state, static_cast<std::uint8_t>(c));
        CHECK(taken);
        CHECK(machine.accepts(state));
      }
    }
  }
  CHECK(ended > 150);
}

TEST_CASE("calls must come, may come, or stand in place of a text") {
  const lamina::Tokenizer tokenizer = golden_tokenizer("small.gguf");
  const auto index = must(lamina::TokenIndex::create(tokenizer));
  const auto& special = tokenizer.special();
  const TokenId letter = tokenizer.find("a");
  const auto graph = graph_of(weather);

  auto must_call = must(lamina::CallConstraint::create(graph, index, {true, 1, {}}));
  CHECK(must(must_call->mask())->count() == 1);
  CHECK_FALSE(must_call->accept(letter));
  CHECK_FALSE(must_call->may_end());
  CHECK(must_call->accept(special.call_open));
  CHECK(must_call->forced() == "call:");
  CHECK(must_call->accept("call:w") == 6);
  CHECK(must_call->forced() == "eather{");
  CHECK(must_call->accept("eather{city:") == 12);
  CHECK(must_call->forced().empty());
  CHECK(must_call->accept(special.quote));
  CHECK_FALSE(must_call->accept(special.call_close));
  CHECK(must_call->accept(special.quote));
  CHECK(must_call->accept("}") == 1);
  CHECK(must(must_call->mask())->count() == 1);
  CHECK(must_call->accept(special.call_close));
  CHECK(must_call->may_end());
  CHECK_FALSE(must(must_call->mask())->has(special.call_open));
  CHECK(must(must_call->mask())->has(special.response_open));
  must_call->reset();
  CHECK_FALSE(must_call->may_end());

  auto may_call = must(lamina::CallConstraint::create(graph, index, {}));
  CHECK(must(may_call->mask())->count() == tokenizer.size());
  CHECK(may_call->may_end());
  CHECK(may_call->accept(letter));
  CHECK(may_call->accept(special.call_open));
  CHECK_FALSE(may_call->accept(letter));

  const auto text =
      std::make_shared<lamina::SchemaConstraint>(std::make_shared<const lamina::masks::SchemaGraph>(
                                                     must(lamina::compile_schema(R"({"type":"object"})"))),
                                                 index, lamina::masks::JsonTextLimits::for_writing());
  auto either = must(lamina::CallConstraint::create(graph, index, {false, 1, text}));
  CHECK(must(either->mask())->has(special.call_open));
  CHECK_FALSE(must(either->mask())->has(letter));
  CHECK(either->accept(tokenizer.find("{")));
  CHECK_FALSE(must(either->mask())->has(special.call_open));
  CHECK_FALSE(either->accept(special.call_open));
}
