// SPDX-License-Identifier: Apache-2.0
// A file that appears under its name only when all of it is on disk.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/weights/mapped_file.hpp>

namespace lamina {

/// Whether two paths lead to one file; false also when one of them cannot be looked at.
[[nodiscard]] inline bool same_file(const std::string& a, const std::string& b) noexcept {
#if LAMINA_HAS_MMAP
  struct ::stat one {};
  struct ::stat other {};
  return ::stat(a.c_str(), &one) == 0 && ::stat(b.c_str(), &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
#else
  return a == b;
#endif
}

/// A file being written front to back under a temporary name beside its own; `finish` gives it its name.
/// Destroyed before that, it removes what was written. A killed process leaves "<name>.part-<id>-<number>".
class NewFile {
 public:
  /// Starts a file that will replace what lies at `path`, if that is a regular file.
  ///
  /// Errors   io (the operating system refused; `found` says why), bad_argument (a directory, a device),
  ///          unsupported (a platform without POSIX)
  [[nodiscard]] static Result<NewFile> create(const std::string& path) {
    if (path.empty() || path.find('\0') != std::string::npos) {
      return file_error(ErrorCode::bad_argument, place(path), "path is empty or holds a NUL byte");
    }
    const PathKind kind = path_kind(path);
    if (kind == PathKind::directory || kind == PathKind::other) {
      return file_error(ErrorCode::bad_argument, place(path), "cannot be written",
                        "the name of a regular file or of none",
                        kind == PathKind::directory ? "a directory" : "something else");
    }
#if LAMINA_HAS_MMAP
    NewFile file;
    file.path_ = path;
    constexpr int most_leftovers = 100;
    for (int number = 0; number < most_leftovers; ++number) {
      file.temporary_ = path + text(".part-%ld-%d", static_cast<long>(::getpid()), number).c_str();
      file.descriptor_ = ::open(file.temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (file.descriptor_ >= 0) return file;
      if (errno != EEXIST) break;
    }
    return file.refused();
#else
    return file_error(ErrorCode::unsupported, place(path), "this platform has no POSIX files");
#endif
  }

  NewFile(NewFile&& other) noexcept
      : path_(std::move(other.path_)),
        temporary_(std::move(other.temporary_)),
        descriptor_(std::exchange(other.descriptor_, -1)),
        size_(other.size_),
        waiting_(std::move(other.waiting_)) {}
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  NewFile& operator=(NewFile&&) = delete;

  ~NewFile() {
#if LAMINA_HAS_MMAP
    if (descriptor_ < 0) return;
    (void)::close(descriptor_);
    (void)::unlink(temporary_.c_str());
#endif
  }

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }  ///< bytes written so far

  /// Appends `bytes`. Errors: io.
  [[nodiscard]] Status write(std::span<const std::byte> bytes) {
    size_ += bytes.size();
    while (!bytes.empty()) {
      const bool whole = waiting_.empty() && bytes.size() >= large_page;
      const std::size_t count = whole ? bytes.size() / large_page * large_page
                                      : std::min(bytes.size(), large_page - waiting_.size());
      if (whole) {
        LAMINA_TRY(write_through(bytes.first(count)));
      } else {
        waiting_.insert(waiting_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
        if (waiting_.size() == large_page) LAMINA_TRY(flush());
      }
      bytes = bytes.subspan(count);
    }
    return Done{};
  }

  /// Appends zeros until the size is a multiple of `alignment`. Errors: io.
  [[nodiscard]] Status pad(std::uint64_t alignment) {
    constexpr std::byte zeros[64]{};
    for (std::uint64_t left = (alignment - size_ % alignment) % alignment; left > 0;) {
      const std::uint64_t count = left < sizeof zeros ? left : sizeof zeros;
      LAMINA_TRY(write(std::span(zeros).first(static_cast<std::size_t>(count))));
      left -= count;
    }
    return Done{};
  }

  /// Waits until everything is on disk, then gives the file its name. Errors: io; the file is removed then.
  [[nodiscard]] Status finish() {
    LAMINA_TRY(flush());
#if LAMINA_HAS_MMAP
    // Without waiting, a crash of the machine could leave a file of the right name and size that holds zeros.
    if (::fsync(descriptor_) != 0) return refused();
    const bool renamed = ::rename(temporary_.c_str(), path_.c_str()) == 0;
    if (!renamed) return refused();
    (void)::close(std::exchange(descriptor_, -1));
#endif
    return Done{};
  }

 private:
  // Where the page cache has large pages, it takes them for writes that fill them: a mapping of the new file
  // then has large pages too.
  static constexpr std::size_t large_page = std::size_t{2} << 20;

  NewFile() { waiting_.reserve(large_page); }

  [[nodiscard]] Status flush() {
    LAMINA_TRY(write_through(waiting_));
    waiting_.clear();
    return Done{};
  }

  [[nodiscard]] Status write_through([[maybe_unused]] std::span<const std::byte> bytes) noexcept {
#if LAMINA_HAS_MMAP
    while (!bytes.empty()) {
      const ::ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return refused();
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
#endif
    return Done{};
  }

  [[nodiscard]] Error refused() const noexcept {
    const int reason = errno;
    return file_error(ErrorCode::io, place(path_), "cannot be written", "a writable place with room enough",
                      std::strerror(reason), reason == ENOSPC ? "make room on this disk" : "");
  }

  std::string path_;
  std::string temporary_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  std::vector<std::byte> waiting_;  ///< the end of the file that fills no large page yet
};

}  // namespace lamina
