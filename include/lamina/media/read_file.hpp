// SPDX-License-Identifier: Apache-2.0
// A whole media file in memory, if it is not larger than the caller allows.
#pragma once

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

/// Reads a regular file of 1 to `most_bytes` bytes.
///
/// The bytes are a copy, unlike those of a mapped weight file: media are small, and another process that
/// shortens the file must not take memory away from under a decoder.
///
/// Errors   io (the operating system refused), bad_file (empty, too large, no regular file, became shorter),
///          bad_argument (a path with a NUL byte), out_of_memory, unsupported (a platform without POSIX
///          files)
[[nodiscard]] inline Result<Buffer<std::byte>> read_file(const std::string& path, std::uint64_t most_bytes) {
  const FixedText<192> where = place(file_name_of(path));
  if (path.empty() || path.find('\0') != std::string::npos) {
    return file_error(ErrorCode::bad_argument, where, "path is empty or holds a NUL byte");
  }
#if LAMINA_READS_MEDIA_FILES
  struct Descriptor {
    int number;
    ~Descriptor() {
      if (number >= 0) ::close(number);
    }
  };
  // O_NONBLOCK: opening a named pipe must not wait for a writer; regular files ignore it.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.number < 0) {
    const int reason = errno;
    return file_error(ErrorCode::io, where, "cannot open", "a readable file", std::strerror(reason),
                      reason == ENOENT ? "check the path" : "");
  }
  struct ::stat info {};
  if (::fstat(file.number, &info) != 0 || !S_ISREG(info.st_mode)) {
    return bad_file(where, "not a regular file", "a regular file",
                    S_ISDIR(info.st_mode) ? "a directory" : "something else");
  }
  if (info.st_size <= 0) return bad_file(where, "file is empty", "at least 1 byte", "0 bytes");
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size > most_bytes) {
    return bad_file(where, "file is too large",
                    text("at most %llu bytes", static_cast<unsigned long long>(most_bytes)),
                    text("%llu bytes", static_cast<unsigned long long>(size)));
  }
  auto bytes = Buffer<std::byte>::make(static_cast<std::size_t>(size), where);
  if (!bytes) return bytes.error();
  for (std::size_t got = 0; got < bytes->size();) {
    const ::ssize_t step = ::read(file.number, bytes->data() + got, bytes->size() - got);
    if (step < 0 && errno == EINTR) continue;
    if (step < 0) return file_error(ErrorCode::io, where, "cannot read", "bytes", std::strerror(errno));
    if (step == 0) {
      return bad_file(where, "the file became shorter while it was read", text("%zu bytes", bytes->size()),
                      text("%zu bytes", got));
    }
    got += static_cast<std::size_t>(step);
  }
  return bytes;
#else
  (void)most_bytes;
  return file_error(ErrorCode::unsupported, where, "this platform has no POSIX files", "", "",
                    "read the file into memory and hand over its bytes");
#endif
}

}  // namespace lamina
