// SPDX-License-Identifier: Apache-2.0
// `lamina logits`, of one prompt or of many.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "options.hpp"

namespace program {

/// Rows whose logits are held at once unless `--chunk` says so: at most 256 MiB of them.
[[nodiscard]] inline std::uint32_t default_logits_rows(std::int32_t vocab) {
  return static_cast<std::uint32_t>(std::clamp((std::int32_t{1} << 26) / vocab, 1, 512));
}

/// Appends the arg max of each row of `logits` [n, vocab].
inline void add_best(std::span<const float> logits, std::size_t vocab, std::vector<std::size_t>& best) {
  for (; !logits.empty(); logits = logits.subspan(vocab)) {
    const auto row = logits.first(vocab);
    best.push_back(static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin()));
  }
}

/// What `lamina logits --jsonl` was asked.
struct LinesOfLogits {
  const CommonOptions& common;
  const std::string& out;
  std::uint32_t chunk = 0;     ///< rows of a pass; 0: `default_logits_rows`
  std::uint32_t parallel = 0;  ///< sequences at a time; 0: one
};

/// Reads {"tokens":[...]} per line and gives the logits of each, in the order of the lines. Returns an exit
/// code.
[[nodiscard]] int logits_of_lines(const LinesOfLogits& asked);

}  // namespace program
