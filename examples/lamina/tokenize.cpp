// SPDX-License-Identifier: Apache-2.0
// `lamina tokenize`: text to ids and back, line by line.
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <lamina/json/value.hpp>

#include "commands.hpp"
#include "lines.hpp"
#include "numbers.hpp"
#include "output.hpp"
#include "report.hpp"
#include "text_parts.hpp"

namespace program {
namespace {

using lamina::Error;
using lamina::ErrorCode;
using lamina::TokenId;

struct TokenizeFlags {
  CommonOptions common;
  bool decode = false;
  bool jsonl = false;
  bool special = false;
};

Json encoded(const lamina::Tokenizer& tokenizer, std::string_view text, bool special,
             lamina::Status& status) {
  std::vector<TokenId> ids;
  status = tokenizer.encode(text, special ? lamina::Special::match : lamina::Special::ignore, ids);
  return Json{{"ids", ids}};
}

lamina::Status check_ids(const lamina::Tokenizer& tokenizer, std::span<const TokenId> ids) {
  for (const TokenId id : ids) {
    if (id >= tokenizer.size()) return id_outside(tokenizer, lamina::text("%u", id).view());
  }
  return lamina::Done{};
}

Json decoded(const lamina::Tokenizer& tokenizer, std::span<const TokenId> ids) {
  return Json{{"text", tokenizer.decode(ids)}};
}

/// One line of `--jsonl`: {"text": ...} or {"ids": [...]}.
Json convert_document(const lamina::Tokenizer& tokenizer, std::string_view line, bool special,
                      lamina::Status& status) {
  using Kind = lamina::Value::Kind;
  const auto document = lamina::parse_json_value(line);
  if (!document) {
    status = document.error();
    return {};
  }
  if (const lamina::Value* text = document->find("text"); text != nullptr && text->is(Kind::string)) {
    return encoded(tokenizer, text->text, special, status);
  }
  if (const lamina::Value* list = document->find("ids"); list != nullptr && list->is(Kind::list)) {
    const auto ids = ids_of(*list, tokenizer);
    if (ids) return decoded(tokenizer, *ids);
    status = ids.error();
    return {};
  }
  status = Error{ErrorCode::bad_argument,
                 "line",
                 "document of another form",
                 "{\"text\": ...} or {\"ids\": [...]}",
                 line,
                 ""};
  return {};
}

Json convert_line(const lamina::Tokenizer& tokenizer, std::string_view line, const TokenizeFlags& flags,
                  lamina::Status& status) {
  if (flags.jsonl) return convert_document(tokenizer, line, flags.special, status);
  if (!flags.decode) return encoded(tokenizer, line, flags.special, status);
  const auto ids = parse_ids(line, "line");
  status = ids ? check_ids(tokenizer, *ids) : lamina::Status(ids.error());
  return status ? decoded(tokenizer, *ids) : Json();
}

void print_plain(const Json& result) {
  std::string line;
  if (result.contains("text")) {
    line = result["text"].get<std::string>();
  } else {
    for (const Json& id : result["ids"]) line += (line.empty() ? "" : " ") + id.dump();
  }
  line += '\n';
  put(line);
}

int tokenize(const TokenizeFlags& flags) {
  const auto parts = open_text_parts(flags.common.model);
  if (!parts) return fail(parts.error(), flags.common.json);
  int code = exit_done;
  LineReader lines(stdin);
  std::string line;
  for (std::size_t number = 1; !output_failed() && lines.next(line); ++number) {
    if (flags.jsonl && is_blank(line)) continue;
    lamina::Status status = lamina::Done{};
    const Json result = convert_line(parts->tokenizer, line, flags, status);
    if (!status) {
      // A bad line takes nothing from the others: its place holds the error.
      Error error = status.error();
      error.where = lamina::text("line %zu", number).view();
      code = fail(error, flags.jsonl || flags.common.json);
    } else if (flags.jsonl || flags.common.json) {
      print(result);
    } else {
      print_plain(result);
    }
  }
  if (const auto status = check_read(stdin, stdin_name); !status)
    return fail(status.error(), flags.common.json);
  return code;
}

}  // namespace

void add_tokenize(Program& program) {
  CLI::App* command =
      program.app.add_subcommand("tokenize", "Text to token ids and back, one line of stdin each");
  auto flags = std::make_shared<TokenizeFlags>();
  add_common_flags(*command, flags->common);
  command->add_flag("--decode", flags->decode, "Ids to text");
  command->add_flag("--jsonl", flags->jsonl,
                    "One {\"text\":...} or {\"ids\":[...]} per line, answered by the other");
  command->add_flag("--special", flags->special, "Let special-token text match (off: text is data)");
  command->footer("-m may also be a tokenizer.json or a GGUF file that holds only a vocabulary.");
  command->callback([&program, flags] { program.action = [flags] { return tokenize(*flags); }; });
}

}  // namespace program
