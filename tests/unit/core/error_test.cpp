// SPDX-License-Identifier: Apache-2.0
#include <lamina/core/error.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include "support/dies.hpp"

namespace {

using lamina::Error;
using lamina::ErrorCode;
using lamina::FixedText;
using lamina::Result;

std::string shown(std::string_view text) { return std::string(FixedText<64>(text).view()); }

Result<std::string> value() { return std::string("value"); }
Result<std::string> failure() { return Error{ErrorCode::io, "where", "what", "", "", ""}; }

// --- FixedText ---

TEST_CASE("a text keeps characters of any length and shows no control character") {
  CHECK(shown("plain \"text\"") == "plain \"text\"");
  CHECK(shown("gr\u00FCn \u5C71 \U0001F600") == "gr\u00FCn \u5C71 \U0001F600");
  CHECK(shown("a\nb\x1B[31m\x7F") == "a?b?[31m?");
  CHECK(shown(std::string_view("a\0b", 3)) == "a?b");
  CHECK(shown("\xC2\x9B"
              "31m \xC2\x80\xC2\x9F\xC2\xA0") == "?31m ??\xC2\xA0");  // C1
  CHECK(shown("\u202E\u2066\u2028\u200F\u061C") == "?????");          // direction, line separator
}

TEST_CASE("bytes that are no character are shown one by one") {
  CHECK(shown("\xFF\x80 \x9B") == "?? ?");
  CHECK(shown("\xC0\xAF \xED\xA0\x80 \xF4\x90\x80\x80") == "?? ??? ????");  // overlong, surrogate, too large
  CHECK(shown("\xE5\xB1") == "??");  // the text ends inside a character
  FixedText<64> pieces("\xE5");
  pieces.append("\xB1\xB1");
  CHECK(pieces.view() == "???");
}

TEST_CASE("a text that is too long is cut between characters, and once only") {
  CHECK(FixedText<8>("1234567").view() == "1234567");
  CHECK(FixedText<8>("12345678").view() == "1234...");
  for (std::size_t ascii = 0; ascii < 12; ++ascii) {
    const std::string text = std::string(ascii, 'x') + "\U0001F600\u5C71\u00FC" + std::string(20, 'y');
    const std::string cut(FixedText<16>(text).view());
    CAPTURE(cut);
    REQUIRE(cut.ends_with("..."));
    CHECK(cut.size() > 16 - 1 - 4);
    CHECK(cut.size() < 16);
    const std::string kept = cut.substr(0, cut.size() - 3);
    CHECK(text.starts_with(kept));
    CHECK(shown(kept) == kept);  // whole characters
  }
  FixedText<8> grown("123456\u00FC");
  grown.append("x");
  CHECK(grown.view() == "1234...");
  FixedText<8> exact("1234567");
  exact.append("");
  CHECK(exact.view() == "1234567");
  exact.append("8");
  CHECK(exact.view() == "1234...");
  CHECK(std::string(exact.c_str()) == exact.view());
  FixedText<8> wide("\U0001F600");
  wide.append("\U0001F600");
  CHECK(wide.view() == "\U0001F600...");
  wide.append("no more");
  CHECK(wide.view() == "\U0001F600...");
}

TEST_CASE("every part of an error is shown in the same way") {
  const Error error{ErrorCode::bad_file, "a\xC2\x9B", "b\r", "c\xE5", "d", ""};
  CHECK(describe(error).view() == "a?: b?: expected c?, found d");
  CHECK(lamina::text("%s", "\xC2\x9B").view() == "?");
}

// --- Result ---

TEST_CASE("reading the side that is not there ends a debug build") {
  CHECK(
      !dies([] { return value()->size() == 5 && *value() == "value" && !failure().error().where.empty(); }));
  CHECK(dies([] { return failure()->empty(); }));
  CHECK(dies([] {
    Result<std::string> result = failure();
    return (*result).empty();
  }));
  CHECK(dies([] {
    const Result<std::string> result = failure();
    return (*result).empty() || result->empty();
  }));
  CHECK(dies([] { return (*failure()).empty(); }));
  CHECK(dies([] { return value().error().where.empty(); }));
  CHECK(dies([] { return lamina::Status(lamina::Done{}).error().where.empty(); }));
}

TEST_CASE("reading a result whose value was moved out as a whole ends a debug build, a new value mends it") {
  CHECK(dies([] {
    Result<std::string> from = value();
    const Result<std::string> to = std::move(from);
    return from->empty();  // NOLINT(bugprone-use-after-move)
  }));
  CHECK(dies([] {
    Result<std::string> from = value();
    Result<std::string> to = failure();
    to = std::move(from);
    return (*from).empty();  // NOLINT(bugprone-use-after-move)
  }));
  Result<std::string> from = value();
  Result<std::string> to = std::move(from);
  from = value();
  CHECK(*from == "value");
  CHECK(*to == "value");
  to = failure();
  CHECK(!to);
  const Result<std::string> error = std::move(to);
  CHECK(error.error().code == ErrorCode::io);
}

TEST_CASE("a temporary result gives its value away as a temporary") {
  const auto owned = *Result<std::unique_ptr<int>>(std::make_unique<int>(3));
  CHECK(*owned == 3);
  static_assert(std::is_same_v<decltype(*value()), std::string&&>);
  static_assert(std::is_same_v<decltype(*std::declval<Result<std::string>&>()), std::string&>);
}

}  // namespace
