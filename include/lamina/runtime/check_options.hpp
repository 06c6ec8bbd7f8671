// SPDX-License-Identifier: Apache-2.0
// The rules of a session's options, checked before anything is planned with them.
#pragma once

#include <cstdint>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/runtime/model_entry.hpp>

namespace lamina {

/// Most prompt tokens per pass: beyond it, memory grows and speed does not.
inline constexpr std::uint32_t most_chunk = 8192;

/// Checks the options of a session over a model that was made for `max_context` tokens.
///
/// Errors   bad_argument, naming the option
[[nodiscard]] inline Status check_options(const SessionOptions& options, std::uint32_t max_context) noexcept {
  const auto out_of_range = [](std::string_view where, std::string_view what, std::uint32_t most,
                               std::uint32_t found, std::string_view hint) {
    return Error{ErrorCode::bad_argument, where, what, text("1 to %u", most), text("%u", found), hint};
  };
  const auto unknown = [](std::string_view where, std::string_view expected, auto found) {
    return Error{ErrorCode::bad_argument,
                 where,
                 "unknown value",
                 expected,
                 text("%u", static_cast<unsigned>(found)),
                 ""};
  };
  if (options.context == 0 || options.context > max_context) {
    return out_of_range("context", "tokens of context outside the model's range", max_context,
                        options.context,
                        options.context == 0 ? "" : "choose a smaller `SessionOptions::context`");
  }
  if (options.chunk == 0 || options.chunk > most_chunk) {
    return out_of_range("chunk", "prompt tokens per pass out of range", most_chunk, options.chunk, "");
  }
  if (options.logits_rows == 0 || options.logits_rows > options.chunk) {
    return out_of_range("logits_rows", "rows of logits out of range", options.chunk, options.logits_rows,
                        "raise `chunk` or lower `logits_rows`");
  }
  if (!is_known(options.precision)) return unknown("precision", "fast or exact", options.precision);
  if (!is_known(options.cache)) return unknown("cache", "bf16, int8 or f32", options.cache);
  if (!is_known(options.embedding_scale)) {
    return unknown("embedding_scale", "automatic, float32 or bf16", options.embedding_scale);
  }
  if (options.executor != nullptr && options.executor->width() == 0) {
    return Error{ErrorCode::bad_argument, "executor", "an executor has the calling thread at least",
                 "a width of 1 or more",  "0",        ""};
  }
  return Done{};
}

}  // namespace lamina
