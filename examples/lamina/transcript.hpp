// SPDX-License-Identifier: Apache-2.0
// Conversations as JSON files, in the shape that `lamina prompt` reads.
#pragma once

#include <string>

#include <lamina/core/error.hpp>
#include <lamina/chat/call_parser.hpp>
#include <lamina/chat/conversation.hpp>

#include "report.hpp"

namespace program {

/// A tool's argument or result as JSON.
[[nodiscard]] Json value_json(const lamina::Value& value);

/// A call as {"name", "arguments"}, or {"malformed"} with its text.
[[nodiscard]] Json call_json(const lamina::ParsedCall& call);

/// Writes a conversation. Errors: io.
[[nodiscard]] lamina::Status save_transcript(const lamina::Conversation& conversation,
                                             const std::string& path);

/// Reads a conversation. Errors: io, bad_argument (the text is none).
[[nodiscard]] lamina::Result<lamina::Conversation> load_transcript(const std::string& path);

}  // namespace program
