// SPDX-License-Identifier: Apache-2.0
// Checks that a result is an error which names the thing: place and message contain what the test says.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include <lamina/core/error.hpp>

template <class T>
void expect_error(const lamina::Result<T>& result, lamina::ErrorCode code, std::string_view where,
                  std::string_view what) {
  REQUIRE_FALSE(static_cast<bool>(result));
  if (result) return;  // without exceptions REQUIRE goes on
  const lamina::Error& error = result.error();
  CAPTURE(std::string(lamina::describe(error).view()));
  CHECK(lamina::name_of(error.code) == lamina::name_of(code));
  CHECK(error.where.view().find(where) != std::string_view::npos);
  CHECK(error.what.view().find(what) != std::string_view::npos);
  CHECK(error.expected.empty() == error.found.empty());
}

/// The message of a result that should be good; empty then.
template <class T>
std::string message_of(const lamina::Result<T>& result) {
  return result ? std::string() : std::string(lamina::describe(result.error()).view());
}

/// The value of a result; the test stops without one.
template <class T>
T must(lamina::Result<T> result) {
  REQUIRE_MESSAGE(static_cast<bool>(result), message_of(result));
  return std::move(*result);
}
