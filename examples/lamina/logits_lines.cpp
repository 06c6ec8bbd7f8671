// SPDX-License-Identifier: Apache-2.0
// `lamina logits --jsonl`: many prompts together in one engine.
#include <algorithm>
#include <cstdio>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <lamina/engine/batch.hpp>
#include <lamina/json/value.hpp>

#include "interrupt.hpp"
#include "lines.hpp"
#include "logits.hpp"
#include "model.hpp"
#include "numbers.hpp"
#include "output.hpp"
#include "report.hpp"
#include "terminal.hpp"

namespace program {
namespace {

using lamina::Error;
using lamina::ErrorCode;
using lamina::TokenId;

/// One line: what is to be fed, and what came of it.
struct Line {
  std::vector<TokenId> tokens;
  lamina::Status status = lamina::Done{};
  std::uint64_t first_row = 0;  ///< in the file of all rows
  std::vector<std::size_t> best{};
};

lamina::Result<std::vector<TokenId>> parse_line(std::string_view text, std::uint32_t vocab) {
  using Kind = lamina::Value::Kind;
  const auto document = lamina::parse_json_value(text);
  if (!document) return document.error();
  const lamina::Value* list = document->find("tokens");
  if (list == nullptr || !list->is(Kind::list) || list->items.empty()) {
    return Error{ErrorCode::bad_argument, "line", "document of another form",
                 "{\"tokens\": [2,5,7]}", text,   ""};
  }
  std::vector<TokenId> tokens(list->items.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const lamina::Value& item = list->items[i];
    if (item.is(Kind::integer) && read_number(item.text, TokenId{0}, vocab - 1, tokens[i])) continue;
    return Error{ErrorCode::bad_argument,
                 "tokens",
                 "no token of the vocabulary",
                 lamina::text("0 to %u", vocab - 1),
                 item.text.empty() ? std::string_view("something else") : std::string_view(item.text),
                 ""};
  }
  return tokens;
}

/// Reads all lines; each with its tokens or its error.
lamina::Result<std::vector<Line>> read_lines(std::uint32_t vocab, std::uint32_t context, std::uint32_t most) {
  std::vector<Line> lines;
  LineReader reader(stdin);
  std::string text;
  std::uint64_t rows = 0;
  for (std::size_t number = 1; reader.next(text); ++number) {
    if (is_blank(text)) continue;
    Line& line = lines.emplace_back();
    line.first_row = rows;
    auto tokens = parse_line(text, vocab);
    if (tokens) {
      line.status = lamina::check_length(tokens->size(), context, most);
    } else {
      line.status = tokens.error();
    }
    if (line.status) {
      line.tokens = std::move(*tokens);
      rows += line.tokens.size();
    } else {
      Error error = line.status.error();
      error.where = lamina::text("line %zu", number).view();
      line.status = error;
    }
  }
  LAMINA_TRY(check_read(stdin, stdin_name));
  return lines;
}

/// Feeds the lines, some at a time, and gives out what is complete.
class Feeder {
 public:
  Feeder(lamina::Engine& engine, std::vector<Line>& lines, std::uint32_t parallel, OutputFile* out,
         const CommonOptions& common)
      : engine_(engine),
        lines_(lines),
        parallel_(parallel),
        out_(out),
        common_(common),
        batch_({.rows = engine.options().rows,
                .logits_rows = engine.options().logits_rows,
                .prompt_rows = engine.options().rows,
                .keeps_blocks = engine.model().entry().sees_blocks}) {}

  /// Errors: as `Engine::run`, io
  [[nodiscard]] lamina::Status run() {
    std::uint64_t total = 0;
    for (const Line& line : lines_) total += line.tokens.size();
    ProgressBar bar("logits", total, common_.talks() && total > engine_.options().rows);
    std::uint64_t done = 0;
    while (!interrupted() && !output_failed()) {
      LAMINA_TRY(admit());
      if (active_.empty()) break;
      LAMINA_TRY(pass(done));
      bar.at(done);
      std::erase_if(active_, [](const Active& one) { return one.fed == one.line->tokens.size(); });
      give_out();
    }
    give_out();
    return out_ != nullptr ? out_->close() : lamina::Status(lamina::Done{});
  }
  /// Whether a line held an error.
  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  struct Active {
    Line* line;
    lamina::Sequence sequence;
    std::size_t fed = 0;
  };

  [[nodiscard]] lamina::Status admit() {
    for (; active_.size() < parallel_ && next_ < lines_.size(); ++next_) {
      Line& line = lines_[next_];
      if (!line.status) continue;
      auto sequence = engine_.sequence({static_cast<std::uint32_t>(line.tokens.size())});
      if (!sequence) return sequence.error();
      active_.push_back({&line, std::move(*sequence)});
    }
    return lamina::Done{};
  }

  [[nodiscard]] lamina::Status pass(std::uint64_t& done) {
    waiting_.clear();
    for (Active& one : active_)
      waiting_.push_back({&one.sequence, std::span(one.line->tokens).subspan(one.fed), lamina::Want::all});
    LAMINA_TRY(batch_.plan(waiting_));
    const auto result = engine_.run(batch_.feeds());
    if (!result) return result.error();
    const std::size_t vocab = engine_.model().vocab();
    for (std::size_t i = 0; i < batch_.feeds().size(); ++i) {
      Active& one = active_[batch_.source(i)];
      const std::span<const float> logits = result->logits(i);
      if (out_ != nullptr) {
        const std::string_view bytes(reinterpret_cast<const char*>(logits.data()), logits.size_bytes());
        LAMINA_TRY(parallel_ == 1
                       ? out_->write(bytes)
                       : out_->write_at((one.line->first_row + one.fed) * vocab * sizeof(float), bytes));
      }
      add_best(logits, vocab, one.line->best);
      one.fed += batch_.feeds()[i].tokens.size();
      done += batch_.feeds()[i].tokens.size();
    }
    return lamina::Done{};
  }

  /// Prints the lines that are complete and have no other before them that is not.
  void give_out() {
    for (; given_ < lines_.size(); ++given_) {
      Line& line = lines_[given_];
      if (!line.status) {
        failed_ = true;
        fail(line.status.error(), out_ == nullptr || common_.json);
        continue;
      }
      if (line.best.size() < line.tokens.size()) return;
      if (out_ == nullptr || common_.json)
        print(Json{{"shape", {line.best.size(), engine_.model().vocab()}}, {"argmax", line.best}});
      line.best = {};
      line.tokens = {};
    }
  }

  lamina::Engine& engine_;
  std::vector<Line>& lines_;
  std::uint32_t parallel_;
  OutputFile* out_;
  const CommonOptions& common_;
  lamina::Batch batch_;
  std::vector<Active> active_;
  std::vector<lamina::Feed> waiting_;
  std::size_t next_ = 0;   ///< line to begin
  std::size_t given_ = 0;  ///< lines that were printed
  bool failed_ = false;
};

}  // namespace

int logits_of_lines(const LinesOfLogits& asked) {
  const bool json = asked.common.json;
  auto file = open_file(asked.common.model);
  if (!file) return fail(file.error(), json);
  const lamina::ModelDescription& model = file->weights.description;
  const std::uint32_t context = context_for(asked.common, model.max_context);
  auto lines = read_lines(static_cast<std::uint32_t>(model.vocab), context,
                          static_cast<std::uint32_t>(model.max_context));
  if (!lines) return fail(lines.error(), json);
  std::size_t longest = 1;
  for (const Line& line : *lines) longest = std::max(longest, line.tokens.size());

  std::optional<OutputFile> out;
  if (!asked.out.empty()) {
    auto made = OutputFile::create(asked.out);
    if (!made) return fail(made.error(), json);
    out.emplace(std::move(*made));
  }
  // Rows come out in the order of the lines: where no place can be left for those before, one at a time.
  std::uint32_t parallel = std::max(1U, asked.parallel);
  if (out && !out->has_places()) parallel = 1;
  parallel = static_cast<std::uint32_t>(std::clamp<std::size_t>(lines->size(), 1, parallel));
  const std::uint32_t most = asked.chunk > 0 ? asked.chunk : default_logits_rows(model.vocab);
  const auto rows = static_cast<std::uint32_t>(std::min<std::size_t>(most, longest * parallel));
  auto engine = start(std::move(*file), asked.common,
                      {.context = static_cast<std::uint32_t>(longest),
                       .chunk = rows,
                       .logits_rows = rows,
                       .sequences = parallel});
  if (!engine) return fail(engine.error(), json);
  Feeder feeder(*engine->engine, *lines, parallel, out ? &*out : nullptr, asked.common);
  if (const auto status = feeder.run(); !status) return fail(status.error(), json);
  if (interrupted()) return exit_interrupted;
  return feeder.failed() ? exit_failed : exit_done;
}

}  // namespace program
