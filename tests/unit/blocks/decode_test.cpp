// SPDX-License-Identifier: Apache-2.0
// Every integer encoding bit for bit: reference blocks, the test vectors of Appendix B, the examples of §4.9.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <cstring>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <lamina/blocks/decode.hpp>

#include "support/golden.hpp"
#include "support/hex.hpp"
#include "support/sha256.hpp"

namespace {

using lamina::CodeBlock;
using lamina::Format;
using lamina::FormatInfo;

using Bytes = std::vector<std::byte>;

/// Bits of a float with -0.0 counted as 0.0, as blocks.json and Appendix B do.
std::uint32_t comparable_bits(float value) {
  return std::bit_cast<std::uint32_t>(value == 0.0f ? 0.0f : value);
}

/// Decodes a row from an odd address.
std::vector<float> decode(Format format, const Bytes& row) {
  const FormatInfo& info = lamina::info_of(format);
  Bytes shifted(row.size() + 1);
  std::memcpy(shifted.data() + 1, row.data(), row.size());
  std::vector<float> values(row.size() / info.block_bytes * info.block_elements, -12345.0f);
  lamina::decode_row(format, shifted.data() + 1, values.size(), values.data());
  return values;
}

/// Number of values whose bits differ.
int differences(const std::vector<float>& values, const Bytes& expected) {
  REQUIRE(expected.size() == 4 * values.size());
  int count = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    float reference = 0;
    std::memcpy(&reference, expected.data() + 4 * i, 4);
    count += comparable_bits(values[i]) != comparable_bits(reference) ? 1 : 0;
  }
  return count;
}

/// The same row by `decode_codes` and the rule stated at `CodeBlock`, computed here with two separate
/// roundings.
int code_differences(Format format, const Bytes& row, const std::vector<float>& values) {
  int count = 0;
  for (std::size_t index = 0; index < values.size() / 32; ++index) {
    CodeBlock block;
    lamina::decode_codes(format, row.data(), index, block);
    for (std::size_t i = 0; i < 32; ++i) {
      volatile float product = block.scale[i / 16] * static_cast<float>(block.code[i]);
      const float value = product - block.offset[i / 16];
      count +=
          std::bit_cast<std::uint32_t>(value) != std::bit_cast<std::uint32_t>(values[32 * index + i]) ? 1 : 0;
    }
  }
  return count;
}

double sum(const std::vector<float>& values) {
  double total = 0;
  for (const float value : values) total += static_cast<double>(value);
  return total;
}

}  // namespace

TEST_CASE("all reference blocks decode bit for bit, alone and as one row") {
  const std::string text = read_bytes(golden_path("quant/blocks.json"));
  REQUIRE(!text.empty());
  const nlohmann::json document = nlohmann::json::parse(text, nullptr, false);
  REQUIRE(document.is_object());
  std::set<std::string> names;
  int blocks = 0;
  for (const auto& entry : document["types"].items()) {
    const std::string& name = entry.key();
    const nlohmann::json& type = entry.value();
    CAPTURE(name);
    const FormatInfo* info = lamina::find_format(name);
    REQUIRE(info != nullptr);
    REQUIRE(static_cast<int>(info->format) == type["type_id"].get<int>());
    Bytes row;
    Bytes expected_row;
    for (const nlohmann::json& block : type["blocks"]) {
      const Bytes raw = bytes_from_hex(block["raw"].get<std::string>());
      const Bytes expected = bytes_from_hex(block["f32"].get<std::string>());
      REQUIRE(raw.size() == type["block_bytes"].get<std::size_t>());
      REQUIRE(expected.size() == 4 * type["block_elements"].get<std::size_t>());
      REQUIRE(differences(decode(info->format, raw), expected) == 0);
      row.insert(row.end(), raw.begin(), raw.end());
      expected_row.insert(expected_row.end(), expected.begin(), expected.end());
      ++blocks;
    }
    const std::vector<float> values = decode(info->format, row);
    CHECK(differences(values, expected_row) == 0);
    if (lamina::has_codes(info->format)) CHECK(code_differences(info->format, row, values) == 0);
    CHECK(!lamina::has_non_finite_scale(info->format, row.data(), values.size()));
    names.insert(name);
  }
  CHECK(names.size() == 25);
  CHECK(blocks == 25 * 8);
}

namespace {

/// A line of Appendix B, with the offsets of the two f16 fields that the block rule overwrites (-1: none).
struct Vector {
  Format format;
  int d_at;
  int second_at;
  float first[4];
  float middle;
  float last;
  double total;
  std::string_view hash;
};

constexpr Vector vectors[] = {
    {Format::q8_0, 0, -1, {-17.25f, 1, 19.25f, -26.5f}, 18.75f, -27.5f, -12, "533450ea45e9c66a"},
    {Format::q4_0, 0, -1, {0.75f, -1, 1.25f, -0.5f}, 0.75f, -2, -8.25, "a5b46645d8b189da"},
    {Format::q4_1, 0, 2, {3.375f, 1.625f, 3.875f, 2.125f}, 1.125f, 2.375f, 60.25, "4b65fcd879a31509"},
    {Format::q5_0, 0, -1, {3.75f, 2, -3.75f, 2.5f}, 3.25f, 0.5f, -11.25, "8f658994b194b536"},
    {Format::q5_1, 0, 2, {4.375f, 2.625f, 4.875f, 7.125f}, 5.875f, 2.875f, 129.25, "86fb57d8f2febb54"},
    {Format::q2_k, 80, 82, {2, 4.25f, 6.5f, -0.25f}, -0.625f, -0.875f, 510.75, "a3b88e197eb3e0ac"},
    {Format::q3_k, 108, -1, {-1.75f, 3.5f, -5.25f, 7}, 6, -6, 58.5, "ff4c0b07e1a92c60"},
    {Format::q4_k, 0, 2, {23.125f, 0.375f, 29.625f, 6.875f}, 44.125f, -2.875f, 13338, "82d3b0f7dd2ccf1b"},
    {Format::q5_k, 0, 2, {75.125f, 0.375f, 81.625f, 6.875f}, 128.125f, -2.875f, 27518, "023cc32c0ce3e38e"},
    {Format::q6_k, 208, -1, {40.25f, -11.5f, -155.25f, 161}, -85.75f, 72, -3711, "806661ad6a7cdc97"},
    {Format::iq4_nl, 0, -1, {9.5f, -12.25f, 17.25f, -5.5f}, 9.5f, -31.75f, -120.25, "d759460bbdde02fc"},
    {Format::iq4_xs, 0, -1, {-754, 181.25f, -471.25f, 384.25f}, 442, -187.5f, -1612.5, "3f1a6953fe6368e2"},
    {Format::mxfp4, -1, -1, {0.25f, -0.375f, 0.5f, -0.75f}, 1.5f, -0.375f, 3.125, "ae5a10c3d07370df"},
    {Format::nvfp4, -1, -1, {-1.5f, 2, -3, 0}, -6.75f, 0.34375f, -3.15625, "cad25f61b3dac2a9"},
    {Format::q1_0, 0, -1, {0.25f, 0.25f, -0.25f, 0.25f}, 0.25f, -0.25f, -1.5, "0e6a9f4f396fb61b"},
    {Format::q2_0, 0, -1, {0.5f, 0.25f, 0.5f, 0.25f}, 0.5f, -0.25f, 6.75, "f6996da64c00baef"},
    {Format::tq1_0, 52, -1, {-0.25f, 0, 0.25f, -0.25f}, 0.25f, 0.25f, -3.75, "6cd08628a9e24eac"},
    {Format::tq2_0, 64, -1, {0, 0.25f, 0.5f, -0.25f}, 0, -0.25f, 31.25, "98a013e3d74a14be"},
    {Format::iq2_xxs,
     0,
     -1,
     {-30.90625f, -30.90625f, -5.75f, -5.75f},
     -21.09375f,
     -17.96875f,
     -74.5625,
     "41f51728da1a81bc"},
    {Format::iq2_xs, 0, -1, {5.75f, -17.96875f, 5.75f, 5.75f}, 7.75f, 7.75f, 166.4375, "052aee89b2aac55f"},
    {Format::iq2_s,
     0,
     -1,
     {-1.75f, -5.46875f, 5.46875f, -1.75f},
     -20.15625f,
     -12.09375f,
     -62.875,
     "f4b1c341c21a24ec"},
    {Format::iq3_xxs,
     0,
     -1,
     {-74.25f, -60.75f, 47.25f, -60.75f},
     -29.25f,
     60.75f,
     485.375,
     "fd07b83b9cc10065"},
    {Format::iq3_s, 0, -1, {-8.75f, -1.75f, 26.25f, 19.25f}, -8.25f, 19.25f, 40.5, "756d37d9d0f42dde"},
    {Format::iq1_s,
     0,
     -1,
     {0.15625f, 0.15625f, -1.09375f, -1.09375f},
     -2.84375f,
     -1.09375f,
     -18.25,
     "c122a44672373a25"},
    {Format::iq1_m,
     -1,
     -1,
     {0.65625f, -0.84375f, -0.84375f, -0.84375f},
     3.09375f,
     -2.53125f,
     -15.25,
     "954368a60e082389"},
};

Bytes block_by_rule(const Vector& vector) {
  Bytes block(lamina::info_of(vector.format).block_bytes);
  for (std::size_t k = 0; k < block.size(); ++k) block[k] = static_cast<std::byte>((73 * k + 41) % 256);
  const auto put_half = [&block](int at, std::uint16_t half) {
    if (at >= 0) std::memcpy(block.data() + at, &half, 2);
  };
  put_half(vector.d_at, 0x3400);
  put_half(vector.second_at, 0x3000);
  if (vector.format == Format::mxfp4) block[0] = std::byte{0x7D};
  if (vector.format == Format::nvfp4) {
    const unsigned char scales[4] = {0x30, 0x38, 0x41, 0x2B};
    std::memcpy(block.data(), scales, 4);
  }
  if (vector.format == Format::iq1_m) {
    const int top[4] = {0, 0, 4, 3};
    for (std::size_t k = 0; k < 4; ++k) {
      std::byte& byte = block[49 + 2 * k];
      byte = (byte & std::byte{0x0F}) | static_cast<std::byte>(top[k] << 4);
    }
  }
  return block;
}

}  // namespace

TEST_CASE("the test vectors of Appendix B") {
  static_assert(std::size(vectors) == 25);
  for (const Vector& vector : vectors) {
    CAPTURE(lamina::info_of(vector.format).name);
    const Bytes block = block_by_rule(vector);
    std::vector<float> values = decode(vector.format, block);
    REQUIRE(values.size() == lamina::info_of(vector.format).block_elements);
    for (std::size_t i = 0; i < 4; ++i) CHECK(values[i] == vector.first[i]);
    CHECK(values[values.size() / 2] == vector.middle);
    CHECK(values.back() == vector.last);
    CHECK(sum(values) == vector.total);
    CHECK(code_differences(vector.format, block, values) == 0);
    for (float& value : values) value = std::bit_cast<float>(comparable_bits(value));
    CHECK(sha256(values.data(), 4 * values.size()).substr(0, 16) == vector.hash);
  }
}

TEST_CASE("every format but the plain ones has codes") {
  int with_codes = 0;
  for (const FormatInfo& info : lamina::all_formats) {
    const bool plain = lamina::is_float(info.format) || info.format == Format::i32;
    CHECK(lamina::has_codes(info.format) == !plain);
    CHECK((lamina::codes_function(info.format) == nullptr) == plain);
    with_codes += plain ? 0 : 1;
  }
  CHECK(with_codes == 25);
}

// --- Worked examples of §4.9 ---

TEST_CASE("worked example Q4_0") {
  const std::vector<float> values =
      decode(Format::q4_0, bytes_from_hex("00 34 8F 07 A9 F0 88 88 88 88 88 88 88 88 88 88 88 88"));
  REQUIRE(values.size() == 32);
  std::vector<float> expected(32, 0.0f);
  expected[0] = 1.75f;
  expected[1] = -0.25f;
  expected[17] = -2.0f;
  expected[2] = 0.25f;
  expected[18] = 0.5f;
  expected[3] = -2.0f;
  expected[19] = 1.75f;
  CHECK(values == expected);
}

TEST_CASE("worked example Q4_K") {
  const std::vector<float> values = decode(Format::q4_k, bytes_from_hex(R"(
    00 38 00 34 01 42 83 C4 05 46 87 C8 21 43 65 87 10 41 72 A3 D4 05 36 67
    98 C9 FA 2B 5C 8D BE EF 10 41 72 A3 D4 05 36 67 98 C9 FA 2B 5C 8D BE EF
    41 72 A3 D4 05 36 67 98 C9 FA 2B 5C 8D BE EF 10 41 72 A3 D4 05 36 67 98
    C9 FA 2B 5C 8D BE EF 10 72 A3 D4 05 36 67 98 C9 FA 2B 5C 8D BE EF 10 41
    72 A3 D4 05 36 67 98 C9 FA 2B 5C 8D BE EF 10 41 A3 D4 05 36 67 98 C9 FA
    2B 5C 8D BE EF 10 41 72 A3 D4 05 36 67 98 C9 FA 2B 5C 8D BE EF 10 41 72)"));
  REQUIRE(values.size() == 256);
  const float expected[8][5] = {{-1.25f, -0.75f, -0.25f, 0.25f, 6.25f},
                                {-0.5f, 2.5f, 5.5f, 8.5f, 12.5f},
                                {-0.25f, 1.25f, 2.75f, 4.25f, -1.75f},
                                {6, 12, 18, 24, 0},
                                {0.5f, 1, 1.5f, 2, 0},
                                {61.5f, 90, 118.5f, -5, 33},
                                {46, 64.5f, 83, 101.5f, 27.5f},
                                {261, 343.5f, -14, 68.5f, 178.5f}};
  for (std::size_t b = 0; b < 8; ++b) {
    for (std::size_t i = 0; i < 4; ++i) CHECK(values[32 * b + i] == expected[b][i]);
    CHECK(values[32 * b + 31] == expected[b][4]);
  }
  CHECK(sum(values) == 13504.0);
}

TEST_CASE("worked example Q6_K") {
  const std::vector<float> values = decode(Format::q6_k, bytes_from_hex(R"(
    20 71 C2 13 64 B5 06 57 A8 F9 4A 9B EC 3D 8E DF 20 71 C2 13 64 B5 06 57
    A8 F9 4A 9B EC 3D 8E DF 20 71 C2 13 64 B5 06 57 A8 F9 4A 9B EC 3D 8E DF
    20 71 C2 13 64 B5 06 57 A8 F9 4A 9B EC 3D 8E DF 20 71 C2 13 64 B5 06 57
    A8 F9 4A 9B EC 3D 8E DF 20 71 C2 13 64 B5 06 57 A8 F9 4A 9B EC 3D 8E DF
    20 71 C2 13 64 B5 06 57 A8 F9 4A 9B EC 3D 8E DF 20 71 C2 13 64 B5 06 57
    A8 F9 4A 9B EC 3D 8E DF 1B 36 51 6C 87 A2 BD D8 F3 0E 29 44 5F 7A 95 B0
    CB E6 01 1C 37 52 6D 88 A3 BE D9 F4 0F 2A 45 60 7B 96 B1 CC E7 02 1D 38
    53 6E 89 A4 BF DA F5 10 2B 46 61 7C 97 B2 CD E8 03 1E 39 54 6F 8A A5 C0
    01 FF 02 FE 03 FD 04 FC 05 FB 06 FA 07 F9 7F 80 00 28)"));
  REQUIRE(values.size() == 256);
  const std::pair<std::size_t, float> expected[] = {
      {0, 0.5f},     {1, 0.03125f}, {16, -0.5f}, {31, 0.53125f}, {33, -0.9375f},   {64, -1.3125f},
      {97, -3.125f}, {127, 0.375f}, {128, 2.5f}, {192, 3.9375f}, {224, -55.5625f}, {255, -116.0f}};
  for (const auto& [element, value] : expected) CHECK(values[element] == value);
  CHECK(sum(values) == 209.75);
}

// --- Scales that have their own number format ---

TEST_CASE("MXFP4 exponents are exact powers of two, subnormal ones included") {
  for (int x = 0; x < 256; ++x) {
    REQUIRE(lamina::half_of_e8m0(static_cast<std::uint8_t>(x)) == std::ldexp(1.0f, x == 255 ? 127 : x - 128));
  }
  Bytes block(17);
  block[1] = std::byte{0x3F};  // elements 0 and 16: codes -12 and 3
  const std::vector<float> values = decode(Format::mxfp4, block);
  CHECK(std::bit_cast<std::uint32_t>(values[0]) == 0x8140'0000u);   // -12 * 2^-128 = -1.5 * 2^-125
  CHECK(std::bit_cast<std::uint32_t>(values[16]) == 0x0060'0000u);  // 3 * 2^-128, a subnormal
}

TEST_CASE("NVFP4 scales follow the reference for every byte") {
  for (int x = 0; x < 256; ++x) {
    const int exponent = x >> 3 & 15;
    const int mantissa = x & 7;
    float expected = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -10)
                                   : std::ldexp(static_cast<float>(8 + mantissa), exponent - 11);
    if (x == 0x7F) expected = 0.0f;
    REQUIRE(lamina::half_of_ue4m3(static_cast<std::uint8_t>(x)) == expected);
  }
}

TEST_CASE("plain rows: F32, F16, BF16 and I32 at odd addresses") {
  const Bytes bytes = bytes_from_hex("0000803F 000000C0 0000807F");
  CHECK(decode(Format::f32, bytes) == std::vector<float>{1.0f, -2.0f, HUGE_VALF});
  CHECK(decode(Format::f16, bytes_from_hex("003C 00C0 0100")) == std::vector<float>{1.0f, -2.0f, 0x1p-24f});
  CHECK(decode(Format::bf16, bytes_from_hex("803F 00C0")) == std::vector<float>{1.0f, -2.0f});
  CHECK(decode(Format::i32, bytes_from_hex("05000000 FFFFFFFF")) == std::vector<float>{5.0f, -1.0f});
}

// --- Damage (§1.9 rule 19) ---

TEST_CASE("a non-finite scale is found in every field of every block, and only there") {
  const std::uint16_t damaged[] = {0x7C00, 0xFC00, 0x7E00, 0x7C01};
  int checked = 0;
  for (const Vector& vector : vectors) {
    CAPTURE(lamina::info_of(vector.format).name);
    const FormatInfo& info = lamina::info_of(vector.format);
    const Bytes block = block_by_rule(vector);
    Bytes row;
    for (int b = 0; b < 3; ++b) row.insert(row.end(), block.begin(), block.end());
    const std::size_t columns = std::size_t{3} * info.block_elements;
    REQUIRE(!lamina::has_non_finite_scale(vector.format, row.data(), columns));
    for (std::size_t b = 0; b < 3; ++b) {
      for (const int field : {vector.d_at, vector.second_at}) {
        if (field < 0) continue;
        for (const std::uint16_t half : damaged) {
          Bytes broken = row;
          std::memcpy(broken.data() + b * info.block_bytes + static_cast<std::size_t>(field), &half, 2);
          REQUIRE(lamina::has_non_finite_scale(vector.format, broken.data(), columns));
          REQUIRE(!lamina::has_non_finite_scale(vector.format, broken.data(), b * info.block_elements));
          ++checked;
        }
      }
    }
  }
  CHECK(checked == (22 + 5) * 3 * 4);  // 22 formats with d, five of them with a second field

  Bytes mxfp4(34);
  mxfp4[17] = std::byte{255};
  CHECK(lamina::has_non_finite_scale(Format::mxfp4, mxfp4.data(), 64));
  CHECK(!lamina::has_non_finite_scale(Format::mxfp4, mxfp4.data(), 32));

  Bytes iq1_m = block_by_rule(vectors[24]);
  for (const std::size_t at : {std::size_t{53}, std::size_t{55}}) iq1_m[at] |= std::byte{0xF0};  // d = 0xFF00
  CHECK(lamina::has_non_finite_scale(Format::iq1_m, iq1_m.data(), 256));
}

TEST_CASE("a non-finite element is found in float rows") {
  const Bytes f32 = bytes_from_hex("0000803F 0000807F");
  CHECK(lamina::has_non_finite_scale(Format::f32, f32.data(), 2));
  CHECK(!lamina::has_non_finite_scale(Format::f32, f32.data(), 1));
  const Bytes f16 = bytes_from_hex("FF7B 017C");
  CHECK(lamina::has_non_finite_scale(Format::f16, f16.data(), 2));
  CHECK(!lamina::has_non_finite_scale(Format::f16, f16.data(), 1));
  const Bytes bf16 = bytes_from_hex("7F7F C0FF");
  CHECK(lamina::has_non_finite_scale(Format::bf16, bf16.data(), 2));
  CHECK(!lamina::has_non_finite_scale(Format::bf16, bf16.data(), 1));
  const Bytes i32 = bytes_from_hex("FFFFFFFF");
  CHECK(!lamina::has_non_finite_scale(Format::i32, i32.data(), 1));
}
