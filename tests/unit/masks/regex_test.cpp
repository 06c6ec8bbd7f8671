// SPDX-License-Identifier: Apache-2.0
// Patterns against texts, searched and as wholes; what no automaton can do is refused.
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include <lamina/masks/constraint.hpp>

#include "support/expect_error.hpp"

namespace {

using lamina::ErrorCode;
using lamina::masks::RegexUse;

bool matches(std::string_view pattern, std::string_view text, RegexUse use = RegexUse::search) {
  const auto nfa = lamina::masks::compile_regex(pattern, use);
  INFO(std::string(pattern));
  REQUIRE(static_cast<bool>(nfa));
  lamina::masks::Dfa dfa(*nfa, use);
  std::uint32_t state = dfa.start();
  for (const char c : text) state = dfa.step(state, static_cast<std::uint8_t>(c));
  return dfa.accepts(state);
}

}  // namespace

TEST_CASE("patterns are searched for, anchors hold them") {
  CHECK(matches("b+", "abbc"));
  CHECK(matches("", "anything"));
  CHECK(matches("^a|b$", "axx"));
  CHECK(matches("^a|b$", "xxb"));
  CHECK_FALSE(matches("^a|b$", "xax"));
  CHECK(matches("^$", ""));
  CHECK_FALSE(matches("^$", "a"));
  CHECK(matches("^(ab|cd){2,3}$", "abcdab"));
  CHECK_FALSE(matches("^(ab|cd){2,3}$", "ab"));
  CHECK_FALSE(matches("^(ab|cd){2,3}$", "abababab"));
  CHECK(matches("^a{0}b*?c+?$", "bbc"));
  CHECK(matches("^(?:a|(?<name>b))$", "b"));
}

TEST_CASE("classes and escapes") {
  CHECK(matches("^[^a-c\\d]+$", "xyz\xC3\xA9"));
  CHECK_FALSE(matches("^[^a-c\\d]+$", "x1"));
  CHECK(matches("^\\w\\s\\S\\D$", "_\t!x"));
  CHECK(matches("^[\\w-]+$", "a-b"));
  CHECK(matches("^[a\\-z]$", "-"));
  CHECK_FALSE(matches("^[a\\-z]$", "b"));
  CHECK(matches("^\\u00e9\\x41\\cJ\\/$",
                "\xC3\xA9"
                "A\n/"));
  CHECK(matches("^\\ud83d\\ude00$", "\xF0\x9F\x98\x80"));
  CHECK(matches("^.$", "\xF0\x9F\x98\x80"));
  CHECK_FALSE(matches("^.$", "\n"));
  CHECK_FALSE(matches("^.$", "\xE2\x80\xA8"));
  CHECK(matches("^[\xC3\xA0-\xC3\xBC]$", "\xC3\xA9"));
  CHECK_FALSE(matches("[]", "a"));
  CHECK(matches("^[^]$", "\n"));
  CHECK(matches("^a{,2}$", "a{,2}"));  // as browsers read it
}

TEST_CASE("whole texts, and what is left over") {
  CHECK(matches("ab", "ab", RegexUse::whole));
  CHECK_FALSE(matches("ab", "abc", RegexUse::whole));
  CHECK(matches("a|ab", "ab", RegexUse::whole));
  const auto nfa = lamina::masks::compile_regex("^ab{3}$", RegexUse::search);
  REQUIRE(static_cast<bool>(nfa));
  lamina::masks::Dfa dfa(*nfa, RegexUse::search);
  CHECK(dfa.distance(dfa.start()) == 4);
  CHECK(dfa.step(dfa.start(), 'b') == lamina::masks::Dfa::dead);
  const std::uint32_t state = dfa.step(dfa.start(), 'a');
  CHECK(dfa.distance(state) == 3);
  CHECK(dfa.goes_on(state));
  CHECK_FALSE(dfa.accepts(state));
}

TEST_CASE("patterns that cannot be kept are refused") {
  const auto refused = [](const char* pattern, ErrorCode code) {
    CAPTURE(std::string(pattern));
    const auto nfa = lamina::compile_pattern(pattern);
    REQUIRE_FALSE(static_cast<bool>(nfa));
    CHECK(nfa.error().code == code);
  };
  for (const char* pattern : {"(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(a)\\1", "\\bx", "\\p{L}", "\\k<n>",
                              "a{200000}", "((a{1000}){1000})"})
    refused(pattern, ErrorCode::unsupported);
  for (const char* pattern : {"(", ")", "[", "[b-a]", "*", "a**", "\\", "a{2,1}", "(?x)", "\\u{110000}"})
    refused(pattern, ErrorCode::bad_argument);
  refused((std::string(200, '(') + std::string(200, ')')).c_str(), ErrorCode::unsupported);
}
