// SPDX-License-Identifier: Apache-2.0
// Short ways to build the errors of file readers: which file, which thing in it, which rule, expected and
// found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <lamina/core/error.hpp>

namespace lamina {

/// Last component of a path: "/models/a.gguf" -> "a.gguf". Messages name files by it.
[[nodiscard]] constexpr std::string_view file_name_of(std::string_view path) noexcept {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos || path.size() == 1 ? path : tail_of(path, slash + 1);
}

/// Writes "file: item" for `Error::where`; the item (a key, a tensor) is left out when empty.
[[nodiscard]] inline FixedText<192> place(std::string_view file, std::string_view item = {}) noexcept {
  FixedText<192> where(file);
  if (!item.empty()) {
    if (!file.empty()) where.append(": ");
    where.append(item);
  }
  return where;
}

/// Builds an error of any code; `expected` and `found` come in pairs or not at all.
[[nodiscard]] inline Error file_error(ErrorCode code, const FixedText<192>& where, std::string_view what,
                                      std::string_view expected = {}, std::string_view found = {},
                                      std::string_view hint = {}) noexcept {
  // A name or value that is empty in the file still has to be told.
  const bool is_empty = found.empty() && !expected.empty();
  return Error{code, where, what, expected, is_empty ? "nothing" : found, hint};
}

/// Builds the error of bytes that break a rule of their container.
[[nodiscard]] inline Error bad_file(const FixedText<192>& where, std::string_view what,
                                    std::string_view expected = {}, std::string_view found = {},
                                    std::string_view hint = {}) noexcept {
  return file_error(ErrorCode::bad_file, where, what, expected, found, hint);
}

/// Multiplies without wrapping; false when the product needs more than 63 bits (weight-files.md §1.9 rule
/// 11).
[[nodiscard]] constexpr bool checked_multiply(std::uint64_t a, std::uint64_t b,
                                              std::uint64_t& product) noexcept {
  constexpr std::uint64_t limit = INT64_MAX;
  if (b != 0 && a > limit / b) return false;
  product = a * b;
  return true;
}

}  // namespace lamina
