// SPDX-License-Identifier: Apache-2.0
// UTF-8 steps, trimming, lower and upper case, text as Python prints it.

#include <doctest/doctest.h>

#include <string>

#include <lamina/chat/lower_case.hpp>
#include <lamina/chat/python_text.hpp>
#include <lamina/core/unicode.hpp>
#include <lamina/tokenizer/utf8_assembler.hpp>

using lamina::Utf8Status;

TEST_CASE("every scalar value survives encoding and decoding, and everything else is refused") {
  std::size_t count = 0;
  for (char32_t scalar = 0; scalar < 0x110000; ++scalar) {
    if (scalar >= 0xD800 && scalar < 0xE000) continue;
    std::string text;
    lamina::append_utf8(text, scalar);
    const lamina::Utf8Step step = lamina::decode_utf8(text);
    if (step.status != Utf8Status::valid || step.size != text.size() || step.scalar != scalar) ++count;
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      const lamina::Utf8Step part = lamina::decode_utf8(std::string_view(text).substr(0, cut));
      if (part.status != Utf8Status::incomplete || part.size != cut) ++count;
    }
  }
  CHECK(count == 0);
  for (const std::string_view bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80",
                                     "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80", "\xFF", "\xC3("}) {
    CHECK(lamina::decode_utf8(bad).status == Utf8Status::ill_formed);
    CHECK(lamina::decode_utf8(bad).size == 1);
    CHECK_FALSE(lamina::is_valid_utf8(bad));
  }
  CHECK(lamina::decode_utf8("\xF0\x9F\x98(").size == 3);
  CHECK_FALSE(lamina::is_valid_utf8("a\xE2\x82"));
}

TEST_CASE("trim removes Python's white space at both ends") {
  CHECK(lamina::trim(" \t\n\x1C\xC2\xA0\xE3\x80\x80 a b \xE2\x80\x89\xC2\x85\r\n") == "a b");
  CHECK(lamina::trim("\xE2\x80\x8B") == "\xE2\x80\x8B");  // a zero-width space is none
  CHECK(lamina::trim(" \n ").empty());
  CHECK(lamina::trim("").empty());
  CHECK(lamina::trim_end("\xA0") == "\xA0");  // a lone continuation byte is no space
  std::size_t spaces = 0;
  for (char32_t scalar = 0; scalar < 0x110000; ++scalar) spaces += lamina::is_space(scalar) ? 1 : 0;
  CHECK(spaces == 29);
}

TEST_CASE("lower case is Python's for single values") {
  CHECK(lamina::lower_case("ABC xyz \xC3\x84\xCE\xA9\xD0\x96") == "abc xyz \xC3\xA4\xCF\x89\xD0\xB6");
  CHECK(lamina::lower_case(U'\u0178') == U'\u00FF');
  CHECK(lamina::lower_case(U'\u0100') == U'\u0101');
  CHECK(lamina::lower_case(U'\u0101') == U'\u0101');
  CHECK(lamina::lower_case(U'\U0001E921') == U'\U0001E943');
  CHECK(lamina::lower_case("\xFF"
                           "A") ==
        "\xFF"
        "a");
  std::size_t changed = 0;
  for (char32_t scalar = 0; scalar < 0x110000; ++scalar)
    changed += lamina::lower_case(scalar) != scalar ? 1 : 0;
  CHECK(changed == 1432);
}

TEST_CASE("words get the lower and upper case that Python gives them") {
  using lamina::lower_case;
  using lamina::detail::upper_case;
  CHECK(lower_case("\xC4\xB0") == "i\xCC\x87");                 // U+0130
  CHECK(lower_case("\xCE\x91\xCE\xA3") == "\xCE\xB1\xCF\x82");  // ends in a final sigma
  CHECK(lower_case("\xCE\xA3") == "\xCF\x83");                  // alone: no final one
  CHECK(lower_case("\xCE\x91\xCE\xA3\xCE\x91") == "\xCE\xB1\xCF\x83\xCE\xB1");
  CHECK(lower_case("\xCE\x91\xCE\xA3'\xCE\x91") == "\xCE\xB1\xCF\x83'\xCE\xB1");  // ' does not end a word
  CHECK(lower_case("\xCE\x91\xCE\xA3 \xCE\x91") == "\xCE\xB1\xCF\x82 \xCE\xB1");
  CHECK(lower_case("A'\xCE\xA3.") == "a'\xCF\x82.");
  CHECK(lower_case("\xCE\x91\xFF\xCE\xA3") == "\xCE\xB1\xFF\xCF\x83");
  CHECK(upper_case("stra\xC3\x9F"
                   "e") == "STRASSE");
  CHECK(upper_case("\xC3\xA9\xC7\x86\xC5\xBF\xFFk") == "\xC3\x89\xC7\x84S\xFFK");
  CHECK(upper_case("\xEF\xAC\x81") == "FI");
  std::size_t changed = 0;
  for (char32_t scalar = 0; scalar < 0x110000; ++scalar) {
    if (scalar >= 0xD800 && scalar < 0xE000) continue;
    std::string text;
    lamina::append_utf8(text, scalar);
    changed += upper_case(text) != text ? 1 : 0;
  }
  CHECK(changed == 1525);
}

TEST_CASE("strings inside lists are written as Python's repr") {
  const auto repr = [](std::string_view text) {
    std::string out;
    lamina::detail::append_python_repr(text, out);
    return out;
  };
  CHECK(repr("a") == "'a'");
  CHECK(repr("it's") == "\"it's\"");
  CHECK(repr("it's \"x\"") == "'it\\'s \"x\"'");
  CHECK(repr("\\\t\n\r\x1B\x7F") == "'\\\\\\t\\n\\r\\x1b\\x7f'");
  CHECK(repr("\xC2\xA0\xC3\xA9\xE2\x80\xA8\xF3\xA0\x80\x81") == "'\\xa0\xC3\xA9\\u2028\\U000e0001'");
}

TEST_CASE("the assembler gives the same text as decoding at once, for all short byte strings") {
  const unsigned char bytes[] = {0x41, 0x80, 0xA0, 0xC3, 0xE0, 0xED, 0xE2, 0xF0, 0xF4, 0x90, 0xFF};
  constexpr std::size_t kinds = sizeof bytes;
  std::size_t wrong = 0;
  for (std::size_t n = 0; n < kinds * kinds * kinds * kinds; ++n) {
    std::string text;
    for (std::size_t rest = n, i = 0; i < 4; ++i, rest /= kinds)
      text.push_back(static_cast<char>(bytes[rest % kinds]));
    std::string expected;
    for (std::string_view left = text; !left.empty();) {
      const lamina::Utf8Step step = lamina::decode_utf8(left);
      expected +=
          step.status == Utf8Status::valid ? left.substr(0, step.size) : lamina::replacement_character;
      left.remove_prefix(step.size);
    }
    std::string found;
    lamina::Utf8Assembler assembler;
    for (const char c : text) assembler.push(static_cast<std::uint8_t>(c), found);
    assembler.flush(found);
    if (found != expected) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("valid UTF-8 is what decodes character by character") {
  const auto by_steps = [](std::string_view left) {
    while (!left.empty()) {
      const lamina::Utf8Step step = lamina::decode_utf8(left);
      if (step.status != Utf8Status::valid) return false;
      left.remove_prefix(step.size);
    }
    return true;
  };
  const char edges[] = {'\x00', '\x41', '\x7F', '\x80', '\x8F', '\x90',
                        '\x9F', '\xA0', '\xBF', '\xC0', '\xFF'};
  std::size_t differ = 0;
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      for (const char third : edges) {
        for (const char fourth : edges) {
          const char bytes[] = {static_cast<char>(first), static_cast<char>(second), third, fourth};
          for (std::size_t size = 1; size <= 4; ++size) {
            const std::string_view text(bytes, size);
            differ += lamina::is_valid_utf8(text) != by_steps(text) ? 1 : 0;
          }
        }
      }
    }
  }
  CHECK(differ == 0);
}
