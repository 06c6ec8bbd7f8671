// SPDX-License-Identifier: Apache-2.0
// Masks over a vocabulary: the same tokens as trying each byte by byte, at every place of every text.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/json/schema/compiler.hpp>
#include <lamina/masks/constraint.hpp>

#include "support/golden_text.hpp"

namespace {

using lamina::TokenId;

/// Compares the masks on the way of a text with those of trying every token.
template <class Machine>
void check_masks(Machine& machine, const lamina::TokenIndex& index, std::string_view text) {
  lamina::masks::Masker<Machine> masker(index, machine);
  std::vector<TokenId> ids;
  REQUIRE(static_cast<bool>(index.tokenizer().encode(text, lamina::Special::ignore, ids)));
  auto state = machine.start();
  for (std::size_t i = 0; i <= ids.size(); ++i) {
    const lamina::TokenMask& mask = masker.mask(state);
    std::size_t wrong = 0;
    for (TokenId id = 0; id < index.tokens(); ++id) {
      const std::string_view bytes = index.bytes_of(id);
      bool allowed = !bytes.empty();
      const auto mark = machine.arena().mark();
      auto next = state;
      for (std::size_t b = 0; b < bytes.size() && allowed; ++b)
        allowed = machine.step(next, static_cast<std::uint8_t>(bytes[b]));
      machine.arena().reset(mark);
      if (index.stops().has(id)) allowed = machine.accepts(state);
      wrong += mask.has(id) != allowed ? 1U : 0U;
    }
    CAPTURE(i);
    CHECK(wrong == 0);
    if (i == ids.size()) break;
    CHECK(mask.has(ids[i]));
    for (const char c : index.bytes_of(ids[i])) REQUIRE(machine.step(state, static_cast<std::uint8_t>(c)));
  }
}

struct Sample {
  const char* schema;
  const char* text;
};

}  // namespace

TEST_CASE("masks are what trying every token gives") {
  const lamina::Tokenizer tokenizer = golden_tokenizer("small.gguf");
  const auto index = lamina::TokenIndex::create(tokenizer);
  REQUIRE(static_cast<bool>(index));
  const Sample samples[] = {
      {"{}", R"({"name": "The answer, \"well\"", "list": [1, -2.5e3, true, null]})"},
      {"{}", R"({"":1,"a":2})"},  // the empty key is one that was there
      {R"({"type":"string","maxLength":9})", "\"Hello \xC3\xA9t\xC3\xA9\""},
      {R"({"pattern":"^[A-Z][a-z ]*$","maxLength":40})", "\"The answer is here\""},
      {R"({"allOf":[{"pattern":"e"},{"pattern":"^T"},{"maxLength":8}]})", "\"The same\""},
      {R"({"anyOf":[{"pattern":"^the"},{"enum":["other","others"]}]})", "\"others\""},
      {R"({"not":{"pattern":"^the$"}})", "\"the end\""},
      {R"({"enum":["red","green\n","\u00e9",12]})", "\"green\\n\""},
      {R"({"properties":{"name":{},"value":{"type":"integer"}},"patternProperties":{"^x_[a-z]+$":{}},"additionalProperties":false})",
       R"({"value": 12, "x_the": "a", "name": ""})"},
      {R"({"propertyNames":{"maxLength":5},"maxProperties":2})", R"({"the":1,"other":2})"},
      {R"({"uniqueItems":true,"items":{"enum":["a","b",1]}})", "[\"a\",1,\"b\"]"},
  };
  for (const Sample& sample : samples) {
    CAPTURE(std::string(sample.schema));
    const auto graph = lamina::compile_schema(std::string_view(sample.schema));
    REQUIRE(static_cast<bool>(graph));
    lamina::masks::SchemaMachine machine(*graph);
    check_masks(machine, *index, sample.text);
  }
  const auto nfa = lamina::compile_pattern("[a-zA-Z .]{3,40}|\xC3\xA9+");
  REQUIRE(static_cast<bool>(nfa));
  lamina::masks::RegexMachine pattern(*nfa);
  check_masks(pattern, *index, "The answer.");
  const auto grammar = lamina::compile_grammar("root ::= (word [ ,\\u00e9])+ \".\"\nword ::= [a-zA-Z]+");
  REQUIRE(static_cast<bool>(grammar));
  lamina::masks::GrammarMachine machine(*grammar);
  check_masks(machine, *index, "The end,answer\xC3\xA9.");
}

TEST_CASE("masks where a model writes: rules that only agree late") {
  const lamina::Tokenizer tokenizer = golden_tokenizer("small.gguf");
  const auto index = lamina::TokenIndex::create(tokenizer);
  REQUIRE(static_cast<bool>(index));
  using lamina::masks::JsonTextLimits;
  const Sample samples[] = {
      {R"({"type":"string","not":{"enum":["the","The"]}})", "\"the end\""},
      {R"({"type":"string","allOf":[{"pattern":"e"},{"pattern":"^T"},{"not":{"pattern":"x"}}],"maxLength":8})",
       "\"The same\""},
      {R"({"type":"string","oneOf":[{"pattern":"the"},{"pattern":"^a"},{"minLength":30}]})", "\"a \\\"end\""},
      {R"({"type":"string","pattern":"^\\u00e9*$","not":{"maxLength":2}})", "\"\xC3\xA9\xC3\xA9\xC3\xA9\""},
      {R"({"type":"object","oneOf":[{"patternProperties":{"^[^-]+$":{"type":"integer"}},
          "additionalProperties":false},{"required":["a-b"]}]})",
       R"({"the":1,"other":2})"},
      {R"({"type":"object","propertyNames":{"allOf":[{"pattern":"^[a-c]$"},{"not":{"const":"b"}}]},
          "minProperties":2})",
       R"({"a":1,"c":2})"},
      {R"({"type":"object","required":["name","type"],"anyOf":[
          {"properties":{"type":{"const":"a"},"name":{"type":"string","pattern":"^[A-Z]"}}},
          {"properties":{"type":{"const":"b"},"name":{"type":"string","pattern":"^[a-z]"}}}]})",
       R"({"name":"the","type":"b"})"},
      {R"({"type":"array","uniqueItems":true,"items":{"type":"string","pattern":"^[ab]?$"}})",
       R"(["a","","b"])"},
  };
  for (const Sample& sample : samples) {
    CAPTURE(std::string(sample.schema));
    const auto graph = lamina::compile_schema(std::string_view(sample.schema));
    REQUIRE(static_cast<bool>(graph));
    lamina::masks::SchemaMachine machine(*graph, JsonTextLimits::for_writing());
    check_masks(machine, *index, sample.text);
  }
  // A pattern and lengths that leave no text at all.
  const auto none = lamina::compile_schema(
      std::string_view(R"({"type":"string","minLength":1,"maxLength":1,"pattern":"^(ab)*$"})"));
  REQUIRE(static_cast<bool>(none));
  lamina::masks::SchemaMachine machine(*none, JsonTextLimits::for_writing());
  auto state = machine.start();
  CHECK_FALSE(machine.step(state, '"'));
}

TEST_CASE("constraints: tokens, ends, forced text, and memory that stays small") {
  const lamina::Tokenizer tokenizer = golden_tokenizer("small.gguf");
  const auto index = lamina::TokenIndex::create(tokenizer);
  REQUIRE(static_cast<bool>(index));
  auto graph = lamina::compile_schema(std::string_view(
      R"({"properties":{"first":{"enum":["only"]},"second":{"type":"integer"}},"required":["first","second"],"additionalProperties":false})"));
  REQUIRE(static_cast<bool>(graph));
  lamina::SchemaConstraint constraint(std::make_shared<const lamina::masks::SchemaGraph>(std::move(*graph)),
                                      *index);
  CHECK(constraint.forced(256) == "");  // any value may come, for the schema names no type
  CHECK(constraint.accept("{\"f") == 3);
  CHECK(constraint.forced(256) == "irst\":\"only\",\"second\":");
  CHECK(constraint.accept("irst\":\"onlx") == 10);
  CHECK(constraint.forced(4) == "y\",\"");
  CHECK(constraint.accept("y\",\"second\": 12}") == 16);
  CHECK(constraint.may_end());
  const TokenId stop = tokenizer.special().turn_close;
  auto mask = constraint.mask();
  REQUIRE(static_cast<bool>(mask));
  CHECK((*mask)->has(stop));
  CHECK(constraint.accept(stop));
  CHECK_FALSE(constraint.accept(tokenizer.special().channel_open));
  constraint.reset();
  CHECK_FALSE(constraint.accept(stop));
  CHECK_FALSE(constraint.accept(tokenizer.find("x")));
  CHECK(constraint.accept(tokenizer.find("{")));
  CHECK(constraint.forced(1) == "\"");

  auto list = lamina::compile_schema(
      std::string_view(R"({"items":{"type":"object","properties":{"a":{"type":"integer"}}}})"));
  REQUIRE(static_cast<bool>(list));
  lamina::SchemaConstraint items(std::make_shared<const lamina::masks::SchemaGraph>(std::move(*list)),
                                 *index);
  CHECK(items.accept("[") == 1);
  const std::string item = R"({"a":12,"b":[1,"x",{}],"c":"text"},)";
  std::size_t taken = 0;
  for (int i = 0; i < 5000; ++i) taken += items.accept(item);
  CHECK(taken == 5000 * item.size());
}
