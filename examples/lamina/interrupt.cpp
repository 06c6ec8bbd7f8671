// SPDX-License-Identifier: Apache-2.0
// The signal handler behind interrupt.hpp.
#include "interrupt.hpp"

#include <csignal>
#include <unistd.h>

namespace program {
namespace {

volatile std::sig_atomic_t pressed = 0;

extern "C" void on_last_interrupt(int) { _exit(130); }

extern "C" void on_interrupt(int) {
  if (pressed != 0) _exit(130);
  pressed = 1;
}

void handle_interrupts(void (*handler)(int)) noexcept {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = 0;  // no SA_RESTART: a waiting read returns
  sigaction(SIGINT, &action, nullptr);
}

}  // namespace

void end_on_interrupt() noexcept { handle_interrupts(&on_last_interrupt); }

void catch_interrupts() noexcept { handle_interrupts(&on_interrupt); }

bool interrupted() noexcept { return pressed != 0; }

void clear_interrupt() noexcept { pressed = 0; }

}  // namespace program
