// SPDX-License-Identifier: Apache-2.0
// What stands for the C library and std::vector where there is neither.
#include <doctest/doctest.h>

#include <cfloat>
#include <climits>
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <lamina/core/plain/format.hpp>
#include <lamina/core/plain/list.hpp>

namespace {

struct Formatted {
  char ours[64];
  char theirs[64];
};

__attribute__((format(printf, 1, 2))) Formatted format_both(const char* format, ...) {
  Formatted both{};
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(both.theirs, sizeof both.theirs, format, arguments);
  va_end(arguments);
  va_start(arguments, format);
  lamina::detail::PlainFormat(both.ours, sizeof both.ours).write(format, arguments);
  va_end(arguments);
  return both;
}

}  // namespace

TEST_CASE("plain format: what messages use is written as printf writes it") {
  const std::string long_text(100, 'x');
  for (const Formatted& both : {
           format_both("blk.%d.", 7),
           format_both("%05d|%5d|%d|%i", -42, 7, INT_MIN, INT_MAX),
           format_both("%zu %u %llu", SIZE_MAX, UINT_MAX, ULLONG_MAX),
           format_both("%lld %ld %05zu", LLONG_MIN, LONG_MAX, std::size_t{3}),
           format_both("%02x %08x %04X %02X %02llu", 10U, 0xDEADBEEFU, 0xABCU, 255U, 4ULL),
           format_both("%c%% %.*s|%s|%.3s", 'q', 3, "abcdef", "xyz", "longer"),
           format_both("%s", long_text.c_str()),
           format_both("no conversion"),
       }) {
    CHECK(std::string(both.ours) == both.theirs);
  }
  CHECK(std::string(format_both("%g %.1f", 12.75, -3.0).ours) == "12 -3");
  CHECK(std::string(format_both("%g", DBL_MAX).ours) == "?");
  CHECK(std::string(format_both("%g", double{NAN}).ours) == "?");
}

TEST_CASE("plain list: grows as a vector does, and drops what does not fit") {
  std::uint32_t memory[6];
  lamina::FixedList<std::uint32_t> list(memory);
  std::vector<std::uint32_t> twin;
  const auto same = [&] { return std::vector<std::uint32_t>(list.begin(), list.end()) == twin; };
  for (const std::uint32_t value : {3U, 1U, 4U}) {
    list.push_back(value);
    twin.push_back(value);
  }
  const std::uint32_t more[] = {7, 8};
  list.insert(list.begin() + 1, more, more + 2);
  twin.insert(twin.begin() + 1, more, more + 2);
  CHECK(same());
  list.insert(list.begin(), 9);
  twin.insert(twin.begin(), 9);
  CHECK(same());
  CHECK(!list.overflowed());
  list.push_back(5);
  CHECK(list.overflowed());
  CHECK(same());
  list.insert(list.end(), more, more + 2);
  CHECK(same());
  list.resize(2);
  twin.resize(2);
  list.resize(4);
  twin.resize(4);
  CHECK(same());
  list.resize(7);
  CHECK(list.size() == 4);
  list.pop_back();
  CHECK(list.back() == 0);
  list.clear();
  CHECK(list.empty());
  CHECK(!list.overflowed());
}
