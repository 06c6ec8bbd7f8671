// SPDX-License-Identifier: Apache-2.0
// The rules of what one pass may be asked for: its buffers have the size that the session's options gave
// them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/runtime/model_entry.hpp>
#include <lamina/runtime/runner.hpp>

namespace lamina {

/// Rows of a segment whose logits are wanted.
[[nodiscard]] inline std::uint32_t wanted_rows(const Segment& segment) noexcept {
  const auto rows = static_cast<std::uint32_t>(segment.tokens.size());
  return segment.logits == LogitsWanted::all    ? rows
         : segment.logits == LogitsWanted::last ? std::min(rows, 1U)
                                                : 0;
}

/// Checks what `Runner::forward` requires of its segments.
///
/// Errors   bad_argument, naming what is wrong
/// Cost     reads every token once
[[nodiscard]] inline Status check_segments(std::span<const Segment> segments, const SessionOptions& options,
                                           std::uint32_t vocab) noexcept {
  const auto wrong = [](std::string_view where, std::string_view what, std::uint64_t most,
                        std::uint64_t found) {
    return Error{ErrorCode::bad_argument,
                 where,
                 what,
                 text("at most %llu", static_cast<unsigned long long>(most)),
                 text("%llu", static_cast<unsigned long long>(found)),
                 ""};
  };
  if (segments.size() > Runner::most_segments) {
    return wrong("segments", "too many sequences in one pass", Runner::most_segments, segments.size());
  }
  std::uint64_t rows = 0;
  std::uint64_t wanted = 0;
  for (const Segment& segment : segments) {
    if (segment.cache == nullptr) {
      return Error{ErrorCode::bad_argument, "segments", "a segment has no cache", "", "", ""};
    }
    rows += segment.tokens.size();
    if (rows > options.chunk) return wrong("chunk", "too many tokens in one pass", options.chunk, rows);
    wanted += wanted_rows(segment);
    if (wanted > options.logits_rows) {
      return wrong("logits_rows", "too many rows of logits wanted", options.logits_rows, wanted);
    }
    const std::uint64_t end = std::uint64_t{segment.first_position} + segment.tokens.size();
    if (end > options.context) {
      return wrong("context", "more tokens than were planned for", options.context, end);
    }
    for (const TokenId token : segment.tokens) {
      if (token >= vocab) return wrong("tokens", "token id outside the vocabulary", vocab - 1, token);
    }
  }
  return Done{};
}

}  // namespace lamina
