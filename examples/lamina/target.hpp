// SPDX-License-Identifier: Apache-2.0
// What the program was compiled for, and whether this CPU could do better.
#pragma once

#include <string>

namespace program {

/// The target that the models were compiled for, "AVX2", or of several levels the one that runs:
/// "AVX512_VNNI".
[[nodiscard]] std::string target_name();

/// The instructions that multiply bytes, and bf16 numbers where the target does that natively: "vpdpbusd,
/// vdpbf16ps".
[[nodiscard]] std::string kernel_names();

/// What makes the program slower than it could be on this CPU, and what to do about it; empty if nothing
/// does.
[[nodiscard]] std::string target_warning();

/// The answer to `--version`: the version, the target, and the warning if there is one, a line each.
[[nodiscard]] std::string version_text();

}  // namespace program
