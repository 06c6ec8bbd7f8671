// SPDX-License-Identifier: Apache-2.0
// Sub-commands that answer every line of standard input by one document.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>

#include <lamina/core/error.hpp>

#include "lines.hpp"
#include "output.hpp"
#include "report.hpp"

namespace program {

/// Prints what `convert(line)` makes of each line, a `lamina::Result<Json>`. A bad line takes nothing from
/// the others: its place holds the error. Returns an exit code; `json`: whether the stream's own error is
/// printed as a document, too.
template <class Convert>
[[nodiscard]] int answer_lines(bool skips_blank, bool json, Convert&& convert) {
  int code = exit_done;
  LineReader lines(stdin);
  std::string line;
  for (std::size_t number = 1; !output_failed() && lines.next(line); ++number) {
    if (skips_blank && is_blank(line)) continue;
    const lamina::Result<Json> result = convert(line);
    if (result) {
      print(*result);
      continue;
    }
    lamina::Error error = result.error();
    error.where = lamina::text("line %zu: %s", number, result.error().where.c_str()).view();
    code = fail(error, true);
  }
  if (const auto status = check_read(stdin, stdin_name); !status) return fail(status.error(), json);
  return code;
}

}  // namespace program
