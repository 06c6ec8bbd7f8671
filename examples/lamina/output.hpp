// SPDX-License-Identifier: Apache-2.0
// What the program writes: every byte delivered, or an error that is remembered and ends in exit code 1.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <lamina/core/error.hpp>

namespace program {

/// Call it before anything opens a file. Fills closed descriptors 0 to 2 with ones that cannot be used, so
/// that no file takes their place and their use is still an error; makes writing to a reader that went away,
/// or beyond a limit, an error instead of the end of the program.
void protect_streams() noexcept;

/// Writes to standard output, through a buffer. After a failure nothing more is written.
void put(std::string_view text) noexcept;

/// As `put`, like printf.
__attribute__((format(printf, 1, 2))) void putf(const char* format, ...);

void flush_output() noexcept;

/// Whether output was lost: work whose only use is more output can stop.
[[nodiscard]] bool output_failed() noexcept;

/// Delivers what waits. Errors: io, if anything that was written here is lost.
[[nodiscard]] lamina::Status finish_output() noexcept;

/// A file that is written front to back.
class OutputFile {
 public:
  /// Makes the file, or empties it. Errors: io.
  [[nodiscard]] static lamina::Result<OutputFile> create(const std::string& path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  /// Errors: io.
  [[nodiscard]] lamina::Status write(std::string_view bytes);
  /// Writes where `offset` bytes lie before. Requires `has_places()`. Errors: io.
  [[nodiscard]] lamina::Status write_at(std::uint64_t offset, std::string_view bytes);
  /// Whether it can be written anywhere: a pipe cannot.
  [[nodiscard]] bool has_places() const noexcept;
  /// The last chance of a file system to say that it has no room. Errors: io.
  [[nodiscard]] lamina::Status close();

 private:
  OutputFile(const std::string& path, int descriptor) : path_(path), descriptor_(descriptor) {}

  std::string path_;
  int descriptor_;
};

/// Writes a file that appears under its name only when all of it is on disk: what lay there before is whole
/// until then. A pipe or a device is written as it is. Errors: io, bad_argument (a directory).
[[nodiscard]] lamina::Status write_whole_file(const std::string& path, std::string_view text);

}  // namespace program
