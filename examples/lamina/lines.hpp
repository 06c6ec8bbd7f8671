// SPDX-License-Identifier: Apache-2.0
// Text that comes from elsewhere, line by line or whole: files made on Windows mean the same as others. A
// byte order mark in front is dropped, and "\r\n" ends a line like "\n".
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>

namespace program {

/// Takes the byte order mark off the beginning of a text.
inline void drop_byte_order_mark(std::string& text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
}

/// Reads lines without their ends.
class LineReader {
 public:
  explicit LineReader(std::FILE* stream) noexcept : stream_(stream) {}

  /// False at the end, when the system refused, or when Ctrl-C broke the wait off.
  [[nodiscard]] bool next(std::string& line) {
    line.clear();
    int c = std::getc(stream_);
    for (; c != EOF && c != '\n'; c = std::getc(stream_)) line += static_cast<char>(c);
    if (c == EOF && (line.empty() || std::ferror(stream_) != 0)) return false;
    if (line.ends_with('\r')) line.pop_back();
    if (first_) drop_byte_order_mark(line);
    first_ = false;
    return true;
  }

 private:
  std::FILE* stream_;
  bool first_ = true;
};

/// Whether a text says nothing.
[[nodiscard]] inline bool is_blank(std::string_view text) noexcept {
  return text.find_first_not_of(" \t\r\n\v\f") == text.npos;
}

/// Whether reading came to its end. Errors: io, with `name` for the stream. Call it while errno is fresh.
[[nodiscard]] inline lamina::Status check_read(std::FILE* stream, std::string_view name) {
  if (std::ferror(stream) == 0) return lamina::Done{};
  return lamina::file_error(lamina::ErrorCode::io, lamina::place(name), "cannot be read", "a readable file",
                            std::strerror(errno));
}

/// Reads everything that is left, with "\n" for every "\r\n". Errors: io, with `name` for the stream.
[[nodiscard]] inline lamina::Result<std::string> read_all(std::FILE* stream, std::string_view name) {
  std::string text;
  char buffer[1 << 12];
  for (std::size_t count = 0; (count = std::fread(buffer, 1, sizeof buffer, stream)) > 0;)
    text.append(buffer, count);
  LAMINA_TRY(check_read(stream, name));
  drop_byte_order_mark(text);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool ends_line = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if (!ends_line) text[kept++] = text[i];
  }
  text.resize(kept);
  return text;
}

inline constexpr std::string_view stdin_name = "standard input";

}  // namespace program
