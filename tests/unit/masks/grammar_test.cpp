// SPDX-License-Identifier: Apache-2.0
// Grammars: what their texts are, and which are refused.
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include <lamina/masks/constraint.hpp>

namespace {

using lamina::ErrorCode;

bool derives(const lamina::masks::Grammar& grammar, std::string_view text) {
  lamina::masks::GrammarMachine machine(grammar);
  auto state = machine.start();
  for (const char c : text) {
    if (!machine.step(state, static_cast<std::uint8_t>(c))) return false;
    machine.compact(state);
  }
  return machine.accepts(state) && !machine.failed();
}

bool derives(std::string_view grammar, std::string_view text) {
  const auto read = lamina::compile_grammar(grammar);
  INFO(std::string(grammar));
  REQUIRE(static_cast<bool>(read));
  return derives(*read, text);
}

}  // namespace

TEST_CASE("grammars: texts, classes, groups, repetition") {
  constexpr std::string_view list =
      "root ::= \"[\" item (\",\" item)* \"]\" # a list\n"
      "item ::= [a-z]+\n"
      "       | \"\\u00e9\"{2} | root\n";
  for (const char* text : {"[a]", "[abc,d]", "[\xC3\xA9\xC3\xA9]", "[[a],[b,[c]]]"})
    CHECK(derives(list, text));
  for (const char* text : {"[]", "[a", "[a,]", "[\xC3\xA9]", "[A]", "a"}) CHECK_FALSE(derives(list, text));
  CHECK(derives("root ::= \"a\"? \"b\"{2,} [^\\n\"]", "bbbx"));
  CHECK_FALSE(derives("root ::= \"a\"? \"b\"{2,} [^\\n\"]", "bb"));
  CHECK(derives("root ::= \"ab\"{0,2} .", "abab\xF0\x9F\x98\x80"));
  CHECK_FALSE(derives("root ::= \"ab\"{0,2} \".\"", "ababab."));
  // Right recursion keeps no way back.
  CHECK(derives("root ::= \"a\" root | \"b\"", std::string(20'000, 'a') + "b"));
  CHECK(derives("root ::= \"(\" root \")\" | \"\"", std::string(200, '(') + std::string(200, ')')));
}

TEST_CASE("grammars: bytes that begin no character of a class are refused") {
  const auto grammar = lamina::compile_grammar("root ::= [\\u00e0-\\u00ef]");
  REQUIRE(static_cast<bool>(grammar));
  lamina::masks::GrammarMachine machine(*grammar);
  auto state = machine.start();
  auto other = state;
  CHECK_FALSE(machine.step(other, 0xC4));
  CHECK(machine.step(state, 0xC3));
  CHECK_FALSE(machine.accepts(state));
  other = state;
  CHECK_FALSE(machine.step(other, 0x80));
  CHECK(machine.step(state, 0xA9));
  CHECK(machine.accepts(state));
}

TEST_CASE("grammars: choices") {
  const auto grammar = lamina::masks::choice_grammar({"yes", "no", "none"});
  for (const char* text : {"yes", "no", "none"}) CHECK(derives(grammar, text));
  for (const char* text : {"", "y", "yess", "non"}) CHECK_FALSE(derives(grammar, text));
}

TEST_CASE("grammars: refused") {
  const auto refused = [](std::string_view text, ErrorCode code) {
    CAPTURE(std::string(text));
    const auto grammar = lamina::compile_grammar(text);
    REQUIRE_FALSE(static_cast<bool>(grammar));
    CHECK(grammar.error().code == code);
  };
  for (const char* text :
       {"", "a ::= \"x\"", "root := \"x\"", "root ::= other", "root ::= \"x", "root ::= [b-a]",
        "root ::= (\"x\"", "root ::= \"x\"\nroot ::= \"y\"", "root ::= \"\\q\"", "root ::= \"x\")"})
    refused(text, ErrorCode::bad_argument);
  for (const char* text :
       {"root ::= root \"x\"", "root ::= a\na ::= \"\" root", "root ::= (\"x\"*)*", "root ::= \"x\"{5000}"})
    refused(text, ErrorCode::unsupported);
  refused("root ::= " + std::string(100, '(') + "\"x\"" + std::string(100, ')'), ErrorCode::unsupported);
}
