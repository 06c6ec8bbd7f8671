// SPDX-License-Identifier: Apache-2.0
// Colours and the progress bar.
#include "terminal.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "output.hpp"

namespace program {

bool stdin_is_terminal() noexcept { return isatty(STDIN_FILENO) != 0; }
bool stdout_is_terminal() noexcept { return isatty(STDOUT_FILENO) != 0; }
bool stderr_is_terminal() noexcept { return isatty(STDERR_FILENO) != 0; }

namespace {

void show_on_stdout(std::string_view piece) {
  put(piece);
  flush_output();
}

void show_on_stderr(std::string_view piece) {
  std::fwrite(piece.data(), 1, piece.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

AnswerPrinter::AnswerPrinter(bool silent, bool show_thought) noexcept
    : silent_(silent), show_thought_(show_thought), terminal_(stdout_is_terminal()) {}

void AnswerPrinter::dim(bool wanted) {
  if (dimmed_ == wanted || !terminal_) return;
  show_on_stdout(wanted ? "\x1b[2m" : "\x1b[0m");
  dimmed_ = wanted;
}

void AnswerPrinter::thought(std::string_view piece) {
  if (silent_ || piece.empty() || (!terminal_ && !show_thought_)) return;
  dim(true);
  (terminal_ ? show_on_stdout : show_on_stderr)(piece);
  wrote_thought_ = true;
  last_ = piece.back();
}

void AnswerPrinter::text(std::string_view piece) {
  if (silent_ || piece.empty()) return;
  if (wrote_thought_ && !wrote_text_ && last_ != '\n') (terminal_ ? show_on_stdout : show_on_stderr)("\n");
  dim(false);
  show_on_stdout(piece);
  wrote_text_ = true;
  last_ = piece.back();
}

void AnswerPrinter::finish() {
  if (silent_) return;
  dim(false);
  if (last_ != '\n') (wrote_text_ || terminal_ ? show_on_stdout : show_on_stderr)("\n");
  last_ = '\n';
}

ProgressBar::ProgressBar(std::string_view label, std::uint64_t total, bool enabled) noexcept
    : label_(label), total_(total), enabled_(enabled && total > 0 && stderr_is_terminal()) {}

ProgressBar::~ProgressBar() {
  if (drawn_percent_ >= 0) show_on_stderr("\r\x1b[K");
}

void ProgressBar::at(std::uint64_t done) {
  if (!enabled_) return;
  const int percent = static_cast<int>(100 * std::min(done, total_) / total_);
  if (percent == drawn_percent_) return;
  drawn_percent_ = percent;
  constexpr std::size_t width = 30;
  const std::size_t filled = width * static_cast<std::size_t>(percent) / 100;
  std::string line = "\r";
  line.append(label_).append(" [").append(filled, '#').append(width - filled, '.').append("] ");
  line.append(std::to_string(percent)).append(" %");
  show_on_stderr(line);
}

}  // namespace program
