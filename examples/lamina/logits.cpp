// SPDX-License-Identifier: Apache-2.0
// `lamina logits`: the logits of all positions of a prompt, as a file or as their arg max.
#include <algorithm>
#include <bit>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "commands.hpp"
#include "interrupt.hpp"
#include "machine.hpp"
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
  std::uint32_t chunk = 0;
};

/// Rows whose logits are held at once unless `--chunk` says so: at most 256 MiB of them.
std::uint32_t default_chunk(std::int32_t vocab) {
  return static_cast<std::uint32_t>(std::clamp((std::int32_t{1} << 26) / vocab, 1, 512));
}

lamina::Result<std::vector<lamina::TokenId>> prompt_ids(const LogitsFlags& flags, const OpenFile& file) {
  if (!flags.has_prompt) return parse_ids(flags.tokens, "--tokens");
  const auto& tokenizer = file.tokenizer;
  if (!tokenizer) return tokenizer.error();
  const lamina::TextSpan span{flags.prompt, lamina::Special::match};
  std::vector<lamina::TokenId> ids;
  LAMINA_TRY(tokenizer->encode(std::span(&span, 1), ids, lamina::Bos::once));
  LAMINA_TRY(check_text_only(ids, *tokenizer, "--prompt"));
  return ids;
}

/// Feeds `ids` chunk by chunk; writes rows to `out` (if any) and collects each row's arg max.
lamina::Status write_rows(lamina::Session& session, std::span<const lamina::TokenId> ids,
                          const LogitsFlags& flags, OutputFile* out, std::vector<std::size_t>& best) {
  ProgressBar bar("logits", ids.size(), flags.common.talks() && ids.size() > session.options().chunk);
  while (best.size() < ids.size() && !interrupted()) {
    const std::size_t count = std::min<std::size_t>(session.options().logits_rows, ids.size() - best.size());
    const auto rows = session.logits_of(ids.subspan(best.size(), count));
    if (!rows) return rows.error();
    if (out != nullptr)
      LAMINA_TRY(out->write({reinterpret_cast<const char*>(rows->data()), rows->size_bytes()}));
    for (std::size_t i = 0; i < count; ++i) {
      const auto row = rows->subspan(i * session.vocab(), session.vocab());
      best.push_back(static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin()));
    }
    bar.at(best.size());
  }
  return out != nullptr ? out->close() : lamina::Status(lamina::Done{});
}

int logits(const LogitsFlags& flags) {
  const bool json = flags.common.json;
  if (const auto status = check_media(flags.media); !status) return fail(status.error(), json);
  if (flags.has_prompt == !flags.tokens.empty()) {
    return fail_usage("logits: either --tokens or --prompt is needed", "lamina logits --tokens 2,5,7", json);
  }
  catch_interrupts();
  auto file = open_file(flags.common.model);
  if (!file) return fail(file.error(), json);
  const auto ids = prompt_ids(flags, *file);
  if (!ids && !flags.has_prompt)
    return fail_usage(describe(ids.error()).view(), "lamina logits --tokens 2,5,7", json);
  if (!ids) return fail(ids.error(), json);
  if (ids->empty()) return fail_usage("logits: no tokens", "lamina logits --tokens 2,5,7", json);

  const lamina::ModelDescription& model = file->weights.description;
  const std::uint32_t context = context_for(flags.common, model.max_context);
  if (const auto status = check_length(ids->size(), context, file->weights); !status)
    return fail(status.error(), json);
  std::uint32_t chunk = flags.chunk > 0 ? flags.chunk : default_chunk(model.vocab);
  chunk = static_cast<std::uint32_t>(std::min<std::size_t>(chunk, ids->size()));
  auto engine = start(std::move(*file), flags.common, {.chunk = chunk, .logits_rows = chunk});
  if (!engine) return fail(engine.error(), json);

  std::optional<OutputFile> out;
  if (!flags.out.empty()) {
    auto made = OutputFile::create(flags.out);
    if (!made) return fail(made.error(), json);
    out.emplace(std::move(*made));
  }
  std::vector<std::size_t> best;
  if (const auto status = write_rows(*engine->session, *ids, flags, out ? &*out : nullptr, best); !status) {
    return fail(status.error(), json);
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
  add_media_flags(*command, flags->media);
  command->add_option("--tokens", flags->tokens, "Token ids, such as 2,5,7");
  command
      ->add_option("--prompt", flags->prompt, "Raw text instead: special tokens match, <bos> is added once")
      ->each([flags](const std::string&) { flags->has_prompt = true; });
  command->add_option("--out", flags->out, "Write float32, little-endian, [tokens, vocabulary] to this file");
  add_number(*command, "--chunk", flags->chunk, 1U, 8192U,
             "Feed the prompt in chunks of this many tokens (at most 8192)");
  command->callback([&program, flags] { program.action = [flags] { return logits(*flags); }; });
}

}  // namespace program
