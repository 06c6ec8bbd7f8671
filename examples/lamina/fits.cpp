// SPDX-License-Identifier: Apache-2.0
// `lamina fits`: which texts a schema lets through, token by token, and what its masks cost.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <lamina/json/schema/compiler.hpp>
#include <lamina/masks/constraint.hpp>

#include "answer_lines.hpp"
#include "commands.hpp"
#include "json_space.hpp"
#include "machine.hpp"
#include "numbers.hpp"
#include "options.hpp"
#include "report.hpp"
#include "schema_text.hpp"
#include "text_parts.hpp"

namespace program {
namespace {

using lamina::Error;
using lamina::ErrorCode;
using lamina::TokenId;

struct FitsFlags {
  CommonOptions common;
  std::string schema;
  bool jsonl = false;
  bool stats = false;
  bool times = false;
  bool writing = false;
  std::string json_space = "any";
};

double microseconds(const Stopwatch& watch) { return 1e6 * watch.seconds(); }

/// {"fits", "stopped_at", "tokens"} of one text. The time of each mask goes to `times`; `lists_them`: to the
/// answer, too.
lamina::Result<Json> fit(const lamina::TokenIndex& index, lamina::TokenConstraint& constraint,
                         std::string_view text, bool lists_them, std::vector<double>& times) {
  std::vector<TokenId> ids;
  LAMINA_TRY(index.tokenizer().encode(text, lamina::Special::ignore, ids));
  constraint.reset();
  const std::size_t before = times.size();
  std::size_t bytes = 0;
  bool fits = true;
  for (const TokenId id : ids) {
    const Stopwatch watch;
    const auto mask = constraint.mask();
    times.push_back(microseconds(watch));
    if (!mask) return mask.error();
    const std::string_view piece = index.bytes_of(id);
    fits = (*mask)->has(id);
    bytes += constraint.accept(piece);
    if (!fits) break;
  }
  fits = fits && constraint.may_end();
  Json answer{{"fits", fits}, {"stopped_at", fits ? Json() : Json(bytes)}, {"tokens", ids.size()}};
  if (lists_them)
    answer["mask_us"] = std::vector<double>(times.begin() + static_cast<std::ptrdiff_t>(before), times.end());
  return answer;
}

lamina::Result<Json> fit_line(const lamina::TokenIndex& index, lamina::TokenConstraint& constraint,
                              const std::string& line, bool lists_them, std::vector<double>& times) {
  const auto document = lamina::parse_json_value(line);
  if (!document) return document.error();
  const lamina::Value* text = document->find("text");
  if (text == nullptr || !text->is(lamina::Value::Kind::string))
    return Error{ErrorCode::bad_argument, "line", "document of another form", "{\"text\": ...}",
                 std::string_view(line),  ""};
  return fit(index, constraint, text->text, lists_them, times);
}

Json stats_of(double compile, std::vector<double> times) {
  if (times.empty()) times.push_back(0);
  std::sort(times.begin(), times.end());
  double sum = 0;
  for (const double time : times) sum += time;
  return {{"compile_us", compile},
          {"mask_us",
           {{"mean", sum / static_cast<double>(times.size())},
            {"p99", times[times.size() * 99 / 100]},
            {"max", times.back()}}}};
}

int fits(const FitsFlags& flags) {
  const bool json = flags.common.json || flags.jsonl;
  auto schema = schema_text(flags.schema);
  if (!schema) return fail(schema.error(), json);
  const Stopwatch watch;
  auto graph = lamina::compile_schema(*schema);
  double compile = microseconds(watch);
  if (!graph) return fail(graph.error(), json);
  const auto parts = open_text_parts(flags.common.model);
  if (!parts) return fail(parts.error(), json);
  const auto index = lamina::TokenIndex::create(parts->tokenizer);
  if (!index) return fail(index.error(), json);
  using lamina::masks::JsonTextLimits;
  const lamina::masks::JsonSpace space = *json_space_of(flags.json_space);
  JsonTextLimits limits = flags.writing ? JsonTextLimits::for_writing(space) : JsonTextLimits{};
  if (space == lamina::masks::JsonSpace::none) limits.spaces = 0;
  const Stopwatch start;
  lamina::SchemaConstraint constraint(std::make_shared<const lamina::masks::SchemaGraph>(std::move(*graph)),
                                      *index, limits);
  compile += microseconds(start);
  std::vector<double> times;
  const int code = answer_lines(flags.jsonl, json, [&](const std::string& line) {
    return flags.jsonl ? fit_line(*index, constraint, line, flags.times, times)
                       : fit(*index, constraint, line, flags.times, times);
  });
  if (flags.stats && std::ferror(stdin) == 0) print(stats_of(compile, std::move(times)));
  return code;
}

}  // namespace

void add_fits(Program& program) {
  CLI::App* command = program.app.add_subcommand("fits", "Which texts a JSON Schema lets through");
  auto flags = std::make_shared<FitsFlags>();
  add_common_flags(*command, flags->common);
  command->add_option("--schema", flags->schema, "A file with a JSON Schema, or its text")->required();
  command->add_flag("--jsonl", flags->jsonl,
                    "One {\"text\":...} per line of stdin (default: each line is a text)");
  command->add_flag("--writing", flags->writing,
                    "Which of them a model may write (default: all spellings of JSON)");
  add_choice(*command, "--json-space", flags->json_space, {"any", "none"},
             "White space between values: any or none");
  command->add_flag("--stats", flags->stats,
                    "One more line with the time of compiling and of the masks, in microseconds");
  command->add_flag("--times", flags->times, "Each answer lists the times of its masks (\"mask_us\")");
  command->footer("-m may also be a tokenizer.json or a GGUF file that holds only a vocabulary.");
  command->callback([&program, flags] { program.action = [flags] { return fits(*flags); }; });
}

}  // namespace program
