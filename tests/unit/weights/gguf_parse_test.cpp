// SPDX-License-Identifier: Apache-2.0
// Each rule of weight-files.md §1.9 for the container has a case here; mutation tests are in
// gguf_hostile_test.cpp.
#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <string>

#include <lamina/weights/gguf/parse.hpp>

#include "support/expect_error.hpp"
#include "support/gguf_builder.hpp"

using lamina::ErrorCode;
using lamina::parse_gguf;

namespace {

builder::Gguf one_tensor() {
  builder::Gguf file;
  file.string("general.architecture", "gemma4");
  file.tensor("t", {4}, 0, builder::raw(1.0F) + builder::raw(2.0F) + builder::raw(3.0F) + builder::raw(4.0F));
  return file;
}

auto parse(const std::string& bytes) { return parse_gguf(builder::bytes_of(bytes), "f.gguf"); }
auto parse(builder::Gguf file) {
  static std::string bytes;  // views of a good result point into it
  bytes = file.build();
  return parse(bytes);
}

}  // namespace

TEST_CASE("gguf_parse: the smallest example of the specification, byte for byte") {
  std::string bytes = one_tensor().build();
  CHECK(bytes.size() == 144);
  CHECK(bytes.substr(24, 8) == builder::raw(std::uint64_t{20}));
  bytes.append(16, '\0');
  const auto file = parse(bytes);
  REQUIRE_MESSAGE(file, message_of(file));
  CHECK(file->version == 3);
  CHECK(file->alignment == 32);
  REQUIRE(file->tensors.size() == 1);
  CHECK(file->tensors[0].name == "t");
  CHECK(file->tensors[0].dims == std::array<std::uint64_t, 4>{4, 1, 1, 1});
  REQUIRE(file->tensors[0].bytes.size() == 16);
  CHECK(reinterpret_cast<const char*>(file->tensors[0].bytes.data()) == bytes.data() + 128);
  CHECK(*file->metadata.string("general.architecture") == "gemma4");
}

TEST_CASE("gguf_parse: rule 1, header") {
  const std::string good = one_tensor().build();
  for (std::size_t size = 0; size < 24; ++size) {
    expect_error(parse(good.substr(0, size)), ErrorCode::bad_file, "f.gguf", "too short");
  }
  std::string bytes = good;
  bytes[0] = 'g';
  expect_error(parse(bytes), ErrorCode::bad_file, "f.gguf", "not a GGUF file");
  for (const std::uint32_t version : {0U, 1U, 4U, 100U, 0x03000000U, 0x02000000U}) {
    builder::Gguf file = one_tensor();
    file.version = version;
    const bool swapped = (version & 0xFFFF) == 0;
    expect_error(parse(file), ErrorCode::unsupported, "version",
                 swapped ? "big-endian" : "version is not supported");
  }
  builder::Gguf second = one_tensor();
  second.version = 2;
  CHECK(parse(second));
  std::string safetensors = builder::raw(std::uint64_t{30}) + "{\"a\":{}}" + std::string(40, ' ');
  const auto result = parse(safetensors);
  expect_error(result, ErrorCode::bad_file, "f.gguf", "not a GGUF file");
  CHECK(result.error().hint.view().find("safetensors") != std::string_view::npos);
}

TEST_CASE("gguf_parse: rule 2, counts that the file cannot hold") {
  const std::string good = one_tensor().build();
  for (const std::size_t offset : {std::size_t{8}, std::size_t{16}}) {
    for (const std::uint64_t count : {std::uint64_t{1} << 31, std::uint64_t{INT64_MAX}, UINT64_MAX,
                                      std::uint64_t{65'537}, std::uint64_t{10}}) {
      std::string bytes = good;
      std::memcpy(bytes.data() + offset, &count, 8);
      expect_error(parse(bytes), ErrorCode::bad_file, offset == 8 ? "tensor count" : "metadata count",
                   "count is larger");
    }
  }
}

TEST_CASE("gguf_parse: rules 3, 5, 6, values") {
  builder::Gguf file = one_tensor();
  file.add("long", 8, builder::raw(std::uint64_t{17} << 20) + "x");
  expect_error(parse(file), ErrorCode::bad_file, "long", "string is too long");
  file = one_tensor();
  file.add("beyond", 8, builder::raw(std::uint64_t{1} << 20) + "x");
  expect_error(parse(file), ErrorCode::bad_file, "beyond", "file ends");
  for (const char value : {'\2', '\x7F', '\xFF'}) {
    file = one_tensor();
    file.add("flag", 7, std::string(1, value));
    expect_error(parse(file), ErrorCode::bad_file, "flag", "bool");
    file = one_tensor();
    file.array("flags", 7, std::vector<char>{'\1', value});
    expect_error(parse(file), ErrorCode::bad_file, "flags", "bool");
  }
  for (const std::uint32_t type : {13U, 255U, UINT32_MAX}) {
    file = one_tensor();
    file.add("odd", type, "abcdefgh");
    expect_error(parse(file), ErrorCode::bad_file, "odd", "value type is unknown");
  }
}

TEST_CASE("gguf_parse: rule 4, arrays") {
  builder::Gguf file = one_tensor();
  file.add("nested", 9,
           builder::raw(std::uint32_t{9}) + builder::raw(std::uint64_t{1}) + std::string(64, '\0'));
  expect_error(parse(file), ErrorCode::bad_file, "nested", "arrays of arrays");
  file = one_tensor();
  file.add("odd", 9,
           builder::raw(std::uint32_t{13}) + builder::raw(std::uint64_t{1}) + std::string(64, '\0'));
  expect_error(parse(file), ErrorCode::bad_file, "odd", "value type is unknown");
  for (const std::uint32_t element : {0U, 4U, 7U, 8U, 12U}) {
    for (const std::uint64_t count :
         {std::uint64_t{1} << 31, std::uint64_t{INT64_MAX}, UINT64_MAX, std::uint64_t{1} << 60}) {
      file = one_tensor();
      file.add("array", 9, builder::raw(element) + builder::raw(count) + std::string(64, '\0'));
      expect_error(parse(file), ErrorCode::bad_file, "array", "array is larger");
    }
  }
  file = one_tensor();
  file.strings("empty", {});
  const auto result = parse(file);
  REQUIRE_MESSAGE(result, message_of(result));
  CHECK(result->metadata.strings("empty")->empty());
}

TEST_CASE("gguf_parse: rule 4, an array of more than 2^24 elements that are all there") {
  builder::Gguf file;
  file.add("array", 9,
           builder::raw(std::uint32_t{0}) + builder::raw((std::uint64_t{1} << 24) + 1) +
               std::string((std::size_t{1} << 24) + 1, 'x'));
  expect_error(parse(file), ErrorCode::bad_file, "array", "array is larger");
}

TEST_CASE("gguf_parse: rule 7, keys") {
  builder::Gguf file = one_tensor();
  file.u32("twice", 1).u32("between", 1).u32("twice", 2);
  expect_error(parse(file), ErrorCode::bad_file, "twice", "key occurs twice");
  file = one_tensor();
  file.u32("", 1);
  expect_error(parse(file), ErrorCode::bad_file, "metadata entry 1", "key is empty");
  file = one_tensor();
  file.u32(std::string(65'536, 'k'), 1);
  expect_error(parse(file), ErrorCode::bad_file, "metadata entry 1", "string is too long");
  file = one_tensor();
  file.u32(std::string(65'535, 'k'), 1);
  CHECK(parse(file));
}

TEST_CASE("gguf_parse: rule 8, more than 256 MiB of metadata") {
  builder::Gguf file;
  const std::string chunk(std::size_t{15} << 20, 'x');
  for (int i = 0; i < 18; ++i) file.string("k" + std::to_string(i), chunk);
  expect_error(parse(file), ErrorCode::bad_file, "k17", "metadata and descriptors are too long");
}

TEST_CASE("gguf_parse: rule 9, alignment") {
  for (const std::uint32_t alignment : {0U, 1U, 4U, 7U, 12U, 33U, 48U, 131'072U, 0x80000000U, UINT32_MAX}) {
    builder::Gguf file = one_tensor();
    file.u32("general.alignment", alignment);
    expect_error(parse(file), ErrorCode::bad_file, "general.alignment", "alignment is not usable");
  }
  builder::Gguf wrong = one_tensor();
  wrong.add("general.alignment", 10, builder::raw(std::uint64_t{32}));
  expect_error(parse(wrong), ErrorCode::bad_file, "general.alignment", "wrong type");
  for (const std::uint32_t alignment : {8U, 64U, 65'536U}) {
    builder::Gguf file = one_tensor();
    file.tensor("u", {1}, 0, builder::raw(5.0F));
    file.alignment = alignment;
    file.u32("general.alignment", alignment);
    const auto result = parse(file);
    REQUIRE_MESSAGE(result, message_of(result));
    CHECK(lamina::load_unaligned<float>(result->tensors[1].bytes.data()) == 5.0F);
  }
}

TEST_CASE("gguf_parse: rule 10, tensor names") {
  builder::Gguf file = one_tensor();
  file.tensor("t", {1}, 0, builder::raw(5.0F));
  expect_error(parse(file), ErrorCode::bad_file, "f.gguf: t", "name occurs twice");
  for (const std::string& name : {std::string(), std::string("a\0b", 3)}) {
    file = one_tensor();
    file.tensors[0].name = name;
    expect_error(parse(file), ErrorCode::bad_file, "tensor 0", "name is not usable");
  }
  file = one_tensor();
  file.tensors[0].name = std::string(64, 'n');
  expect_error(parse(file), ErrorCode::bad_file, "tensor 0", "string is too long");
  file.tensors[0].name = std::string(63, 'n');
  CHECK(parse(file));
}

TEST_CASE("gguf_parse: rule 11, dimensions") {
  builder::Gguf file = one_tensor();
  file.tensors[0].dims = {2, 1, 1, 1, 2};
  expect_error(parse(file), ErrorCode::bad_file, "f.gguf: t", "too many dimensions");
  for (const std::vector<std::uint64_t>& dims :
       {std::vector<std::uint64_t>{0},
        {4, 0},
        {UINT64_MAX},
        {std::uint64_t{1} << 32, std::uint64_t{1} << 32},
        {std::uint64_t{INT64_MAX}, 2},
        {std::uint64_t{1} << 21, std::uint64_t{1} << 21, std::uint64_t{1} << 21}}) {
    file.tensors[0].dims = dims;
    expect_error(parse(file), ErrorCode::bad_file, "f.gguf: t", "dimensions are not usable");
  }
  file.tensors[0].dims = {};
  file.tensors[0].data.resize(4);
  const auto scalar = parse(file);
  REQUIRE_MESSAGE(scalar, message_of(scalar));
  CHECK(scalar->tensors[0].bytes.size() == 4);
  file.tensors[0].dims = {std::uint64_t{INT64_MAX}};  // the product fits, the bytes do not
  expect_error(parse(file), ErrorCode::bad_file, "f.gguf: t", "size overflows");
}

TEST_CASE("gguf_parse: rule 12, encodings") {
  for (const std::uint32_t type :
       {4U, 5U, 9U, 15U, 24U, 27U, 28U, 31U, 33U, 36U, 38U, 43U, 97U, 0x80000000U, UINT32_MAX}) {
    builder::Gguf file = one_tensor();
    file.tensors[0].type = type;
    const auto result = parse(file);
    expect_error(result, ErrorCode::unsupported, "f.gguf: t", "encoding is not supported");
    CHECK(result.error().found.view().find(std::to_string(type)) != std::string_view::npos);
  }
  std::size_t block_formats = 0;
  for (const lamina::FormatInfo& info : lamina::all_formats) {
    if (info.block_elements == 1) continue;
    ++block_formats;
    builder::Gguf file;
    file.tensor("b", {info.block_elements, 2}, static_cast<std::uint32_t>(info.format),
                std::string(std::size_t{2} * info.block_bytes, 'x'));
    const auto good = parse(file);
    REQUIRE_MESSAGE(good, message_of(good));
    CHECK(good->tensors[0].bytes.size() == std::size_t{2} * info.block_bytes);
    file.tensors[0].dims[0] = info.block_elements / 2U;
    expect_error(parse(file), ErrorCode::bad_file, "f.gguf: b", "blocks");
  }
  CHECK(block_formats == 25);
}

TEST_CASE("gguf_parse: rules 13 to 15, placement") {
  builder::Gguf file = one_tensor();
  file.tensor("u", {2}, 0, builder::raw(5.0F) + builder::raw(6.0F));
  const std::string good = file.build();
  REQUIRE(parse(good));
  const auto field = [&](std::string_view name) {
    for (const builder::Field& f : file.fields) {
      if (f.name == name) return f.offset;
    }
    return std::size_t{0};
  };
  const auto with_offsets = [&](std::uint64_t first, std::uint64_t second) {
    std::string bytes = good;
    std::memcpy(bytes.data() + field("t offset"), &first, 8);
    std::memcpy(bytes.data() + field("u offset"), &second, 8);
    return bytes;
  };
  CHECK(parse(with_offsets(0, 32)));
  expect_error(parse(with_offsets(32, 0)), ErrorCode::bad_file, "f.gguf: t", "offset");  // swapped
  expect_error(parse(with_offsets(0, 0)), ErrorCode::bad_file, "f.gguf: u", "offset");   // overlapping
  expect_error(parse(with_offsets(0, 16)), ErrorCode::bad_file, "f.gguf: u",
               "offset");  // overlapping, misaligned
  expect_error(parse(with_offsets(0, 64)), ErrorCode::bad_file, "f.gguf: u", "offset");  // a hole
  expect_error(parse(with_offsets(0, UINT64_MAX - 31)), ErrorCode::bad_file, "f.gguf: u", "offset");
  for (std::size_t cut = 1; cut <= 8; ++cut) {
    expect_error(parse(good.substr(0, good.size() - cut)), ErrorCode::bad_file, "f.gguf: u",
                 "beyond the end");
  }
  expect_error(parse(good.substr(0, good.size() - 25)), ErrorCode::bad_file, "f.gguf: t", "beyond the end");
  CHECK(parse(good + std::string(100, 'x')));  // bytes after the last tensor are tolerated

  file.tensors[1].dims = {1'000'000'000};
  expect_error(parse(file), ErrorCode::bad_file, "f.gguf: u", "beyond the end");
}

TEST_CASE("gguf_parse: a header that ends exactly at the file's end has no room for data") {
  std::string bytes = one_tensor().build();
  bytes.resize(103);
  expect_error(parse(bytes), ErrorCode::bad_file, "tensor data", "file ends");
}

TEST_CASE("gguf_parse: a file may hold metadata only") {
  builder::Gguf file;
  file.string("general.architecture", "gemma4");
  const auto result = parse(file);
  REQUIRE_MESSAGE(result, message_of(result));
  CHECK(result->tensors.empty());
}
