// SPDX-License-Identifier: Apache-2.0
// JSON from elsewhere: encodings, ill-formed text, Python's numbers, and agreement with another parser.
#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include <lamina/json/json.hpp>
#include <lamina/json/value.hpp>
#include <lamina/huggingface/tokenizer_json.hpp>

#include "support/expect_error.hpp"
#include "support/gguf_builder.hpp"

using lamina::ErrorCode;

namespace {

auto parse(std::string_view text) { return lamina::parse_json(builder::bytes_of(text), "c.json"); }

/// The string that a JSON text is.
std::string string_of(std::string_view text) {
  const auto root = parse(text);
  REQUIRE_MESSAGE(root, message_of(root));
  REQUIRE(root->is_string());
  return root->get<std::string>();
}

std::string utf16(std::string_view ascii, bool little) {
  std::string wide;
  for (const char c : ascii) {
    if (!little) wide += '\0';
    wide += c;
    if (little) wide += '\0';
  }
  return wide;
}

bool has_ambiguous(const nlohmann::json& value) {
  bool found = lamina::detail::is_ambiguous(value);
  for (const nlohmann::json& each : value) found = found || (value.is_structured() && has_ambiguous(each));
  return found;
}

}  // namespace

TEST_CASE("json reader: a byte-order mark and CRLF mean nothing, in every reader") {
  const std::string text = "\xEF\xBB\xBF{\r\n \"a\": [1,\r\n 2]\r\n}\r\n";
  const auto root = parse(text);
  REQUIRE_MESSAGE(root, message_of(root));
  CHECK((*root)["a"].size() == 2);
  CHECK(lamina::parse_json_value(text));
  CHECK(lamina::without_byte_order_mark("\xEF\xBB\xBFx") == "x");
  CHECK(lamina::without_byte_order_mark("x\xEF\xBB\xBF") == "x\xEF\xBB\xBF");
  const auto tokenizer = lamina::read_tokenizer_json(builder::bytes_of("\xEF\xBB\xBF{}"), "t.json");
  expect_error(tokenizer, ErrorCode::unsupported, "t.json: model.type", "another kind");
  // One mark is a mark, a second one is text.
  expect_error(parse("\xEF\xBB\xBF\xEF\xBB\xBF{}"), ErrorCode::bad_file, "c.json: byte 3", "not well-formed");
  expect_error(parse("{}\xEF\xBB\xBF"), ErrorCode::bad_file, "c.json: byte 2", "not well-formed");
}

TEST_CASE("json reader: other encodings are refused by name") {
  for (const bool little : {true, false}) {
    for (const std::string& mark : {std::string(), std::string(little ? "\xFF\xFE" : "\xFE\xFF")}) {
      CAPTURE(little);
      CAPTURE(mark.size());
      const auto refused = parse(mark + utf16("{\"a\": 1}", little));
      expect_error(refused, ErrorCode::bad_file, "c.json", "another encoding");
      CHECK(refused.error().found.view().find("UTF-16") == 0);
      CHECK_FALSE(refused.error().hint.empty());
    }
  }
  expect_error(parse(std::string("\0\0\xFE\xFF\0\0\0{", 8)), ErrorCode::bad_file, "c.json", "NUL");
  expect_error(parse(std::string("\xFF\xFE\0\0{\0\0\0", 8)), ErrorCode::bad_file, "c.json",
               "another encoding");
}

TEST_CASE("json reader: nothing may stand behind the document, or be NUL") {
  for (const char* behind : {"x", "{}", ",", "]", "}", "\"\"", "null", "// comment"}) {
    CAPTURE(behind);
    expect_error(parse("{} \n" + std::string(behind)), ErrorCode::bad_file, "c.json: byte 4",
                 "not well-formed");
    CHECK_FALSE(static_cast<bool>(lamina::parse_json_value("{}" + std::string(behind))));
    CHECK_FALSE(static_cast<bool>(
        lamina::read_tokenizer_json(builder::bytes_of("{}" + std::string(behind)), "t.json")));
  }
  for (const std::string& text : {std::string("{}\0", 3), std::string("{}\0garbage", 10),
                                  std::string("{\"a\":\0}", 7), std::string("{\"a\":\"\0\"}", 9)}) {
    expect_error(parse(text), ErrorCode::bad_file, "c.json", "NUL");
    CHECK_FALSE(static_cast<bool>(lamina::parse_json_value(text)));
    CHECK_FALSE(static_cast<bool>(lamina::read_tokenizer_json(builder::bytes_of(text), "t.json")));
  }
  CHECK(string_of("\"\\u0000\"") == std::string(1, '\0'));
}

TEST_CASE("json reader: ill-formed text becomes U+FFFD, one for each maximal part") {
  const std::string mark = "\xEF\xBF\xBD";
  CHECK(string_of(R"("ok \ud83d\ude00")") == "ok \xF0\x9F\x98\x80");
  CHECK(string_of(R"("\uD83D\uDE00")") == "\xF0\x9F\x98\x80");
  CHECK(string_of(R"("cut \ud83d")") == "cut " + mark);
  CHECK(string_of(R"("cut \ud83d\u2026 on")") == "cut " + mark + "\xE2\x80\xA6 on");
  CHECK(string_of(R"("x \ude00 y")") == "x " + mark + " y");
  CHECK(string_of(R"("\ude00\ud83d")") == mark + mark);
  CHECK(string_of(R"("\ud83d\ud83d\ude00")") == mark + "\xF0\x9F\x98\x80");
  CHECK(string_of(R"("\ud83d\n")") == mark + "\n");
  CHECK(string_of(R"("\\ud83d")") == "\\ud83d");
  CHECK(string_of(R"("\\\ud83d")") == "\\" + mark);
  CHECK(string_of(R"("\ud83dude00")") == mark + "ude00");
  CHECK(string_of("\"caf\xE9\"") == "caf" + mark);
  CHECK(string_of("\"\xED\xA0\xBD\"") == mark + mark + mark);
  CHECK(string_of("\"\xE2\x80\"") == mark);
  CHECK(string_of("\"\xC0\x80\"") == mark + mark);
  const auto key = parse("{\"caf\xE9\": 1}");
  REQUIRE(key);
  CHECK(key->contains("caf" + mark));
  const auto value = lamina::parse_json_value(R"({"a": "cut \ud83d"})");
  REQUIRE_MESSAGE(value, message_of(value));
  CHECK(value->find("a")->text == "cut " + mark);
  for (const char* bad : {R"("\ud83)", R"("\ud83d\ude)", R"("\u12g4")", R"("\x")", R"("\)", "\"\xE2\x80"}) {
    CAPTURE(bad);
    expect_error(parse(bad), ErrorCode::bad_file, "c.json: byte", "not well-formed");
  }
}

TEST_CASE("json reader: numbers that Python writes and a double does not hold") {
  const auto root = parse(R"({"n": NaN, "i": Infinity, "m": -Infinity, "o": 1e400, "p": -1e400, "u": 1e-400,
                              "z": 1000000000000000000000000000000, "f": 0.5})");
  REQUIRE_MESSAGE(root, message_of(root));
  const lamina::JsonObject o(&*root, "c.json");
  for (const char* key : {"n", "i", "m", "o", "p"}) {
    CAPTURE(key);
    CHECK((*root)[key].is_number_float());
    expect_error(o.real(key), ErrorCode::bad_file, key, "not finite");
    CHECK_FALSE(static_cast<bool>(o.integer(key, {0, 10})));
  }
  CHECK(**o.real("u") == 0.0F);
  CHECK(**o.real("f") == 0.5F);
  expect_error(o.integer("z", {0, 10}), ErrorCode::bad_file, "z", "out of range");
  for (const char* bad : {"nan", "NAN", "-NaN", "+1", "Inf", "infinity", "-", "-x", "1.", ".5", "1e", "1e+",
                          "0x1", "00", "-01", "NaNx", "1 2"}) {
    CAPTURE(bad);
    expect_error(parse(bad), ErrorCode::bad_file, "c.json: byte", "not well-formed");
  }
  // In a conversation every number counts.
  expect_error(lamina::parse_json_value("[NaN]"), ErrorCode::bad_argument, "JSON", "not finite");
  expect_error(lamina::parse_json_value("[1e400]"), ErrorCode::bad_argument, "JSON", "not finite");
  const auto big = lamina::parse_json_value("[123456789012345678901234567890]");
  REQUIRE(big);
  CHECK(big->items[0].text == "123456789012345678901234567890");
}

TEST_CASE("json reader: a key twice matters only where it is read with two values") {
  const auto root = parse(R"({"a": 1, "a": 1, "b": 1, "b": 2, "o": {"x": [1]}, "o": {"x": [1]}, "b": 1})");
  REQUIRE_MESSAGE(root, message_of(root));
  const lamina::JsonObject o(&*root, "c.json");
  CHECK(**o.integer("a", {0, 10}) == 1);
  CHECK(o.object("o"));
  expect_error(o.integer("b", {0, 10}), ErrorCode::bad_file, "c.json: b", "twice");
  expect_error(o.real("b"), ErrorCode::bad_file, "c.json: b", "twice");
  expect_error(o.boolean_or("b", true), ErrorCode::bad_file, "c.json: b", "twice");
  expect_error(o.string_or_empty("b"), ErrorCode::bad_file, "c.json: b", "twice");
  expect_error(o.integers("b", {0, 10}), ErrorCode::bad_file, "c.json: b", "twice");
  expect_error(o.object("b"), ErrorCode::bad_file, "c.json: b", "twice");
}

TEST_CASE("json reader: it accepts and reads what nlohmann's parser does, and refuses what that refuses") {
  const std::string seeds[] = {
      R"({"a":[1,-2,3.5e-3,"x\u00e4\n",true,false,null,{"b":{}}],"c":"","d":[[],{}]})",
      R"([18446744073709551615,18446744073709551616,-9223372036854775808,-9223372036854775809,-0,0.0,1E5])",
      R"("\"\\\/\b\f\n\r\t\ud83d\ude00")", "  [ 1 , 2 ]\r\n\t"};
  std::mt19937 random(7);
  constexpr std::string_view letters = "{}[]\",:\\0123456789eE+-.truefalsn \n";
  std::size_t accepted = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string text = seeds[random() % std::size(seeds)];
    for (std::size_t i = 0, count = random() % 4; i < count; ++i) {
      const std::size_t at = random() % text.size();
      const char letter = letters[random() % letters.size()];
      switch (random() % 3) {
        case 0:
          text[at] = letter;
          break;
        case 1:
          text.erase(at, 1);
          break;
        default:
          text.insert(at, 1, letter);
      }
    }
    const auto theirs = nlohmann::json::parse(text, nullptr, false);
    const auto ours = parse(text);
    CAPTURE(text);
    if (!theirs.is_discarded()) {
      ++accepted;
      REQUIRE_MESSAGE(ours, message_of(ours));
      // Keys may have become doubled; they take the last value, we neither.
      if (theirs != *ours) CHECK(has_ambiguous(*ours));
    } else if (ours) {
      // Only ill-formed text and numbers that do not fit a double may differ.
      const bool known = text.find("\\u") != text.npos || text.find_first_of("eE") != text.npos;
      CHECK(known);
    }
  }
  CHECK(accepted > 15'000);
}

TEST_CASE("json reader: depth costs a byte, and the handler limits it") {
  std::string deep(1'000'000, '[');
  expect_error(parse(deep), ErrorCode::bad_file, "c.json", "nested too deeply");
  expect_error(lamina::parse_json_value(deep), ErrorCode::bad_argument, "JSON", "nested too deeply");
}
