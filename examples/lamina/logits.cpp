// SPDX-License-Identifier: Apache-2.0
// `lamina logits`: the logits of all positions of a prompt, as a file or as their arg max.
#include <algorithm>
#include <bit>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <lamina/engine/check_options.hpp>
#include <lamina/state/state_file.hpp>

#include "commands.hpp"
#include "interrupt.hpp"
#include "logits.hpp"
#include "machine.hpp"
#include "media.hpp"
#include "model.hpp"
#include "numbers.hpp"
#include "output.hpp"
#include "report.hpp"
#include "terminal.hpp"
#include "text_parts.hpp"

namespace program {
namespace {

using lamina::Error;
using lamina::ErrorCode;

static_assert(std::endian::native == std::endian::little, "lamina logits --out writes memory as it is");

struct LogitsFlags {
  CommonOptions common;
  MediaOptions media;
  std::string tokens;
  std::string prompt;
  bool has_prompt = false;
  std::string out;
  std::string save_state;
  std::string load_state;
  bool jsonl = false;
  std::uint32_t parallel = 0;  ///< 0: not said
  std::uint32_t chunk = 0;
};

lamina::Result<lamina::EncodedPrompt> read_prompt(const LogitsFlags& flags, const OpenFile& file) {
  lamina::EncodedPrompt prompt;
  if (!flags.has_prompt) {
    auto ids = parse_ids(flags.tokens, "--tokens");
    if (!ids) return ids.error();
    prompt.ids = std::move(*ids);
    return prompt;
  }
  if (!file.tokenizer) return file.tokenizer.error();
  const auto hidden = static_cast<std::uint32_t>(file.weights.description.hidden);
  Towers towers(flags.common, flags.media, hidden);
  return encode_raw_prompt(flags.prompt, flags.media.sources, *file.tokenizer, hidden, towers);
}

/// Feeds a prompt in pieces of `chunk` tokens, or of a picture that is larger; writes rows to `out` (if any)
/// and collects each row's arg max.
lamina::Status write_rows(lamina::Session& session, const lamina::PromptTokens& prompt, std::uint32_t chunk,
                          bool keeps_blocks, const LogitsFlags& flags, OutputFile* out,
                          std::vector<std::size_t>& best) {
  ProgressBar bar("logits", prompt.size(), flags.common.talks() && prompt.size() > chunk);
  while (best.size() < prompt.size() && !interrupted()) {
    const lamina::PromptTokens rest = prompt.subspan(best.size());
    const std::size_t whole = lamina::whole_blocks(rest, chunk, keeps_blocks);
    const std::size_t count = whole > 0 ? whole : rest.soft_at(0)->count;
    const auto rows = session.logits_of(rest.first(count));
    if (!rows) return rows.error();
    if (out != nullptr)
      LAMINA_TRY(out->write({reinterpret_cast<const char*>(rows->data()), rows->size_bytes()}));
    add_best(*rows, session.vocab(), best);
    bar.at(best.size());
  }
  return out != nullptr ? out->close() : lamina::Status(lamina::Done{});
}

int logits(const LogitsFlags& flags) {
  const bool json = flags.common.json;
  if (flags.jsonl) {
    if (flags.has_prompt || !flags.tokens.empty() || !flags.save_state.empty() || !flags.load_state.empty()) {
      return fail_usage("logits: --jsonl takes its tokens from standard input, and no states",
                        "echo '{\"tokens\":[2,5,7]}' | lamina logits --jsonl", json);
    }
    catch_interrupts();
    return logits_of_lines({flags.common, flags.out, flags.chunk, flags.parallel});
  }
  if (flags.parallel > 0) {
    return fail_usage("logits: --parallel is for the lines of --jsonl",
                      "echo '{\"tokens\":[2,5,7]}' | lamina logits --jsonl --parallel 8", json);
  }
  if (flags.has_prompt == !flags.tokens.empty()) {
    return fail_usage("logits: either --tokens or --prompt is needed", "lamina logits --tokens 2,5,7", json);
  }
  catch_interrupts();
  if (!flags.media.sources.empty() && !flags.has_prompt) {
    return fail_usage("logits: pictures, sounds and videos need --prompt, which says where they go",
                      "lamina logits --prompt \"<|image|>\" --image FILE", json);
  }
  auto file = open_file(flags.common.model);
  if (!file) return fail(file.error(), json);
  const auto prompt = read_prompt(flags, *file);
  if (!prompt && !flags.has_prompt)
    return fail_usage(describe(prompt.error()).view(), "lamina logits --tokens 2,5,7", json);
  if (!prompt) return fail(prompt.error(), json);
  if (prompt->ids.empty()) return fail_usage("logits: no tokens", "lamina logits --tokens 2,5,7", json);

  const lamina::ModelDescription& model = file->weights.description;
  const std::uint32_t context = context_for(flags.common, model.max_context);
  if (const auto status = check_length(prompt->ids.size(), context, file->weights); !status)
    return fail(status.error(), json);
  std::uint32_t chunk = flags.chunk > 0 ? flags.chunk : default_logits_rows(model.vocab);
  chunk = static_cast<std::uint32_t>(std::min<std::size_t>(chunk, prompt->ids.size()));
  const std::uint32_t rows = std::max(chunk, largest_block(prompt->owners));
  auto engine = start(std::move(*file), flags.common, {.chunk = rows, .logits_rows = rows});
  if (!engine) return fail(engine.error(), json);

  if (!flags.load_state.empty()) {
    if (const auto loaded = load_state(*engine->session, flags.load_state); !loaded)
      return fail(loaded.error(), json);
    // Said before anything is computed, as without a state.
    const std::size_t all = engine->session->position() + prompt->ids.size();
    if (const auto status =
            lamina::check_length(all, engine->session->context(), engine->model->max_context());
        !status)
      return fail(status.error(), json);
  }
  std::optional<OutputFile> out;
  if (!flags.out.empty()) {
    auto made = OutputFile::create(flags.out);
    if (!made) return fail(made.error(), json);
    out.emplace(std::move(*made));
  }
  std::vector<std::size_t> best;
  const bool keeps_blocks = engine->model->entry().sees_blocks;
  if (const auto status = write_rows(*engine->session, prompt->tokens(), chunk, keeps_blocks, flags,
                                     out ? &*out : nullptr, best);
      !status) {
    return fail(status.error(), json);
  }
  if (!flags.save_state.empty() && !interrupted()) {
    if (const auto saved = save_state(*engine->session, flags.save_state); !saved)
      return fail(saved.error(), json);
  }
  const std::size_t vocab = engine->session->vocab();
  if (!out || json) {
    print(Json{{"shape", {best.size(), vocab}}, {"argmax", best}});
  } else {
    note(flags.common, "%s: float32, little-endian, [%zu, %zu]", flags.out.c_str(), best.size(), vocab);
  }
  return interrupted() ? exit_interrupted : exit_done;
}

}  // namespace

void add_logits(Program& program) {
  CLI::App* command = program.app.add_subcommand("logits", "Logits of all positions of a prompt");
  auto flags = std::make_shared<LogitsFlags>();
  add_common_flags(*command, flags->common);
  add_memory_flags(*command, flags->common);
  add_media_flags(*command, flags->media);
  command->add_option("--tokens", flags->tokens, "Token ids, such as 2,5,7");
  command
      ->add_option("--prompt", flags->prompt, "Raw text instead: special tokens match, <bos> is added once")
      ->each([flags](const std::string&) { flags->has_prompt = true; });
  command->add_option("--out", flags->out, "Write float32, little-endian, [tokens, vocabulary] to this file");
  add_number(*command, "--chunk", flags->chunk, 1U, 8192U,
             "Feed the prompt in chunks of this many tokens (at most 8192)");
  command->add_option("--save-state", flags->save_state,
                      "Keep what was read in this file, to go on from there");
  command->add_option("--load-state", flags->load_state, "Go on from a file that --save-state wrote");
  command->add_flag("--jsonl", flags->jsonl,
                    "Many prompts: reads {\"tokens\":[...]} per line; rows are in the order of the lines");
  add_number(*command, "--parallel", flags->parallel, 1U, 1024U,
             "With --jsonl: feed up to this many of them together (default 1)");
  command->callback([&program, command, flags] {
    flags->media.put_in_order(*command);
    program.action = [flags] { return logits(*flags); };
  });
}

}  // namespace program
