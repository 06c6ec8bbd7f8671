// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include <lamina/json/json.hpp>

#include "support/expect_error.hpp"
#include "support/gguf_builder.hpp"

using lamina::ErrorCode;
using lamina::JsonObject;

namespace {
auto parse_limited(std::string_view text, lamina::JsonLimits limits = {}) {
  return lamina::parse_json(builder::bytes_of(text), "c.json", limits);
}
}  // namespace

TEST_CASE("json: documents") {
  const auto root = parse_limited(R"({"a":[1,-2,3.5,"x",true,null,{"b":{}}],"c":""})");
  REQUIRE_MESSAGE(root, message_of(root));
  CHECK((*root)["a"].size() == 7);
  CHECK((*root)["a"][1] == -2);
  CHECK((*root)["a"][6]["b"].empty());
  CHECK(parse_limited("  [1] \n"));
  CHECK(parse_limited("3"));
}

TEST_CASE("json: what is malformed, too deep or too long") {
  for (const char* bad :
       {"", "{", "[1,]", "{\"a\":1,}", "{a:1}", "[1] x", "nul", "\"\x01\"", "[01]", "/**/1"}) {
    CAPTURE(bad);
    expect_error(parse_limited(bad), ErrorCode::bad_file, "c.json: byte", "not well-formed");
  }
  expect_error(parse_limited(std::string_view("[1]\0[2]", 7)), ErrorCode::bad_file, "c.json", "NUL");
  const std::string deep = std::string(17, '[') + std::string(17, ']');
  expect_error(parse_limited(deep), ErrorCode::bad_file, "c.json", "nested too deeply");
  CHECK(parse_limited(deep.substr(1, 32)));
  expect_error(parse_limited(std::string(1'000'000, '[')), ErrorCode::bad_file, "c.json",
               "nested too deeply");
  std::string nested;
  for (int i = 0; i < 100'000; ++i) nested += "{\"a\":";
  expect_error(parse_limited(nested), ErrorCode::bad_file, "c.json", "nested too deeply");
  expect_error(parse_limited("[1,2]", {4, 4}), ErrorCode::bad_file, "c.json", "too long");
}

TEST_CASE("json: fields are read with their type and range") {
  const auto root =
      parse_limited(R"({"i":7,"n":-7,"big":18446744073709551615,"f":1.5,"one":1.0,"s":"x","t":true,"z":null,
                              "o":{"i":3},"l":[1,2],"m":[1,"x"],"x":1e300})");
  REQUIRE(root);
  const JsonObject o(&*root, "c.json");
  CHECK(**o.integer("i", {0, 10}) == 7);
  CHECK_FALSE(o.integer("z", {0, 10})->has_value());
  CHECK_FALSE(o.integer("absent", {0, 10})->has_value());
  expect_error(o.integer("n", {0, 10}), ErrorCode::bad_file, "c.json: n", "out of range");
  expect_error(o.integer("big", {0, 10}), ErrorCode::bad_file, "c.json: big", "out of range");
  CHECK(**o.integer("one", {0, 10}) == 1);
  expect_error(o.integer("f", {0, 10}), ErrorCode::bad_file, "c.json: f", "wrong type");
  expect_error(o.integer("s", {0, 10}), ErrorCode::bad_file, "c.json: s", "wrong type");
  std::int32_t out = 0;
  CHECK(o.required("i", {0, 10}, out));
  expect_error(o.required("z", {0, 10}, out), ErrorCode::bad_file, "c.json: z", "missing");
  CHECK(**o.real("f") == 1.5F);
  CHECK(**o.real("i") == 7.0F);
  expect_error(o.real("x"), ErrorCode::bad_file, "x", "not finite");
  expect_error(o.real("s"), ErrorCode::bad_file, "s", "wrong type");
  CHECK(*o.boolean_or("t", false));
  CHECK(*o.boolean_or("z", true));
  expect_error(o.boolean_or("i", true), ErrorCode::bad_file, "i", "wrong type");
  CHECK(*o.string_or_empty("s") == "x");
  expect_error(o.string_or_empty("i"), ErrorCode::bad_file, "i", "wrong type");
  CHECK(o.integers("l", {0, 10})->size() == 2);
  CHECK(o.integers("i", {0, 10})->size() == 1);
  CHECK(o.integers("z", {0, 10})->empty());
  expect_error(o.integers("l", {0, 1}), ErrorCode::bad_file, "l", "out of range");
  expect_error(o.integers("m", {0, 10}), ErrorCode::bad_file, "m", "wrong type");
  const auto inner = o.object("o");
  REQUIRE(inner);
  CHECK(**inner->integer("i", {0, 10}) == 3);
  expect_error(inner->integer("i", {0, 1}), ErrorCode::bad_file, "c.json: o.i", "out of range");
  CHECK(o.object("z")->node() == nullptr);
  expect_error(o.object("l"), ErrorCode::bad_file, "l", "wrong type");
}
