// SPDX-License-Identifier: Apache-2.0
// Calls of the operating system that fail on demand, or before which the process is killed: the n-th of this
// thread that opens, maps, reads, writes or renames a file.
//
// Include it in exactly one source file of a program: its functions take the place of the C library's.
#pragma once

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstddef>
#include <cstdint>

namespace lamina_test {

/// What one thread's calls are still granted.
struct SystemGrants {
  std::size_t calls = SIZE_MAX;  ///< that succeed; the one behind them fails, and those after it succeed
  std::size_t refused = 0;
  bool kills = false;  ///< where a call would fail, the process ends as by `kill -9`
};
inline thread_local SystemGrants system_grants;

/// Whether this call is the one that fails; sets errno then.
inline bool fails(int reason) noexcept {
  if (system_grants.calls == SIZE_MAX) return false;
  if (system_grants.calls-- > 0) return false;
  system_grants.calls = SIZE_MAX;
  ++system_grants.refused;
  if (system_grants.kills) static_cast<void>(::raise(SIGKILL));
  errno = reason;
  return true;
}

template <class Function>
Function* next_of(const char* name) noexcept {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace lamina_test

extern "C" {

int open(const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  static auto* const next = lamina_test::next_of<int(const char*, int, ...)>("open");
  return lamina_test::fails(EMFILE) ? -1 : next(path, flags, mode);
}

int fstat(int file, struct stat* info) noexcept {
  static auto* const next = lamina_test::next_of<int(int, struct stat*)>("fstat");
  return lamina_test::fails(EIO) ? -1 : next(file, info);
}

void* mmap(void* place, size_t bytes, int protection, int flags, int file, off_t offset) noexcept {
  static auto* const next = lamina_test::next_of<void*(void*, size_t, int, int, int, off_t)>("mmap");
  return lamina_test::fails(ENOMEM) ? MAP_FAILED : next(place, bytes, protection, flags, file, offset);
}

ssize_t pread(int file, void* to, size_t bytes, off_t offset) {
  static auto* const next = lamina_test::next_of<ssize_t(int, void*, size_t, off_t)>("pread");
  return lamina_test::fails(EIO) ? -1 : next(file, to, bytes, offset);
}

ssize_t write(int file, const void* from, size_t bytes) {
  static auto* const next = lamina_test::next_of<ssize_t(int, const void*, size_t)>("write");
  return lamina_test::fails(ENOSPC) ? -1 : next(file, from, bytes);
}

int fsync(int file) {
  static auto* const next = lamina_test::next_of<int(int)>("fsync");
  return lamina_test::fails(EIO) ? -1 : next(file);
}

int rename(const char* from, const char* to) noexcept {
  static auto* const next = lamina_test::next_of<int(const char*, const char*)>("rename");
  return lamina_test::fails(EACCES) ? -1 : next(from, to);
}
}
