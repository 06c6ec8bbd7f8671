// SPDX-License-Identifier: Apache-2.0
// Packed GGUF files as a reader sees them: which are accepted, and what is wrong with the others.
#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <lamina/weights/check_numbers.hpp>
#include <lamina/weights/check_tensors.hpp>
#include <lamina/weights/gguf/file.hpp>

#include "support/expect_error.hpp"
#include "support/gguf_builder.hpp"

namespace {

using lamina::ErrorCode;

constexpr std::uint32_t q8_0 = 8;  // type ids of GGUF
constexpr std::uint32_t f32 = 0;
constexpr std::uint64_t columns = 64;
constexpr std::uint64_t rows = 16;

/// Q8_0 rows whose bytes all differ somewhere; every scale is 1.
std::string q8_rows() {
  std::string data;
  for (std::uint64_t block = 0; block < rows * columns / 32; ++block) {
    data += builder::raw(std::uint16_t{0x3C00});
    for (std::uint64_t i = 0; i < 32; ++i) data += static_cast<char>(block * 7 + i);
  }
  return data;
}

/// A file with the keys of packed ones; `without` leaves one out.
builder::Gguf packed_file(std::uint32_t height, const std::vector<std::string>& names,
                          std::string_view without = {}) {
  builder::Gguf file;
  file.u32("lamina.packing.layout", lamina::gguf_packing::layout_version);
  file.u32("lamina.packing.height", height);
  file.strings("lamina.packing.tensors", names);
  file.without(without);
  file.tensor("a", {columns, rows}, q8_0, q8_rows());
  file.tensor("b", {columns, rows / 2, 2}, q8_0, q8_rows());
  file.tensor("f", {8, 8}, f32, std::string(256, '\0'));
  return file;
}

std::string with_packed_magic(builder::Gguf file) {
  std::string bytes = file.build();
  bytes[0] = 'L';
  return bytes;
}

lamina::Result<lamina::GgufFile> read(const std::string& bytes) {
  return lamina::read_gguf_file(builder::bytes_of(bytes), "f.lguf");
}

}  // namespace

TEST_CASE("gguf packing: the named tensors are interleaved, the others are not") {
  const std::string bytes = with_packed_magic(packed_file(8, {"b"}));
  const auto file = read(bytes);
  REQUIRE_MESSAGE(file, message_of(file));
  CHECK(file->interleave_height == 8);
  REQUIRE(file->tensors.size() == 3);
  CHECK(file->tensors[0].packing == lamina::Packing::rows);
  CHECK(file->tensors[1].packing == lamina::Packing::interleaved);
  CHECK(file->tensors[2].packing == lamina::Packing::rows);
  CHECK(lamina::looks_like_packed_gguf(builder::bytes_of(bytes)));
  CHECK_FALSE(lamina::looks_like_gguf(builder::bytes_of(bytes)));
}

TEST_CASE("gguf packing: behind the magic of GGUF the keys mean nothing, however wrong they are") {
  for (const std::uint32_t height : {0U, 8U, 77U}) {
    const std::string bytes = packed_file(height, {"b", "absent"}).build();
    const auto file = read(bytes);
    REQUIRE_MESSAGE(file, message_of(file));
    CHECK(file->interleave_height == 0);
    REQUIRE(file->tensors.size() == 3);
    for (const lamina::TensorView& tensor : file->tensors) CHECK(tensor.packing == lamina::Packing::rows);
  }
}

TEST_CASE("gguf packing: all heights that vectors may have are read") {
  for (const std::uint32_t height : {2U, 4U, 8U, 16U}) {
    const std::string bytes = with_packed_magic(packed_file(height, {"a"}));
    const auto file = read(bytes);
    REQUIRE_MESSAGE(file, message_of(file));
    CHECK(file->interleave_height == height);
  }
}

TEST_CASE("gguf packing: what is wrong is named") {
  const auto expect = [](builder::Gguf file, ErrorCode code, std::string_view where, std::string_view what) {
    expect_error(read(with_packed_magic(std::move(file))), code, where, what);
  };
  const auto height = "lamina.packing.height";
  expect(packed_file(0, {"a"}), ErrorCode::bad_file, height, "out of range");
  expect(packed_file(1, {"a"}), ErrorCode::bad_file, height, "out of range");
  expect(packed_file(12, {"a"}), ErrorCode::bad_file, height, "not usable");
  expect(packed_file(128, {"a"}), ErrorCode::bad_file, height, "out of range");
  expect(packed_file(UINT32_MAX, {"a"}), ErrorCode::bad_file, height, "out of range");
  expect(packed_file(8, {"a"}, height), ErrorCode::bad_file, height, "missing");
  expect(packed_file(8, {"a"}, "lamina.packing.layout"), ErrorCode::bad_file, "lamina.packing.layout",
         "missing");
  expect(packed_file(8, {"a"}, "lamina.packing.tensors"), ErrorCode::bad_file, "lamina.packing.tensors",
         "missing");
  expect(packed_file(8, {"a"}, "lamina.packing.tensors").u32("lamina.packing.tensors", 1),
         ErrorCode::bad_file, "lamina.packing.tensors", "wrong type");
  expect(packed_file(8, {"absent"}), ErrorCode::bad_file, "lamina.packing.tensors", "missing");
  expect(packed_file(8, {"a", "a"}), ErrorCode::bad_file, "lamina.packing.tensors", "named twice");
  expect(packed_file(8, {"a", "b", "f", "a"}), ErrorCode::bad_file, "lamina.packing.tensors",
         "more tensors are named");
  expect(packed_file(8, {"f"}), ErrorCode::bad_file, "f", "cannot be packed");
  expect(packed_file(32, {"a"}), ErrorCode::bad_file, "a", "cannot be packed");
  expect(packed_file(16, {"b"}), ErrorCode::bad_file, "b", "cannot be packed");  // 8 rows in each matrix
  expect(packed_file(8, {"a"}).u32("split.count", 2), ErrorCode::bad_file, "split.count", "out of range");
}

TEST_CASE("gguf packing: files of older and newer layouts are to be packed again") {
  constexpr std::uint32_t own = lamina::gguf_packing::layout_version;
  static_assert(own >= 2);  // layout 1 kept Q6_K in the order of files
  for (const std::uint32_t layout : {1U, own - 1, own + 1, UINT32_MAX}) {
    auto file = packed_file(8, {"a"}, "lamina.packing.layout").u32("lamina.packing.layout", layout);
    const auto result = read(with_packed_magic(std::move(file)));
    expect_error(result, ErrorCode::unsupported, "lamina.packing.layout", "another version");
    CHECK(result.error().hint.view().find("pack it again") != std::string_view::npos);
  }
}

TEST_CASE("gguf packing: every cut is an error") {
  const std::string good = with_packed_magic(packed_file(8, {"a", "b"}));
  REQUIRE(read(good));
  std::size_t errors = 0;
  for (std::size_t size = 0; size < good.size(); ++size) errors += read(good.substr(0, size)) ? 0 : 1;
  CHECK(errors == good.size());
}

TEST_CASE("check_numbers: infinite scales of interleaved rows are found, codes are not taken for them") {
  constexpr std::uint32_t height = 8;
  const std::string stored = q8_rows();
  for (const std::size_t broken : {std::size_t{0}, std::size_t{3}, std::size_t{15}, rows}) {
    std::string data = stored;
    const std::size_t row_bytes = data.size() / rows;
    // The second block of the row; `rows`: none is broken.
    if (broken < rows) data.replace(broken * row_bytes + 34, 2, builder::raw(std::uint16_t{0x7C00}));
    std::vector<std::byte> packed(data.size());
    for (std::size_t row = 0; row < rows; row += height) {
      lamina::interleave_group({lamina::Format::q8_0, height, rows, columns}, row,
                               builder::bytes_of(data).data() + row * row_bytes, packed.data());
    }
    lamina::WeightFile file;
    file.path = "f.lguf";
    file.interleave_height = height;
    file.tensors.push_back(
        {"a", lamina::Format::q8_0, {columns, rows, 1, 1}, packed, lamina::Packing::interleaved});
    const auto result = lamina::check_numbers(file);
    if (broken == rows) {
      CHECK_MESSAGE(result, message_of(result));
    } else {
      expect_error(result, ErrorCode::bad_file, "a", "infinite or NaN");
    }
  }
}
