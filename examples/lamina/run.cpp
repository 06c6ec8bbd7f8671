// SPDX-License-Identifier: Apache-2.0
// `lamina run`: one turn, streamed.
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <lamina/chat/chat_template.hpp>

#include "answer.hpp"
#include "commands.hpp"
#include "drafting.hpp"
#include "interrupt.hpp"
#include "lines.hpp"
#include "media.hpp"
#include "text_parts.hpp"

namespace program {
namespace {

struct RunFlags {
  CommonOptions common;
  GenerationOptions generation;
  MediaOptions media;
  std::string text;
  bool has_text = false;
  bool raw = false;
  std::string tokens;
};

/// What is asked, as ids and soft rows.
struct RunPrompt {
  lamina::EncodedPrompt encoded;
  lamina::AnswerForm form = lamina::AnswerForm::parsed;
  lamina::ResponseStart start = lamina::ResponseStart::answer;
};

/// What was opened, as far as prompts need it.
struct PromptNeeds {
  const lamina::Tokenizer& tokenizer;
  lamina::TemplateSize size;
  std::uint32_t hidden;
  Towers& towers;
};

lamina::Result<RunPrompt> chat_prompt(const RunFlags& flags, const PromptNeeds& needs) {
  lamina::Conversation conversation;
  conversation.enable_thinking = flags.generation.think;
  lamina::Message message;
  if (!flags.generation.system.empty()) {
    message.role = "system";
    message.content = flags.generation.system;
    conversation.messages.push_back(message);
  }
  message.role = "user";
  message.content = flags.text;
  if (!flags.media.sources.empty()) {
    auto parts = needs.towers.encode_parts(flags.media.sources);
    if (!parts) return parts.error();
    if (!is_blank(flags.text)) parts->push_back(lamina::text_part(flags.text));
    message.content = std::move(*parts);
  }
  conversation.messages.push_back(message);
  const auto prompt = lamina::render_chat(conversation, needs.size);
  if (!prompt) return prompt.error();
  RunPrompt result;
  auto encoded = lamina::encode_prompt(*prompt, needs.tokenizer, needs.hidden);
  if (!encoded) return encoded.error();
  result.encoded = std::move(*encoded);
  if (lamina::starts_in_thought(prompt->text())) result.start = lamina::ResponseStart::thought;
  return result;
}

/// Text without a template: special texts count, as in `lamina logits --prompt`.
lamina::Result<RunPrompt> raw_prompt(const RunFlags& flags, const PromptNeeds& needs) {
  auto encoded =
      encode_raw_prompt(flags.text, flags.media.sources, needs.tokenizer, needs.hidden, needs.towers);
  if (!encoded) return encoded.error();
  return RunPrompt{std::move(*encoded), lamina::AnswerForm::raw};
}

int answer_prompt(const RunFlags& flags, const std::vector<lamina::TokenId>& given) {
  const bool json = flags.common.json;
  catch_interrupts();
  auto file = open_file(flags.common.model);
  if (!file) return fail(file.error(), json);
  // Ids need no tokenizer: without one, the answer has ids only.
  if (!file->tokenizer && given.empty()) return fail(file->tokenizer.error(), json);
  const auto hidden = static_cast<std::uint32_t>(file->weights.description.hidden);
  Towers towers(flags.common, flags.media, hidden);
  lamina::Result<RunPrompt> prompt = RunPrompt{{given, {}, {}}, lamina::AnswerForm::raw};
  if (given.empty()) {
    const PromptNeeds needs{*file->tokenizer, file->weights.description.template_size(), hidden, towers};
    prompt = flags.raw ? raw_prompt(flags, needs) : chat_prompt(flags, needs);
  }
  if (!prompt) return fail(prompt.error(), json);
  const std::uint32_t context = context_for(flags.common, file->weights.description.max_context);
  if (const auto status = check_length(prompt->encoded.ids.size(), context, file->weights); !status)
    return fail(status.error(), json);
  auto engine =
      start(std::move(*file), flags.common,
            {.block = largest_block(prompt->encoded.owners), .tower_bytes = towers.bytes(), .drafts = true});
  if (!engine) return fail(engine.error(), json);
  const auto options = generation_options(*engine->model, flags.common, flags.generation);
  if (!options) return fail(options.error(), json);
  auto generator = lamina::Generator::create(*engine->model, *options);
  if (!generator) return fail(generator.error(), json);
  if (engine->drafter) {
    auto ahead =
        lamina::ReadAhead::create(*engine->drafter, engine->session->engine(), draft_options(flags.common));
    if (!ahead) return fail(ahead.error(), json);
    generator->read_ahead(std::move(*ahead));
  }

  note_demo(flags.common);
  AnswerView view(flags.common, engine->session->options().chunk);
  const bool thinks = flags.generation.think && prompt->form == lamina::AnswerForm::parsed;
  const auto answer = generator->answer(
      *engine->session, {prompt->encoded.tokens(), prompt->form, prompt->start, 0, thinks}, view);
  view.finish();
  if (!answer) return fail(answer.error(), json);
  if (json) print(answer_json(*answer, engine->load_seconds, engine->model->tokenizer()));
  note_timing(flags.common, *answer);
  return answer->stop == lamina::StopReason::interrupted ? exit_interrupted : exit_done;
}

int run(RunFlags& flags) {
  const bool json = flags.common.json;
  constexpr std::string_view example = "lamina run \"Reverse lamina.\"";
  if (!flags.tokens.empty()) {
    if (!flags.media.sources.empty()) {
      return fail_usage("run: pictures, sounds and videos go with a text, not with --tokens",
                        "lamina run --image FILE \"What is this?\"", json);
    }
    if (flags.has_text) return fail_usage("run: --tokens stands instead of a text", example, json);
    const auto ids = parse_ids(flags.tokens, "--tokens");
    if (!ids) return fail_usage(describe(ids.error()).view(), "lamina run --tokens 2,5,7", json);
    if (ids->empty()) return fail_usage("run: no tokens", "lamina run --tokens 2,5,7", json);
    return answer_prompt(flags, *ids);
  }
  if (!flags.has_text && !stdin_is_terminal()) {
    auto text = read_all(stdin, stdin_name);
    if (!text) return fail(text.error(), json);
    flags.text = std::move(*text);
  }
  if (flags.raw ? flags.text.empty() : is_blank(flags.text))
    return fail_usage("run: expected a text, found nothing", example, json);
  return answer_prompt(flags, {});
}

}  // namespace

void add_run(Program& program) {
  CLI::App* command = program.app.add_subcommand("run", "One turn of chat, streamed");
  auto flags = std::make_shared<RunFlags>();
  add_common_flags(*command, flags->common);
  add_memory_flags(*command, flags->common);
  add_draft_flags(*command, flags->common);
  add_generation_flags(*command, flags->generation);
  add_media_flags(*command, flags->media);
  command->add_option("text", flags->text, "What to say to the model (default: all of stdin)")
      ->each([flags](const std::string&) { flags->has_text = true; });
  command->add_flag("--raw", flags->raw,
                    "No chat template: the text as it is, special tokens match, <bos> added once");
  command->add_option("--tokens", flags->tokens, "Token ids instead of a text, no template: 2,5,7");
  command->footer(std::string(demo_exercises));
  command->callback([&program, command, flags] {
    flags->media.put_in_order(*command);
    program.action = [flags] { return run(*flags); };
  });
}

}  // namespace program
