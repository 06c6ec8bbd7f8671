// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <chrono>
#include <limits>
#include <string>

#include <lamina/weights/gguf/parse.hpp>

#include "support/expect_error.hpp"
#include "support/gguf_builder.hpp"

using lamina::ErrorCode;
using lamina::GgufMetadata;

namespace {

/// Metadata and the bytes that it views.
struct Parsed {
  std::string bytes;
  GgufMetadata metadata;
};

Parsed read_metadata(builder::Gguf file) {
  Parsed parsed{file.build(), {}};
  auto contents = lamina::parse_gguf(builder::bytes_of(parsed.bytes), "f.gguf");
  REQUIRE_MESSAGE(contents, message_of(contents));
  parsed.metadata = std::move(contents->metadata);
  return parsed;
}

}  // namespace

TEST_CASE("gguf_metadata: integers of every width and sign") {
  builder::Gguf file;
  file.add("u8", 0, builder::raw(std::uint8_t{200})).add("i8", 1, builder::raw(std::int8_t{-5}));
  file.add("u16", 2, builder::raw(std::uint16_t{60'000})).add("i16", 3, builder::raw(std::int16_t{-300}));
  file.u32("u32", 4'000'000'000U).add("i32", 5, builder::raw(std::int32_t{-70'000}));
  file.add("u64", 10, builder::raw(UINT64_MAX)).add("i64", 11, builder::raw(std::int64_t{-1}));
  file.boolean("flag", true).f32("real", 1.5F).string("text", "x");
  const Parsed parsed = read_metadata(file);
  const GgufMetadata& m = parsed.metadata;
  constexpr lamina::IntegerRange any{INT64_MIN, INT64_MAX};
  CHECK(*m.integer("u8", any) == 200);
  CHECK(*m.integer("i8", any) == -5);
  CHECK(*m.integer("u16", any) == 60'000);
  CHECK(*m.integer("i16", any) == -300);
  CHECK(*m.integer("u32", any) == 4'000'000'000);
  CHECK(*m.integer("i32", any) == -70'000);
  CHECK(*m.integer("i64", any) == -1);
  CHECK(*m.integer("u64", any) == INT64_MAX);  // clamped: outside every real range
  CHECK(*m.integer_or("absent", any, 7) == 7);
  CHECK(*m.integer("flag", {0, 1}) == 1);
  expect_error(m.integer("flag", {0, 2}), ErrorCode::bad_file, "f.gguf: flag", "wrong type");
  expect_error(m.integer("u64", {0, 100}), ErrorCode::bad_file, "f.gguf: u64", "out of range");
  expect_error(m.integer("i8", {0, 100}), ErrorCode::bad_file, "f.gguf: i8", "out of range");
  expect_error(m.integer("real", any), ErrorCode::bad_file, "f.gguf: real", "wrong type");
  expect_error(m.integer("text", any), ErrorCode::bad_file, "f.gguf: text", "wrong type");
  expect_error(m.integer("absent", any), ErrorCode::bad_file, "f.gguf: absent", "missing");
  expect_error(m.integer_or("text", any, 7), ErrorCode::bad_file, "f.gguf: text", "wrong type");
}

TEST_CASE("gguf_metadata: floats, bools, strings") {
  builder::Gguf file;
  file.f32("f32", 0.25F).add("f64", 12, builder::raw(0.5)).boolean("yes", true).boolean("no", false);
  file.string("text", "t\xC3\xA4xt").u32("number", 3).f32("nan", std::numeric_limits<float>::quiet_NaN());
  file.add("huge", 12, builder::raw(1e300));
  const Parsed parsed = read_metadata(file);
  const GgufMetadata& m = parsed.metadata;
  CHECK(*m.real("f32") == 0.25F);
  CHECK(*m.real("f64") == 0.5F);
  CHECK(*m.real_or("absent", 2.0F) == 2.0F);
  expect_error(m.real("nan"), ErrorCode::bad_file, "nan", "not finite");
  expect_error(m.real("huge"), ErrorCode::bad_file, "huge", "not finite");
  expect_error(m.real("number"), ErrorCode::bad_file, "number", "wrong type");
  expect_error(m.real("absent"), ErrorCode::bad_file, "absent", "missing");
  CHECK(*m.boolean_or("yes", false));
  CHECK_FALSE(*m.boolean_or("no", true));
  CHECK(*m.boolean_or("absent", true));
  expect_error(m.boolean_or("number", true), ErrorCode::bad_file, "number", "wrong type");
  CHECK(*m.string("text") == "t\xC3\xA4xt");
  expect_error(m.string("number"), ErrorCode::bad_file, "number", "wrong type");
  expect_error(m.string("absent"), ErrorCode::bad_file, "absent", "missing");
  CHECK(*m.string_or_empty("text") == "t\xC3\xA4xt");
  CHECK(m.string_or_empty("absent")->empty());
  expect_error(m.string_or_empty("number"), ErrorCode::bad_file, "number", "wrong type");
}

TEST_CASE("gguf_metadata: scalar or array") {
  builder::Gguf file;
  file.u32("scalar", 6)
      .array("array", 5, std::vector<std::int32_t>{1, 2, 3})
      .strings("names", {"a", "", "c c"});
  file.array("reals", 6, std::vector<float>{1, 2});
  const Parsed parsed = read_metadata(file);
  const GgufMetadata& m = parsed.metadata;
  std::int32_t out[3] = {};
  REQUIRE(m.integers("scalar", {0, 10}, out));
  CHECK((out[0] == 6 && out[1] == 6 && out[2] == 6));
  REQUIRE(m.integers("array", {0, 10}, out));
  CHECK((out[0] == 1 && out[1] == 2 && out[2] == 3));
  std::int32_t four[4] = {};
  expect_error(m.integers("array", {0, 10}, four), ErrorCode::bad_file, "f.gguf: array", "another length");
  expect_error(m.integers("array", {0, 10}, std::span(out).first(2)), ErrorCode::bad_file, "f.gguf: array",
               "another length");
  expect_error(m.integers("array", {0, 2}, out), ErrorCode::bad_file, "array", "out of range");
  expect_error(m.integers("reals", {0, 2}, std::span(out).first(2)), ErrorCode::bad_file, "reals",
               "wrong type");
  expect_error(m.integers("names", {0, 2}, out), ErrorCode::bad_file, "names", "wrong type");
  expect_error(m.integers("absent", {0, 2}, out), ErrorCode::bad_file, "absent", "missing");
  CHECK(m.integer_list("array", {0, 10})->size() == 3);
  CHECK(m.integer_list("absent", {0, 10})->empty());
  const auto names = m.strings("names");
  REQUIRE(names);
  REQUIRE(names->size() == 3);
  CHECK(((*names)[0] == "a" && (*names)[1].empty() && (*names)[2] == "c c"));
  expect_error(m.strings("array"), ErrorCode::bad_file, "array", "wrong type");
  CHECK(m.strings("absent")->empty());
  CHECK(*m.strings_count("names") == 3);
  CHECK(*m.numbers_count("reals") == 2);
  CHECK(*m.strings_count("absent") == 0);
  expect_error(m.strings_count("scalar"), ErrorCode::bad_file, "scalar", "wrong type");
  expect_error(m.strings_count("reals"), ErrorCode::bad_file, "reals", "wrong type");
  expect_error(m.numbers_count("names"), ErrorCode::bad_file, "names", "wrong type");
}

TEST_CASE("gguf_metadata: an array is never read as a scalar, however many elements it has") {
  constexpr lamina::IntegerRange any{INT64_MIN, INT64_MAX};
  for (std::uint32_t element = 0; element <= 12; ++element) {
    if (element == 9) continue;
    for (const std::uint64_t count : {0U, 1U, 2U}) {
      std::string list = builder::raw(element) + builder::raw(count);
      for (std::uint64_t i = 0; i < count; ++i) {
        list += element == 8 ? builder::gguf_string("x")
                             : std::string(lamina::size_of(static_cast<lamina::GgufType>(element)), '\1');
      }
      builder::Gguf file;
      file.add("list", 9, list);
      const Parsed parsed = read_metadata(file);
      const GgufMetadata& m = parsed.metadata;
      CAPTURE(element);
      CAPTURE(count);
      expect_error(m.integer("list", any), ErrorCode::bad_file, "f.gguf: list", "wrong type");
      expect_error(m.integer("list", {0, 1}), ErrorCode::bad_file, "f.gguf: list", "wrong type");
      expect_error(m.integer_or("list", any, 3), ErrorCode::bad_file, "f.gguf: list", "wrong type");
      expect_error(m.real("list"), ErrorCode::bad_file, "f.gguf: list", "wrong type");
      expect_error(m.real_or("list", 1), ErrorCode::bad_file, "f.gguf: list", "wrong type");
      expect_error(m.boolean_or("list", true), ErrorCode::bad_file, "f.gguf: list", "wrong type");
      expect_error(m.string("list"), ErrorCode::bad_file, "f.gguf: list", "wrong type");
      expect_error(m.string_or_empty("list"), ErrorCode::bad_file, "f.gguf: list", "wrong type");
      std::int32_t three[3] = {};
      CHECK_FALSE(static_cast<bool>(m.integers("list", any, three)));
      const bool holds_integers = lamina::is_integer(static_cast<lamina::GgufType>(element));
      CHECK(static_cast<bool>(m.integer_list("list", any)) == holds_integers);
      CHECK(static_cast<bool>(m.strings("list")) == (element == 8));
      const auto error = m.integer("list", any).error();
      CHECK(error.expected.view() == "integer");
      CHECK(error.found.view() ==
            lamina::text("array of %d x %s", static_cast<int>(count),
                         std::string(name_of(static_cast<lamina::GgufType>(element))).c_str())
                .view());
    }
  }
}

TEST_CASE("gguf_metadata: strings that change under the map give an error, not a crash") {
  builder::Gguf file;
  file.strings("names", {"abc", "def"});
  Parsed parsed = read_metadata(file);
  const lamina::GgufValue* value = parsed.metadata.find("names");
  REQUIRE(value != nullptr);
  const std::uint64_t huge = UINT64_MAX;
  std::memcpy(parsed.bytes.data() + (value->bytes.data() - builder::bytes_of(parsed.bytes).data()), &huge, 8);
  expect_error(parsed.metadata.strings("names"), ErrorCode::bad_file, "names", "changed");
}

TEST_CASE("gguf_metadata: a vocabulary of published size parses quickly") {
  builder::Gguf file;
  std::vector<std::string> tokens(262'144, "token"), merges(514'906, "ab cd");
  file.strings("tokenizer.ggml.tokens", tokens).strings("tokenizer.ggml.merges", merges);
  const std::string bytes = file.build();
  const auto start = std::chrono::steady_clock::now();
  const auto contents = lamina::parse_gguf(builder::bytes_of(bytes), "f.gguf");
  REQUIRE(contents);
  const auto list = contents->metadata.strings("tokenizer.ggml.merges");
  REQUIRE(list);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  CHECK(list->size() == 514'906);
  CHECK(list->back() == "ab cd");
  MESSAGE("parsed in " << seconds * 1e3 << " ms");
  CHECK(seconds < 5);  // a quadratic scan would take minutes; the machine may be busy or run sanitizers
}
