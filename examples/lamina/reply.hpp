// SPDX-License-Identifier: Apache-2.0
// `lamina prompt --parse`: the ids or the text of a reply to what it says and calls.
#pragma once

#include <cstddef>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/tokenizer/tokenizer.hpp>

#include "report.hpp"

namespace program {

/// Parses {"ids": [...]} or {"text": ...}, either with "starts_in_thought", to {"thought", "text",
/// "tool_calls", "finish", "events"}. `split` ids are fed at a time; the result does not depend on it.
[[nodiscard]] lamina::Result<Json> parse_reply_line(const lamina::Tokenizer& tokenizer, std::string_view line,
                                                    std::size_t split);

/// As `parse_reply_line` for the bare text of a reply, special tokens as they are spelled.
[[nodiscard]] lamina::Result<Json> parse_reply_text(const lamina::Tokenizer& tokenizer, std::string_view text,
                                                    std::size_t split);

}  // namespace program
