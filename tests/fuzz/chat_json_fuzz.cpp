// SPDX-License-Identifier: Apache-2.0
// Any bytes as a conversation with tools, on to prompts of both sizes; what is read must survive being
// written.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <lamina/json/conversation.hpp>
#include <lamina/chat/chat_template.hpp>

#include "support/value_json.hpp"

namespace {

/// JSON -> value -> JSON -> value must end where it began.
void check_value(const lamina::Value& value) {
  if (!lamina::nests_within(value, lamina::deepest_value)) return;
  std::string once;
  lamina::append_json(value, once);
  if (!lamina::is_valid_utf8(once)) __builtin_trap();
  const auto read = lamina::parse_json_value(once);
  if (!read) __builtin_trap();
  std::string twice;
  lamina::append_json(*read, twice);
  if (once != twice) __builtin_trap();
}

void check_prompt(const lamina::Conversation& chat, lamina::TemplateSize size) {
  const auto prompt = lamina::render_chat(chat, size);
  if (!prompt) return;
  std::string joined;
  for (const lamina::TextSpan& span : prompt->spans()) joined.append(span.text);
  if (joined != prompt->text() || !joined.starts_with("<bos>") || !lamina::is_valid_utf8(joined)) {
    __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  const auto value = lamina::parse_json_value(json);
  if (!value) return 0;
  check_value(*value);
  const auto chat = lamina::read_chat_value(*value);
  if (!chat) return 0;
  (void)lamina::check_encoded(*chat);
  check_prompt(*chat, lamina::TemplateSize::small);
  check_prompt(*chat, lamina::TemplateSize::large);
  return 0;
}
