// SPDX-License-Identifier: Apache-2.0
// A flag that takes a JSON Schema as a file or as its text.
#pragma once

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>

#include "lines.hpp"

namespace program {

/// All of a file. Errors: io.
[[nodiscard]] inline lamina::Result<std::string> read_text_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  if (file == nullptr) {
    return lamina::file_error(lamina::ErrorCode::io, lamina::place(path), "cannot open", "a readable file",
                              std::strerror(errno));
  }
  return read_all(file.get(), path);
}

/// The schema that a flag's value is, or names: a text begins with "{", "true" or "false". Errors: io.
[[nodiscard]] inline lamina::Result<std::string> schema_text(const std::string& value) {
  const std::size_t at = value.find_first_not_of(" \t\r\n");
  if (at != value.npos && (value[at] == '{' || value == "true" || value == "false")) return value;
  return read_text_file(value);
}

}  // namespace program
