// SPDX-License-Identifier: Apache-2.0
// The container rules that need no JSON (§6.2 rules 1 to 5 and 7); the header's are in unit/huggingface.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <lamina/weights/safetensors.hpp>

#include "support/expect_error.hpp"
#include "support/gguf_builder.hpp"

using lamina::ErrorCode;
using lamina::SafetensorsEntry;

TEST_CASE("safetensors: header length against the file") {
  const auto split = [](const std::string& bytes) {
    return lamina::split_safetensors(builder::bytes_of(bytes), "s.safetensors");
  };
  const std::string good = builder::raw(std::uint64_t{2}) + "{}data";
  const auto parts = split(good);
  REQUIRE(parts);
  CHECK(parts->header.size() == 2);
  CHECK(parts->data.size() == 4);
  for (std::size_t size = 0; size < 8; ++size) {
    expect_error(split(good.substr(0, size)), ErrorCode::bad_file, "s.safetensors", "too short");
  }
  for (const std::uint64_t length :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{7}, std::uint64_t{100'000'001},
        std::uint64_t{1} << 31, std::uint64_t{INT64_MAX}, UINT64_MAX}) {
    expect_error(split(builder::raw(length) + "{}data"), ErrorCode::bad_file, "header length",
                 "does not fit");
  }
  expect_error(split(builder::raw(std::uint64_t{2}) + "[]"), ErrorCode::bad_file, "header", "brace");
}

TEST_CASE("safetensors: entries") {
  const auto check = [](const SafetensorsEntry& entry) {
    return lamina::check_safetensors_entry(entry, "s");
  };
  CHECK(check({"a", "BF16", {3, 2}, 10, 22}));
  CHECK(check({"a", "F32", {}, 0, 4}));      // a scalar
  CHECK(check({"a", "F32", {0, 5}, 4, 4}));  // no elements
  CHECK(check({"a", "F4", {2}, 0, 1}));
  CHECK(check({"a", "F6_E2M3", {4}, 0, 3}));
  expect_error(check({"a", "F4", {3}, 0, 2}), ErrorCode::bad_file, "s: a", "do not fit the shape");
  expect_error(check({"a", "BF16", {3, 2}, 10, 23}), ErrorCode::bad_file, "s: a", "do not fit the shape");
  expect_error(check({"a", "BF16", {3, 2}, 22, 10}), ErrorCode::bad_file, "s: a", "reversed");
  expect_error(check({"a", "bf16", {1}, 0, 2}), ErrorCode::bad_file, "s: a", "type is unknown");
  expect_error(check({"a", "", {1}, 0, 2}), ErrorCode::bad_file, "s: a", "type is unknown");
  expect_error(check({"", "F32", {1}, 0, 4}), ErrorCode::bad_file, "s", "name");
  expect_error(check({std::string(1025, 'n'), "F32", {1}, 0, 4}), ErrorCode::bad_file, "s", "name");
  const std::uint64_t big = std::uint64_t{1} << 48;
  expect_error(check({"a", "F32", {big, big}, 0, 4}), ErrorCode::bad_file, "s: a", "overflows");
  expect_error(check({"a", "F64", {big, 1 << 10, 1 << 10}, 0, 4}), ErrorCode::bad_file, "s: a", "overflows");
}

TEST_CASE("safetensors: no holes, no overlaps, nothing left over") {
  const auto layout = [](std::vector<SafetensorsEntry> entries, std::uint64_t bytes) {
    return lamina::check_safetensors_layout(entries, bytes, "s");
  };
  const auto u8 = [](const char* name, std::uint64_t begin, std::uint64_t end) {
    return SafetensorsEntry{name, "U8", {end - begin}, begin, end};
  };
  CHECK(layout({u8("b", 4, 8), u8("a", 0, 4), u8("empty", 4, 4)}, 8));
  CHECK(layout({}, 0));
  expect_error(layout({u8("a", 1, 4)}, 4), ErrorCode::bad_file, "s: a", "hole");
  expect_error(layout({u8("a", 0, 4), u8("b", 5, 8)}, 8), ErrorCode::bad_file, "s: b", "hole");
  expect_error(layout({u8("a", 0, 4), u8("b", 3, 8)}, 8), ErrorCode::bad_file, "s: b", "overlaps");
  expect_error(layout({u8("a", 0, 4), u8("b", 0, 4)}, 4), ErrorCode::bad_file, "s: ", "overlaps");
  expect_error(layout({u8("a", 0, 4)}, 5), ErrorCode::bad_file, "s", "bytes after");
  expect_error(layout({u8("a", 0, 4)}, 3), ErrorCode::bad_file, "s", "beyond the end");
  expect_error(layout({}, 1), ErrorCode::bad_file, "s", "bytes after");
  expect_error(layout({u8("a", 0, 4), u8("a", 4, 8)}, 8), ErrorCode::bad_file, "s: a", "twice");
}

TEST_CASE("safetensors: types that hold weights") {
  CHECK(lamina::safetensors_format("BF16")->format == lamina::Format::bf16);
  CHECK(lamina::safetensors_format("F16")->format == lamina::Format::f16);
  CHECK(lamina::safetensors_format("F32")->format == lamina::Format::f32);
  for (const char* other : {"I32", "U8", "F64", "Q4_0", ""})
    CHECK(lamina::safetensors_format(other) == nullptr);
}
