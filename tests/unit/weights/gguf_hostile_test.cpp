// SPDX-License-Identifier: Apache-2.0
// Programmatic damage to a small complete model: every cut, every count and length, random bytes (§7 item
// 11).
#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <lamina/weights/gguf/file.hpp>

#include "support/expect_error.hpp"
#include "support/gguf_builder.hpp"

namespace {

/// Reads from an allocation of exactly the right size, so that a sanitizer sees the first byte too many.
lamina::Result<lamina::WeightFile> read_exact(std::string_view bytes) {
  const std::vector<char> copy(bytes.begin(), bytes.end());
  return lamina::read_gguf(builder::bytes_of({copy.data(), copy.size()}), "f.gguf");
}

std::size_t field_errors(builder::Gguf file) {
  const std::string good = file.build();
  REQUIRE(read_exact(good));
  std::size_t errors = 0;
  for (const builder::Field& field : file.fields) {
    std::uint64_t original = 0;
    std::memcpy(&original, good.data() + field.offset, field.size);
    for (const std::uint64_t value :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 31, std::uint64_t{UINT32_MAX},
          std::uint64_t{INT64_MAX}, UINT64_MAX, original + 1, original - 1}) {
      std::uint64_t stored = 0;
      std::memcpy(&stored, &value, field.size);
      if (stored == original) continue;
      // No damage: integer types of the same size read alike (flags too), and a short F32 tensor is as good
      // an F16 one when both fill the same padded room.
      const bool same_integer =
          field.name.ends_with("type") && (original == 4 || original == 5) && (stored == 4 || stored == 5);
      const bool flags = field.name.ends_with("element type") && original == 7 && stored <= 1;
      const bool half_floats = field.name.ends_with(" type") && original == 0 && stored == 1;
      if (same_integer || flags || half_floats || (field.name == "version" && stored == 2)) continue;
      std::string bytes = good;
      std::memcpy(bytes.data() + field.offset, &value, field.size);
      const auto result = read_exact(bytes);
      CAPTURE(field.name);
      CAPTURE(value);
      REQUIRE_FALSE(static_cast<bool>(result));
      if (result) continue;
      CHECK_FALSE(result.error().where.empty());
      CHECK_FALSE(result.error().what.empty());
      CHECK_FALSE(result.error().expected.empty());
      CHECK_FALSE(result.error().found.empty());
      ++errors;
    }
  }
  return errors;
}

}  // namespace

TEST_CASE("gguf hostile: truncation at every byte is an error") {
  for (const auto& description : {builder::small_description(), builder::small_moe_description()}) {
    const std::string good = builder::model_file(description).build();
    REQUIRE(read_exact(good));
    std::size_t errors = 0;
    for (std::size_t size = 0; size < good.size(); ++size) {
      const auto result = read_exact(std::string_view(good).substr(0, size));
      errors += result ? 0 : 1;
    }
    CHECK(errors == good.size());
  }
}

TEST_CASE("gguf hostile: every count, length, type, dimension and offset set to every extreme is an error") {
  CHECK(field_errors(builder::model_file(builder::small_description())) > 2000);
  CHECK(field_errors(builder::model_file(builder::small_moe_description())) > 1800);
}

TEST_CASE("gguf hostile: random bytes give an error or a file whose views are inside") {
  builder::Gguf file = builder::model_file(builder::small_description());
  const std::string good = file.build();
  std::size_t header = 0;
  for (const builder::Field& field : file.fields) header = std::max(header, field.offset + field.size);
  std::mt19937 random(12'345);
  std::size_t errors = 0, good_files = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<char> bytes(good.begin(), good.end());
    const int changes = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < changes; ++i) bytes[random() % header] = static_cast<char>(random());
    const auto span = builder::bytes_of({bytes.data(), bytes.size()});
    const auto result = lamina::read_gguf(span, "f.gguf");
    if (!result) {
      ++errors;
      continue;
    }
    ++good_files;
    for (const lamina::TensorView& tensor : result->tensors) {
      CHECK(tensor.bytes.data() >= span.data());
      CHECK(tensor.bytes.data() + tensor.bytes.size() <= span.data() + span.size());
    }
  }
  CHECK(errors > 10'000);
  CHECK(good_files > 10);  // free text in keys and values may change
}
