// SPDX-License-Identifier: Apache-2.0
// Standard output and files, written through the system's own calls: stdio drops what it holds when a signal
// breaks a write off, and forgets why a write failed.
#include "output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <span>
#include <utility>

#include <lamina/core/file_error.hpp>
#include <lamina/weights/mapped_file.hpp>
#include <lamina/weights/new_file.hpp>

namespace program {
namespace {

constexpr std::size_t output_room = std::size_t{1} << 16;
char output_buffer[output_room];
std::size_t output_waiting = 0;
int output_error = 0;  ///< errno of the first write that failed

/// Writes everything; returns 0, or why not.
int write_fully(int descriptor, std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const ::ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return errno;
    // Somebody who shares the pipe or terminal with us asked for writes that do not wait.
    ::pollfd wait{descriptor, POLLOUT, 0};
    (void)::poll(&wait, 1, -1);
  }
  return 0;
}

lamina::Error not_written(const lamina::FixedText<192>& where, int reason) {
  return lamina::file_error(lamina::ErrorCode::io, where, "cannot be written",
                            "a place that takes the output", std::strerror(reason),
                            reason == ENOSPC ? "make room on this disk" : "");
}

}  // namespace

void protect_streams() noexcept {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is this one. What must be read is opened for writing, and the other way round.
    const int access = descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (::open("/dev/null", access) < 0) (void)::open("/", O_RDONLY);  // a directory: no reads, no writes
  }
  (void)std::signal(SIGPIPE, SIG_IGN);
  (void)std::signal(SIGXFSZ, SIG_IGN);
}

void put(std::string_view text) noexcept {
  while (!text.empty() && output_error == 0) {
    if (output_waiting == output_room) flush_output();
    const std::size_t count = std::min(text.size(), output_room - output_waiting);
    std::memcpy(output_buffer + output_waiting, text.data(), count);
    output_waiting += count;
    text.remove_prefix(count);
  }
}

void putf(const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  std::va_list again;
  va_copy(again, arguments);
  const int size = std::vsnprintf(nullptr, 0, format, arguments);
  va_end(arguments);
  std::string text(static_cast<std::size_t>(std::max(size, 0)) + 1, '\0');
  (void)std::vsnprintf(text.data(), text.size(), format, again);
  va_end(again);
  text.pop_back();
  put(text);
}

void flush_output() noexcept {
  const std::size_t count = std::exchange(output_waiting, 0);
  if (output_error == 0) output_error = write_fully(STDOUT_FILENO, {output_buffer, count});
}

bool output_failed() noexcept { return output_error != 0; }

lamina::Status finish_output() noexcept {
  flush_output();
  if (output_error != 0) return not_written("standard output", output_error);
  return lamina::Done{};
}

lamina::Result<OutputFile> OutputFile::create(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return not_written(lamina::place(path), errno);
  return OutputFile(path, descriptor);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) (void)::close(descriptor_);
}

lamina::Status OutputFile::write(std::string_view bytes) {
  if (const int reason = write_fully(descriptor_, bytes); reason != 0) {
    return not_written(lamina::place(path_), reason);
  }
  return lamina::Done{};
}

bool OutputFile::has_places() const noexcept { return ::lseek(descriptor_, 0, SEEK_CUR) >= 0; }

lamina::Status OutputFile::write_at(std::uint64_t offset, std::string_view bytes) {
  if (::lseek(descriptor_, static_cast<::off_t>(offset), SEEK_SET) < 0)
    return not_written(lamina::place(path_), errno);
  return write(bytes);
}

lamina::Status OutputFile::close() {
  if (::close(std::exchange(descriptor_, -1)) != 0) return not_written(lamina::place(path_), errno);
  return lamina::Done{};
}

lamina::Status write_whole_file(const std::string& path, std::string_view text) {
  if (lamina::path_kind(path) == lamina::PathKind::other) {
    auto file = OutputFile::create(path);
    if (!file) return file.error();
    LAMINA_TRY(file->write(text));
    return file->close();
  }
  auto file = lamina::NewFile::create(path);
  if (!file) return file.error();
  LAMINA_TRY(file->write(std::as_bytes(std::span(text))));
  return file->finish();
}

}  // namespace program
