// SPDX-License-Identifier: Apache-2.0
// How the program speaks: one line per error, JSON documents, notes; and its exit codes.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <lamina/core/error.hpp>

#include "options.hpp"

namespace program {

using Json = nlohmann::ordered_json;

inline constexpr int exit_done = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_interrupted = 130;  ///< 128 + SIGINT, as shells count

/// Prints "lamina: ..." and "hint: ..." on stderr, and the error document on stdout if `json`. Returns
/// `exit_failed`.
int fail(const lamina::Error& error, bool json);

/// As `fail` for memory that the system refused.
int fail_without_memory(bool json);

/// As `fail` for wrong usage: returns `exit_usage`.
int fail_usage(std::string_view message, std::string_view hint, bool json);

/// The document {"error": {...}}.
[[nodiscard]] Json error_document(const lamina::Error& error);

/// Text of a document on one line; bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string dump(const Json& document);

/// Writes `document` and a newline to stdout at once.
void print(const Json& document);

/// Prints one line on stderr if that is a terminal, unless `--quiet`.
__attribute__((format(printf, 2, 3))) void note(const CommonOptions& options, const char* format, ...);

/// Says on a terminal what the demo model can be asked, if that is the model.
void note_demo(const CommonOptions& options);

/// Says on stderr, terminal or not, that the work goes on with less than was meant, unless `--quiet`.
__attribute__((format(printf, 2, 3))) void note_less(const CommonOptions& options, const char* format, ...);

}  // namespace program
