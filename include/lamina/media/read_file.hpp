// SPDX-License-Identifier: Apache-2.0
// A media file in memory, if it is not larger than the caller allows, or its first bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#if defined(__unix__) || defined(__APPLE__)
#define LAMINA_READS_MEDIA_FILES 1
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#else
#define LAMINA_READS_MEDIA_FILES 0
#endif

#include <lamina/core/file_error.hpp>
#include <lamina/media/buffer.hpp>

namespace lamina {

namespace detail {

#if LAMINA_READS_MEDIA_FILES

/// A regular file that is open for reading.
class OpenFile {
 public:
  OpenFile(int descriptor, std::uint64_t size) noexcept : descriptor_(descriptor), size_(size) {}
  OpenFile(OpenFile&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), size_(other.size_) {}
  OpenFile& operator=(OpenFile&&) = delete;
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  /// Opens a file of at least one byte.
  [[nodiscard]] static Result<OpenFile> open(const std::string& path, const FixedText<192>& where) noexcept {
    // O_NONBLOCK: opening a named pipe must not wait for a writer; regular files ignore it.
    OpenFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK), 0);
    if (file.descriptor_ < 0) {
      const int reason = errno;
      return file_error(ErrorCode::io, where, "cannot open", "a readable file", std::strerror(reason),
                        reason == ENOENT ? "check the path" : "");
    }
    struct ::stat info {};
    if (::fstat(file.descriptor_, &info) != 0 || !S_ISREG(info.st_mode)) {
      return bad_file(where, "not a regular file", "a regular file",
                      S_ISDIR(info.st_mode) ? "a directory" : "something else");
    }
    if (info.st_size <= 0) return bad_file(where, "file is empty", "at least 1 byte", "0 bytes");
    file.size_ = static_cast<std::uint64_t>(info.st_size);
    return file;
  }

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

  /// Reads the next `count` bytes, all of them.
  [[nodiscard]] Result<Buffer<std::byte>> read(std::size_t count,
                                               const FixedText<192>& where) const noexcept {
    auto bytes = Buffer<std::byte>::make(count, where);
    if (!bytes) return bytes;
    for (std::size_t got = 0; got < count;) {
      const ::ssize_t step = ::read(descriptor_, bytes->data() + got, count - got);
      if (step < 0 && errno == EINTR) continue;
      if (step < 0) return file_error(ErrorCode::io, where, "cannot read", "bytes", std::strerror(errno));
      if (step == 0) {
        return bad_file(where, "the file became shorter while it was read", text("%zu bytes", count),
                        text("%zu bytes", got));
      }
      got += static_cast<std::size_t>(step);
    }
    return bytes;
  }

 private:
  int descriptor_;
  std::uint64_t size_;
};

#endif

/// Reads a file of at most `most_bytes`, or only the first `head_bytes` of it.
[[nodiscard]] inline Result<Buffer<std::byte>> read_up_to(const std::string& path, std::uint64_t most_bytes,
                                                          std::uint64_t head_bytes) noexcept {
  const FixedText<192> where = place(file_name_of(path));
  if (path.empty() || path.find('\0') != std::string::npos) {
    return file_error(ErrorCode::bad_argument, where, "path is empty or holds a NUL byte");
  }
#if LAMINA_READS_MEDIA_FILES
  const auto file = OpenFile::open(path, where);
  if (!file) return file.error();
  if (file->size() > most_bytes) {
    return file_error(ErrorCode::out_of_memory, where, "file is too large",
                      text("at most %llu bytes", static_cast<unsigned long long>(most_bytes)),
                      text("%llu bytes", static_cast<unsigned long long>(file->size())));
  }
  return file->read(static_cast<std::size_t>(std::min(file->size(), head_bytes)), where);
#else
  (void)most_bytes;
  (void)head_bytes;
  return file_error(ErrorCode::unsupported, where, "this platform has no POSIX files", "", "",
                    "read the file into memory and hand over its bytes");
#endif
}

}  // namespace detail

/// Reads a regular file of 1 to `most_bytes` bytes.
///
/// The bytes are a copy, unlike those of a mapped weight file: media are small, and another process that
/// shortens the file must not take memory away from under a decoder.
///
/// Errors   io (the operating system refused), bad_file (empty, too large, no regular file, became shorter),
///          bad_argument (a path with a NUL byte), out_of_memory, unsupported (a platform without POSIX
///          files)
[[nodiscard]] inline Result<Buffer<std::byte>> read_file(const std::string& path,
                                                         std::uint64_t most_bytes) noexcept {
  return detail::read_up_to(path, most_bytes, UINT64_MAX);
}

/// Reads the first `bytes` bytes of a regular file, or all of a shorter one.
///
/// Errors   as `read_file`; no size is too large
[[nodiscard]] inline Result<Buffer<std::byte>> read_head(const std::string& path,
                                                         std::size_t bytes) noexcept {
  return detail::read_up_to(path, UINT64_MAX, bytes);
}

}  // namespace lamina
