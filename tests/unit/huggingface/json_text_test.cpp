// SPDX-License-Identifier: Apache-2.0
// Ill-formed text in JSON: one rule for bytes and escapes; mistakes are told by their byte.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include <lamina/huggingface/json_text.hpp>
#include <lamina/huggingface/json_value.hpp>

namespace {

/// The text of a JSON string, or the error.
std::string string_of(std::string_view json) {
  const auto value = lamina::parse_json_value(json);
  if (!value) return "error: " + std::string(lamina::describe(value.error()).view());
  return value->text;
}

std::string error_of(std::string_view json) {
  const auto value = lamina::parse_json_value(json);
  if (value) return "accepted";
  return std::string(lamina::describe(value.error()).view()) + "; " + std::string(value.error().hint.view());
}

}  // namespace

TEST_CASE("halves of characters in JSON become U+FFFD, whole ones stay") {
  CHECK(string_of("\"\\ud83d\\ude00\"") == "\xF0\x9F\x98\x80");
  CHECK(string_of("\"cut \\ud83d\"") == "cut \xEF\xBF\xBD");
  CHECK(string_of("\"\\uD83D\\u2026\"") == "\xEF\xBF\xBD\xE2\x80\xA6");
  CHECK(string_of("\"\\ude00x\"") == "\xEF\xBF\xBDx");
  CHECK(string_of("\"\\ude00\\ud83d\"") == "\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(string_of("\"\\ud83d\\ud83d\\ude00\"") == "\xEF\xBF\xBD\xF0\x9F\x98\x80");
  CHECK(string_of("\"\\ud83d\\n\"") == "\xEF\xBF\xBD\n");
  CHECK(string_of("\"\\\\ud83d\"") == "\\ud83d");
  CHECK(string_of("\"\\\\\\ud83d\"") == "\\\xEF\xBF\xBD");
  const auto key = lamina::parse_json_value("{\"k\\udc00\":1}");
  REQUIRE(static_cast<bool>(key));
  CHECK(key->keys[0] == "k\xEF\xBF\xBD");
}

TEST_CASE("bytes in JSON that are not UTF-8 become U+FFFD, as in plain text") {
  CHECK(string_of("\"caf\xE9\"") == "caf\xEF\xBF\xBD");
  CHECK(string_of("\"\xED\xA0\xBD\"") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(string_of("\"\xE2\x82\"") == "\xEF\xBF\xBD");
  CHECK(string_of("\"\\\xE9\"").starts_with("error: JSON: not valid JSON"));
  CHECK(string_of("\"\xE2\x82\xAC \xC3\xA9\"") == "\xE2\x82\xAC \xC3\xA9");
}

TEST_CASE("what is no JSON is refused with its place in the text as it came") {
  CHECK(error_of("{\"a\":NaN}") ==
        "JSON: not valid JSON: expected JSON text, found {\"a\":N; the mistake is near byte 6");
  CHECK(error_of("[-Infinity]").starts_with("JSON: not valid JSON"));
  CHECK(error_of("[1e400]") ==
        "JSON: number is too large: expected at most 1.79e308, found 1e400; the mistake is near byte 6");
  CHECK(error_of("[\"\xE9\xE9\xE9\", x]").ends_with("; the mistake is near byte 9"));
  CHECK(error_of("[1").ends_with("found the end of the text; the mistake is near byte 3"));
  CHECK(error_of("[1] [2]").ends_with("; the mistake is near byte 5"));
  CHECK(error_of("\"\\u12g4\"").starts_with("JSON: not valid JSON"));
  CHECK(error_of("\xEF\xBB\xBF[1]") == "accepted");
}

TEST_CASE("a NUL byte is an error wherever it stands") {
  using namespace std::string_view_literals;
  for (const std::string_view json : {"[1]\0"sv, "[1]\0garbage"sv, "[1\0]"sv, "[\"a\0b\"]"sv, "\0"sv}) {
    CHECK(error_of(json).starts_with("JSON: not valid JSON: expected JSON text, found a NUL byte"));
  }
  CHECK(string_of("\"a\\u0000b\"") == "a\0b"sv);
}
