// SPDX-License-Identifier: Apache-2.0
// The bytes of a file: mapped read-only, so that only what is touched costs memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#if defined(__unix__) || defined(__APPLE__)
#define LAMINA_HAS_MMAP 1
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#else
#define LAMINA_HAS_MMAP 0
#endif

#include <lamina/core/block.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// How a mapped file is about to be read; the operating system reads ahead accordingly.
enum class AccessHint : std::uint8_t { normal, sequential, random, will_need };

/// Owns a read-only mapping of a regular file.
///
/// Another process that shortens the file while it is mapped makes later reads fail with SIGBUS: the
/// operating system offers no protection. Whatever decided an allocation or a bound was copied out of the map
/// before it was used.
class MappedFile final : public ByteOwner {
 public:
  /// Takes over the mapping and the open file.
  MappedFile(std::byte* first, std::size_t size, int descriptor) noexcept
      : first_(first), size_(size), descriptor_(descriptor) {}
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
#if LAMINA_HAS_MMAP
  ~MappedFile() override {
    ::munmap(first_, size_);
    ::close(descriptor_);
  }
#endif

  /// Gives back the pages that lie inside `bytes` altogether; reading them again maps them again.
  void release([[maybe_unused]] std::span<const std::byte> bytes) const noexcept override {
#if LAMINA_HAS_MMAP
    if (!can_read(bytes)) return;
    const auto begin = (static_cast<std::size_t>(bytes.data() - first_) + page - 1) / page * page;
    const auto end = static_cast<std::size_t>(bytes.data() + bytes.size() - first_) / page * page;
    if (begin < end) (void)::madvise(first_ + begin, end - begin, MADV_DONTNEED);
#endif
  }

  [[nodiscard]] bool can_read(std::span<const std::byte> bytes) const noexcept override {
    return bytes.data() >= first_ && bytes.data() + bytes.size() <= first_ + size_;
  }

  [[nodiscard]] bool read([[maybe_unused]] std::span<const std::byte> bytes,
                          [[maybe_unused]] std::byte* to) const noexcept override {
#if LAMINA_HAS_MMAP
    while (!bytes.empty()) {
      const ::ssize_t count = ::pread(descriptor_, to, bytes.size(), bytes.data() - first_);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return false;
      to += count;
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return true;
#else
    return false;
#endif
  }

  void expect([[maybe_unused]] std::span<const std::byte> bytes) const noexcept override {
#if LAMINA_HAS_MMAP && defined(POSIX_FADV_WILLNEED)
    (void)::posix_fadvise(descriptor_, bytes.data() - first_, static_cast<::off_t>(bytes.size()),
                          POSIX_FADV_WILLNEED);
#endif
  }

  void read_by_pieces([[maybe_unused]] std::span<const std::byte> bytes) const noexcept override {
#if LAMINA_HAS_MMAP
    const auto begin = (static_cast<std::size_t>(bytes.data() - first_) + page - 1) / page * page;
    const auto end = static_cast<std::size_t>(bytes.data() + bytes.size() - first_) / page * page;
    if (begin < end) (void)::madvise(first_ + begin, end - begin, MADV_RANDOM);
#endif
  }

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {first_, size_}; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Tells the operating system how the whole file will be read. A hint only: failure has no effect.
  void hint(AccessHint use) const noexcept {
#if LAMINA_HAS_MMAP
    const int advice = use == AccessHint::sequential  ? MADV_SEQUENTIAL
                       : use == AccessHint::random    ? MADV_RANDOM
                       : use == AccessHint::will_need ? MADV_WILLNEED
                                                      : MADV_NORMAL;
    (void)::madvise(first_, size_, advice);
#else
    (void)use;
#endif
  }

  /// Asks that `bytes`, and what lies around them in the same large pages, be read and mapped in large pages.
  /// A hint only. Requires `bytes` inside the mapping. Cost: a read that is not in memory reads 2 MiB.
  void prefer_large_pages([[maybe_unused]] std::span<const std::byte> bytes) const noexcept {
#if LAMINA_HAS_MMAP && defined(MADV_HUGEPAGE)
    constexpr std::uintptr_t large_page = large_page_bytes;
    const auto mapping = reinterpret_cast<std::uintptr_t>(first_);
    const auto begin = reinterpret_cast<std::uintptr_t>(bytes.data());
    const std::uintptr_t first = std::max(begin / large_page * large_page, mapping);
    const std::uintptr_t end =
        std::min((begin + bytes.size() + large_page - 1) / large_page * large_page, mapping + size_);
    (void)::madvise(first_ + (first - mapping), end - first, MADV_HUGEPAGE);
#endif
  }

 private:
  static constexpr std::size_t page = 4096;

  std::byte* first_;
  std::size_t size_;
  int descriptor_;
};

/// What lies at a path.
enum class PathKind : std::uint8_t { absent, file, directory, other, broken_link };

/// Looks what lies at a path (symbolic links followed); `absent` also when it cannot be looked at. Opening a
/// broken link says that it is one.
[[nodiscard]] inline PathKind path_kind(const std::string& path) noexcept {
#if LAMINA_HAS_MMAP
  struct ::stat info {};
  if (::stat(path.c_str(), &info) != 0)
    return ::lstat(path.c_str(), &info) == 0 ? PathKind::broken_link : PathKind::absent;
  return S_ISREG(info.st_mode)   ? PathKind::file
         : S_ISDIR(info.st_mode) ? PathKind::directory
                                 : PathKind::other;
#else
  (void)path;
  return PathKind::absent;
#endif
}

/// Maps a regular file read-only. Symbolic links are followed (the Hugging Face cache is made of them).
///
/// Errors   io (the operating system refused; `found` says why), bad_file (empty, or no regular file),
///          bad_argument (a path with a NUL byte), unsupported (a platform without mmap), out_of_memory
/// Cost     one mapping; no byte is read
[[nodiscard]] inline Result<std::unique_ptr<MappedFile>> open_mapped(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return file_error(ErrorCode::bad_argument, place(path), "path is empty or holds a NUL byte");
  }
#if LAMINA_HAS_MMAP
  // O_NONBLOCK: opening a named pipe must not wait for a writer; regular files ignore it.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    const int reason = errno;
    if (reason == ENOENT && path_kind(path) == PathKind::broken_link) {
      return file_error(ErrorCode::io, place(path), "cannot open", "a readable file",
                        "a link to a file that is not there", "the download is not complete: repeat it");
    }
    return file_error(ErrorCode::io, place(path), "cannot open", "a readable file", std::strerror(reason),
                      reason == ENOENT ? "check the path" : "");
  }
  struct ::stat info {};
  if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(descriptor);
    return bad_file(place(path), "not a regular file", "a regular file",
                    S_ISDIR(info.st_mode) ? "a directory" : "something else");
  }
  if (info.st_size <= 0) {
    ::close(descriptor);
    return bad_file(place(path), "file is empty", "at least 1 byte", "0 bytes");
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  void* first = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (first == MAP_FAILED) {
    const int reason = errno;
    ::close(descriptor);
    return file_error(ErrorCode::io, place(path), "cannot map", "a mapping", std::strerror(reason));
  }
  std::unique_ptr<MappedFile> file(new (std::nothrow)
                                       MappedFile(static_cast<std::byte*>(first), size, descriptor));
  if (file == nullptr) {
    ::munmap(first, size);
    ::close(descriptor);
    return refused_memory(path);
  }
  return file;
#else
  return file_error(ErrorCode::unsupported, place(path), "this platform has no mmap", "", "",
                    "read the file into memory and use read_gguf");
#endif
}

}  // namespace lamina
