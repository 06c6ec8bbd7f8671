// SPDX-License-Identifier: Apache-2.0
// base64 and data URLs: every length, every byte that is no digit, types, limits.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include <lamina/media/data_url.hpp>

#include "support/expect_error.hpp"

namespace {

using lamina::ErrorCode;
using lamina::Medium;

std::string decoded(std::string_view digits) {
  const auto bytes = lamina::decode_base64(digits, 1000, "test");
  REQUIRE_MESSAGE(static_cast<bool>(bytes), message_of(bytes));
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

void expect_bad(std::string_view digits, std::string_view what) {
  expect_error(lamina::decode_base64(digits, 1000, "test"), ErrorCode::bad_file, "test", what);
}

TEST_CASE("base64: the test vectors of RFC 4648, and every byte") {
  CHECK(decoded("Zg==") == "f");
  CHECK(decoded("Zm8=") == "fo");
  CHECK(decoded("Zm9v") == "foo");
  CHECK(decoded("Zm9vYg==") == "foob");
  CHECK(decoded("Zm9vYmE=") == "fooba");
  CHECK(decoded("Zm9vYmFy") == "foobar");
  CHECK(decoded("+/+/") == "\xFB\xFF\xBF");
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::uint32_t value = 0; value < 256; ++value) {
    const char text[] = {digits[value >> 2], digits[(value & 3) << 4], '=', '='};
    CHECK(decoded({text, 4}) == std::string(1, static_cast<char>(value)));
  }
}

TEST_CASE("base64: anything else is an error that says where") {
  for (const std::string_view digits : {"Z", "Zg", "Zg=", "Zm9vYg=", "Zm9vY"}) expect_bad(digits, "length");
  expect_bad("", "base64");
  expect_bad("====", "base64 digit 0");
  expect_bad("Z===", "base64 digit 1");
  expect_bad("Zg==Zg==", "base64 digit 2");
  expect_bad("Zm9=Zm9v", "base64 digit 3");
  expect_bad("Zh==", "within a byte");
  expect_bad("Zm9=", "within a byte");
  for (unsigned value = 0; value < 256; ++value) {
    const char digit = static_cast<char>(value);
    const bool is_digit = (digit >= 'A' && digit <= 'Z') || (digit >= 'a' && digit <= 'z') ||
                          (digit >= '0' && digit <= '9') || digit == '+' || digit == '/';
    if (!is_digit) expect_bad(std::string("AAA") + digit + "AAAA", "base64 digit 3");
  }
}

TEST_CASE("base64: the limit is one of bytes, checked before any is decoded") {
  CHECK(static_cast<bool>(lamina::decode_base64("Zm9v", 3, "test")));
  expect_error(lamina::decode_base64("Zm9v", 2, "test"), ErrorCode::out_of_memory, "test", "too long");
  CHECK(static_cast<bool>(lamina::decode_base64("Zg==", 1, "test")));
  expect_error(lamina::decode_base64("!!!!", 2, "test"), ErrorCode::out_of_memory, "test", "too long");
}

TEST_CASE("data URLs: pictures, sounds and videos, with and without parameters") {
  const std::string_view url = "data:image/png;base64,Zm9v";
  const auto image = lamina::decode_data_url(url, 100);
  REQUIRE_MESSAGE(static_cast<bool>(image), message_of(image));
  CHECK(image->kind == Medium::image);
  CHECK(image->media_type == "image/png");
  CHECK(image->bytes.size() == 3);
  const auto audio = lamina::decode_data_url("DATA:Audio/WAV;codecs=1;BASE64,Zg==", 100);
  REQUIRE_MESSAGE(static_cast<bool>(audio), message_of(audio));
  CHECK(audio->kind == Medium::audio);
  CHECK(audio->media_type == "Audio/WAV");
  const auto video = lamina::decode_data_url("data:video/mp4;base64,Zg==", 100);
  REQUIRE_MESSAGE(static_cast<bool>(video), message_of(video));
  CHECK(video->kind == Medium::video);
}

TEST_CASE("data URLs: what is none, or of another kind, is named") {
  const auto error = [](std::string_view url, ErrorCode code, std::string_view what) {
    expect_error(lamina::decode_data_url(url, 100, "messages[0]"), code, "messages[0]", what);
  };
  error("", ErrorCode::bad_file, "not a data URL");
  error("https://example.org/a.png", ErrorCode::bad_file, "not a data URL");
  error("data:", ErrorCode::bad_file, "not a data URL");
  error("data:image/png;base64", ErrorCode::bad_file, "not a data URL");
  error("data:" + std::string(300, 'x') + ",", ErrorCode::bad_file, "not a data URL");
  error("data:,", ErrorCode::unsupported, "encoding");
  error("data:image/png,hello", ErrorCode::unsupported, "encoding");
  error("data:image/png;base64;x=1,Zg==", ErrorCode::unsupported, "encoding");
  error("data:text/plain;base64,Zg==", ErrorCode::unsupported, "type");
  error("data:;base64,Zg==", ErrorCode::unsupported, "type");
  error("data:imagepng;base64,Zg==", ErrorCode::unsupported, "type");
  error("data:image/png;base64,", ErrorCode::bad_file, "base64");
  error("data:image/png;base64, Zg==", ErrorCode::bad_file, "base64");
  error("data:image/png;base64," + std::string(400, 'A'), ErrorCode::out_of_memory, "too long");
  CHECK(lamina::is_data_url("data:x"));
  CHECK(lamina::is_data_url("Data:x"));
  CHECK_FALSE(lamina::is_data_url("data"));
  CHECK_FALSE(lamina::is_data_url("/data:x"));
}

}  // namespace
