// SPDX-License-Identifier: Apache-2.0
// The signal handler behind interrupt.hpp.
#include "interrupt.hpp"

#include <csignal>
#include <unistd.h>

namespace program {
namespace {

volatile std::sig_atomic_t pressed = 0;

extern "C" void on_interrupt(int) {
  if (pressed != 0) _exit(130);
  pressed = 1;
}

}  // namespace

void catch_interrupts() noexcept {
  struct sigaction action {};
  action.sa_handler = &on_interrupt;
  sigemptyset(&action.sa_mask);
  action.sa_flags = 0;  // no SA_RESTART: a waiting read returns
  sigaction(SIGINT, &action, nullptr);
}

bool interrupted() noexcept { return pressed != 0; }

void clear_interrupt() noexcept { pressed = 0; }

}  // namespace program
