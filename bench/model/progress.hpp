// SPDX-License-Identifier: Apache-2.0
// Says on stderr how far long work is: one line that redraws itself on a terminal, now and then a line
// elsewhere.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string_view>

namespace bench {

class Progress {
 public:
  Progress(std::string_view label, std::uint32_t total) noexcept
      : label_(label), total_(total), terminal_(isatty(STDERR_FILENO) != 0) {}
  ~Progress() {
    if (terminal_ && drawn_) std::fputs("\r\033[K", stderr);
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `count` more of the total are done.
  void add(std::uint32_t count) {
    done_ += count;
    const auto now = std::chrono::steady_clock::now();
    if (now - shown_ < std::chrono::seconds(terminal_ ? 1 : 20) || total_ == 0) return;
    shown_ = now;
    drawn_ = true;
    std::fprintf(stderr, "%s%.*s %u %%%s", terminal_ ? "\r" : "", static_cast<int>(label_.size()),
                 label_.data(), static_cast<unsigned>(std::uint64_t{100} * done_ / total_),
                 terminal_ ? "" : "\n");
  }

 private:
  std::string_view label_;
  std::uint32_t total_;
  std::uint32_t done_ = 0;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point shown_ = std::chrono::steady_clock::now();
};

}  // namespace bench
