// SPDX-License-Identifier: Apache-2.0
// Ctrl-C as a flag that loops look at, instead of the end of the program.
#pragma once

namespace program {

/// From now on Ctrl-C ends the program at once, with the exit code of an interruption.
void end_on_interrupt() noexcept;

/// From now on the first Ctrl-C sets a flag; a second one before the flag is cleared ends the program at
/// once. Reads that wait (a line from the terminal) are broken off.
void catch_interrupts() noexcept;

[[nodiscard]] bool interrupted() noexcept;

void clear_interrupt() noexcept;

}  // namespace program
