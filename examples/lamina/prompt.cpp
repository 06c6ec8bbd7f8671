// SPDX-License-Identifier: Apache-2.0
// `lamina prompt`: conversations in the OpenAI shape to the exact prompt, as text or ids; replies to events.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <lamina/json/conversation.hpp>
#include <lamina/chat/chat_template.hpp>

#include "answer_lines.hpp"
#include "commands.hpp"
#include "lines.hpp"
#include "media.hpp"
#include "numbers.hpp"
#include "output.hpp"
#include "reply.hpp"
#include "report.hpp"
#include "text_parts.hpp"

namespace program {
namespace {

struct PromptFlags {
  CommonOptions common;
  MediaOptions media;
  bool jsonl = false;
  bool ids = false;
  bool think = false;
  bool parse = false;
  std::uint32_t split = 0;  ///< ids at a time; 0: all at once
  std::string size;
};

lamina::TemplateSize size_for(const PromptFlags& flags, const TextParts& parts) {
  if (flags.size == "small") return lamina::TemplateSize::small;
  if (flags.size == "large") return lamina::TemplateSize::large;
  return parts.size;
}

/// One conversation to {"text": ...} or {"ids": [...]}.
lamina::Result<Json> render(std::string_view request, const PromptFlags& flags, const TextParts& parts,
                            Towers& towers) {
  auto conversation = lamina::read_chat_json(request);
  if (!conversation) return conversation.error();
  // Place holders for pictures are tokens; a vocabulary without them would spell them as words. A bare
  // tokenizer's ids are the template's, but those for a model must not hide what it cannot see.
  if (flags.ids && parts.has_model) LAMINA_TRY(towers.encode_conversation(*conversation));
  if (parts.tokenizer.special().image_soft == lamina::no_token)
    LAMINA_TRY(lamina::check_encoded(*conversation));
  if (flags.think) conversation->enable_thinking = true;
  const auto prompt = lamina::render_chat(*conversation, size_for(flags, parts));
  if (!prompt) return prompt.error();
  if (!flags.ids) return Json{{"text", prompt->text()}};
  std::vector<lamina::TokenId> ids;
  LAMINA_TRY(parts.tokenizer.encode(prompt->spans(), ids, lamina::Bos::once));
  if (prompt->media_pieces().empty()) return Json{{"ids", ids}};
  auto encoded = lamina::place_media(ids, prompt->media_pieces(), parts.tokenizer,
                                     prompt->media_pieces()[0][0].hidden());
  if (!encoded) return encoded.error();
  // Rows have ids of their own; who reads the output expects the vocabulary's.
  const lamina::SpecialTokens& special = parts.tokenizer.special();
  for (std::size_t i = 0; i < encoded->soft.size(); ++i) {
    const lamina::Medium kind = encoded->owners[i].kind();
    const lamina::TokenId id = kind == lamina::Medium::image   ? special.image_soft
                               : kind == lamina::Medium::video ? special.video_soft
                                                               : special.audio_soft;
    std::fill_n(encoded->ids.begin() + encoded->soft[i].first, encoded->soft[i].count, id);
  }
  return Json{{"ids", encoded->ids}};
}

std::size_t split_of(const PromptFlags& flags) { return flags.split == 0 ? SIZE_MAX : flags.split; }

int convert_lines(const PromptFlags& flags, const TextParts& parts, Towers& towers) {
  return answer_lines(true, true, [&](const std::string& line) {
    return flags.parse ? parse_reply_line(parts.tokenizer, line, split_of(flags))
                       : render(line, flags, parts, towers);
  });
}

int prompt(const PromptFlags& flags) {
  const auto parts = open_text_parts(flags.common.model);
  if (!parts) return fail(parts.error(), flags.common.json);
  Towers towers(flags.common, flags.media);
  if (flags.jsonl) return convert_lines(flags, *parts, towers);
  const auto request = read_all(stdin, stdin_name);
  if (!request) return fail(request.error(), flags.common.json);
  if (flags.parse) {
    const auto reply = parse_reply_text(parts->tokenizer, *request, split_of(flags));
    if (!reply) return fail(reply.error(), flags.common.json);
    print(*reply);
    return exit_done;
  }
  const auto result = render(*request, flags, *parts, towers);
  if (!result) return fail(result.error(), flags.common.json);
  if (flags.common.json) {
    print(*result);
  } else if (flags.ids) {
    std::string line;
    for (const Json& id : (*result)["ids"]) line += (line.empty() ? "" : " ") + id.dump();
    put(line += '\n');
  } else {
    put((*result)["text"].get_ref<const std::string&>());
  }
  return exit_done;
}

}  // namespace

void add_prompt(Program& program) {
  CLI::App* command = program.app.add_subcommand("prompt", "Conversation (JSON on stdin) to prompt");
  auto flags = std::make_shared<PromptFlags>();
  add_common_flags(*command, flags->common);
  add_media_settings(*command, flags->media);
  command->add_flag("--jsonl", flags->jsonl,
                    "One conversation per line, answered by {\"text\":...} or {\"ids\":...}");
  command->add_flag("--ids", flags->ids, "Token ids instead of text");
  command->add_flag("--think", flags->think, "Turn thinking on, whatever the conversation says");
  add_choice(*command, "--template", flags->size, {"small", "large"},
             "small (E2B, E4B, demo) or large (default: by the model)");
  CLI::Option* parse = command->add_flag("--parse", flags->parse,
                                         "The way back: a reply (its text, or with --jsonl {\"ids\":...} or "
                                         "{\"text\":...} per line) to what it says and calls");
  add_number(*command, "--split", flags->split, 1U, UINT32_MAX, "With --parse: feed so many ids at a time")
      ->needs(parse);
  for (const char* other : {"--ids", "--think", "--template"}) parse->excludes(other);
  command->footer("-m may also be a tokenizer.json or a GGUF file that holds only a vocabulary.");
  command->callback([&program, flags] { program.action = [flags] { return prompt(*flags); }; });
}

}  // namespace program
