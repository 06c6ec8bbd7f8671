// SPDX-License-Identifier: Apache-2.0
// What looks different on a terminal: dimmed thinking and a progress bar.
#pragma once

#include <cstdint>
#include <string_view>

namespace program {

[[nodiscard]] bool stdin_is_terminal() noexcept;
[[nodiscard]] bool stdout_is_terminal() noexcept;
[[nodiscard]] bool stderr_is_terminal() noexcept;

/// Streams an answer: thinking dimmed on a terminal and on stderr otherwise, so that a pipe gets the answer
/// alone.
class AnswerPrinter {
 public:
  /// `silent`: prints nothing (JSON output); `show_thought`: whether thinking may go to stderr.
  AnswerPrinter(bool silent, bool show_thought) noexcept;

  void text(std::string_view piece);
  void thought(std::string_view piece);
  /// Ends the answer's line and all colours.
  void finish();

 private:
  void dim(bool wanted);

  bool silent_;
  bool show_thought_;
  bool terminal_;
  bool dimmed_ = false;
  bool wrote_thought_ = false;
  bool wrote_text_ = false;
  char last_ = '\n';
};

/// A bar on stderr that redraws itself; does nothing when stderr is no terminal.
class ProgressBar {
 public:
  ProgressBar(std::string_view label, std::uint64_t total, bool enabled) noexcept;
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void at(std::uint64_t done);

 private:
  std::string_view label_;
  std::uint64_t total_;
  bool enabled_;
  int drawn_percent_ = -1;
};

}  // namespace program
