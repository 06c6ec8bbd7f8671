// SPDX-License-Identifier: Apache-2.0
// The header rules of §6.2 and hostile files.
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include <lamina/huggingface/safetensors.hpp>

#include "checkpoint_builder.hpp"
#include "support/expect_error.hpp"

using lamina::ErrorCode;

namespace {

auto parse(const std::string& bytes) { return lamina::parse_safetensors(builder::bytes_of(bytes), "s"); }

auto header(std::string_view json, std::string_view data = "\1\2\3\4") {
  static std::string bytes;
  bytes = builder::Safetensors::raw_file(std::string(json), data);
  return parse(bytes);
}

}  // namespace

TEST_CASE("safetensors: the example of the specification, byte for byte") {
  const std::string bytes = builder::raw(std::uint64_t{56}) +
                            R"({"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}} )" + "\x80\x3F" +
                            std::string("\0\xC0", 2);
  REQUIRE(bytes.size() == 68);
  const auto file = parse(bytes);
  REQUIRE_MESSAGE(file, message_of(file));
  REQUIRE(file->entries.size() == 1);
  CHECK(file->entries[0].name == "a");
  CHECK(file->entries[0].dtype == "BF16");
  CHECK(file->entries[0].shape == std::vector<std::uint64_t>{2});
  CHECK(file->bytes_of(file->entries[0]).size() == 4);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(static_cast<bool>(parse(bytes.substr(0, size))));
}

TEST_CASE("safetensors: headers that are right") {
  CHECK(header(R"({"a":{"shape":[4],"data_offsets":[0,4],"dtype":"U8"}})"));
  CHECK(header(R"({"__metadata__":{"k":"v","l":"w"},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})"));
  CHECK(header(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})"));
  CHECK(header("{}", ""));
  CHECK(header(R"({"\u0061b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})")->entries[0].name == "ab");
}

TEST_CASE("safetensors: headers that are wrong, each with what is wrong") {
  struct Case {
    const char* json;
    const char* where;
    const char* what;
  };
  for (
      const Case& c : {
          Case{R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})", "byte", "not well-formed"},
          Case{R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}x)", "byte", "not well-formed"},
          Case{R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}{})", "byte", "not well-formed"},
          Case{R"({"a":{"dtype":"U8","shape":[04],"data_offsets":[0,4]}})", "byte", "not well-formed"},
          Case{"{\"a\xFF\":{}}", "byte", "not well-formed"},
          Case{R"({"a\ud83d":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "byte", "not well-formed"},
          Case{R"({"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,4]}})", "s: a", "wrong form"},
          Case{R"({"a":1})", "s: a", "wrong form"},
          Case{R"({"a":null})", "s: a", "wrong form"},
          Case{R"({"a":[]})", "s: a", "wrong form"},
          Case{R"({"a":"x"})", "s: a", "wrong form"},
          Case{R"({"a":{}})", "s: a", "incomplete"},
          Case{R"({"a":{"dtype":"U8","shape":[4]}})", "s: a", "incomplete"},
          Case{R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"x":1}})", "s: a", "unknown member"},
          Case{R"({"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "s: a",
               "member occurs twice"},
          Case{R"({"a":{"dtype":"U8","shape":[4],"shape":[4],"data_offsets":[0,4]}})", "s: a",
               "member occurs twice"},
          Case{R"({"a":{"dtype":8,"shape":[4],"data_offsets":[0,4]}})", "s: a", "wrong form"},
          Case{R"({"a":{"dtype":["U8"],"shape":[4],"data_offsets":[0,4]}})", "s: a", "wrong form"},
          Case{R"({"a":{"dtype":"U8","shape":4,"data_offsets":[0,4]}})", "s: a", "wrong form"},
          Case{R"({"a":{"dtype":"U8","shape":{},"data_offsets":[0,4]}})", "s: a", "wrong form"},
          Case{R"({"a":{"dtype":"U8","shape":[[4]],"data_offsets":[0,4]}})", "s: a", "wrong form"},
          Case{R"({"a":{"dtype":"U8","shape":["4"],"data_offsets":[0,4]}})", "s: a", "wrong form"},
          Case{R"({"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}})", "s: a", "wrong form"},
          Case{R"({"a":{"dtype":"U8","shape":[4.0],"data_offsets":[0,4]}})", "s: a", "wrong form"},
          Case{R"({"a":{"dtype":"U8","shape":[4e0],"data_offsets":[0,4]}})", "s: a", "wrong form"},
          Case{R"({"a":{"dtype":"U8","shape":[true],"data_offsets":[0,4]}})", "s: a", "wrong form"},
          Case{R"({"a":{"dtype":"U8","shape":[null],"data_offsets":[0,4]}})", "s: a", "wrong form"},
          Case{R"({"a":{"dtype":"U8","shape":[281474976710657],"data_offsets":[0,4]}})", "s: a",
               "wrong form"},
          Case{R"({"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,4]}})", "s: a",
               "wrong form"},
          Case{R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0]}})", "s: a", "wrong form"},
          Case{R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[]}})", "s: a", "wrong form"},
          Case{R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4,4]}})", "s: a", "wrong form"},
          Case{R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,4],"data_offsets":[0,4]}})", "s: a",
               "wrong form"},
          Case{R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})", "s: a", "reversed"},
          Case{R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,4]}})", "s: a", "do not fit"},
          Case{R"({"a":{"dtype":"U9","shape":[4],"data_offsets":[0,4]}})", "s: a", "type is unknown"},
          Case{R"({"":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "s", "name is not usable"},
          Case{
              R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
              "s: a", "twice"},
          Case{
              R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}})",
              "s: b", "hole"},
          Case{
              R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
              "s: b", "overlaps"},
          Case{R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", "s", "bytes after"},
          Case{R"({"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}})", "s", "beyond the end"},
          Case{R"({"__metadata__":{"k":1}})", "__metadata__", "wrong form"},
          Case{R"({"__metadata__":{"k":{}}})", "__metadata__", "wrong form"},
          Case{R"({"__metadata__":[]})", "__metadata__", "wrong form"},
          Case{R"({"__metadata__":{},"__metadata__":{}})", "__metadata__", "twice"},
          Case{R"({"__metadata__":{"k":"1","k":"1"}})", "__metadata__", "twice"},
      }) {
    CAPTURE(c.json);
    expect_error(header(c.json), ErrorCode::bad_file, c.where, c.what);
  }
  expect_error(header(std::string_view("{}\0\0\0\0\0\0", 8), ""), ErrorCode::bad_file, "s", "NUL");
  expect_error(header("{\"" + std::string(1025, 'n') + "\":{}}"), ErrorCode::bad_file, "s",
               "name is not usable");
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100'000; ++i) deep += "[";
  expect_error(header(deep), ErrorCode::bad_file, "s: a", "wrong form");
}

TEST_CASE("safetensors: random damage gives an error or views inside the file") {
  builder::Safetensors file;
  file.add("first", "F32", {2, 3}, std::string(24, 'x')).add("second", "BF16", {4}, std::string(8, 'y'));
  const std::string good = file.build();
  REQUIRE(parse(good));
  std::mt19937 random(99);
  std::size_t errors = 0, fine = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<char> bytes(good.begin(), good.end());
    const auto changes = 1 + random() % 3;
    for (unsigned i = 0; i < changes; ++i)
      bytes[random() % (bytes.size() - 32)] = static_cast<char>(random());
    const auto span = builder::bytes_of({bytes.data(), bytes.size()});
    const auto result = lamina::parse_safetensors(span, "s");
    (result ? fine : errors) += 1;
    if (!result) continue;
    for (const lamina::SafetensorsEntry& entry : result->entries) {
      CHECK(result->bytes_of(entry).data() + result->bytes_of(entry).size() <= span.data() + span.size());
    }
  }
  CHECK(errors > 10'000);
  CHECK(fine > 10);
}
