// SPDX-License-Identifier: Apache-2.0
// Answers for people and for programs.
#include "answer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <lamina/json/schema/compiler.hpp>
#include <lamina/masks/constraint.hpp>

#include "drafting.hpp"
#include "interrupt.hpp"
#include "json_space.hpp"
#include "output.hpp"
#include "schema_text.hpp"
#include "transcript.hpp"

namespace program {

namespace {

/// A constraint with the index that it reads.
struct HeldConstraint {
  lamina::TokenIndex index;
  std::unique_ptr<lamina::TokenConstraint> constraint;
};

/// What `--json-schema`, `--regex` or `--grammar` say; null where none was given.
lamina::Result<std::shared_ptr<lamina::TokenConstraint>> constraint_of(const lamina::Tokenizer& tokenizer,
                                                                       const GenerationOptions& flags) {
  auto index = lamina::TokenIndex::create(tokenizer);
  if (!index) return index.error();
  auto held = std::make_shared<HeldConstraint>(HeldConstraint{std::move(*index), nullptr});
  const auto keep = [&]<class Constraint, class Source>(lamina::Result<Source> source,
                                                        const auto&... limits) -> lamina::Status {
    if (!source) return source.error();
    held->constraint = std::make_unique<Constraint>(std::make_shared<const Source>(std::move(*source)),
                                                    held->index, limits...);
    return lamina::Done{};
  };
  lamina::Status status = lamina::Done{};
  if (!flags.json_schema.empty()) {
    const auto text = schema_text(flags.json_schema);
    if (!text) return text.error();
    status = keep.template operator()<lamina::SchemaConstraint>(
        lamina::compile_schema(*text),
        lamina::masks::JsonTextLimits::for_writing(*json_space_of(flags.json_space)));
  } else if (!flags.regex.empty()) {
    status = keep.template operator()<lamina::RegexConstraint>(lamina::compile_pattern(flags.regex));
  } else {
    const auto text = read_text_file(flags.grammar);
    if (!text) return text.error();
    status = keep.template operator()<lamina::GrammarConstraint>(lamina::compile_grammar(*text));
  }
  if (!status) return status.error();
  return std::shared_ptr<lamina::TokenConstraint>(held, held->constraint.get());
}

}  // namespace

lamina::Result<lamina::GenerationOptions> generation_options(const lamina::Model& model,
                                                             const CommonOptions& common,
                                                             const GenerationOptions& flags) {
  lamina::SamplingOptions sampling = lamina::sampling_of(model.generation());
  if (common.model.empty()) sampling.temperature = 0;
  if (flags.temperature >= 0) sampling.temperature = static_cast<float>(flags.temperature);
  if (flags.top_k >= 0) sampling.top_k = static_cast<std::uint32_t>(flags.top_k);
  if (flags.top_p >= 0) sampling.top_p = static_cast<float>(flags.top_p);
  sampling.min_p = static_cast<float>(flags.min_p);
  sampling.repetition_penalty = static_cast<float>(flags.repeat_penalty);
  lamina::GenerationOptions options;
  options.sampling = sampling;
  options.seed = flags.seed;
  options.max_tokens = flags.max_tokens;
  options.thoughts_count = true;
  options.ignore_stop = flags.ignore_stop;
  options.stop = flags.stop;
  options.log_probabilities = flags.log_probabilities;
  options.think_budget = flags.think_budget;
  if (flags.json_schema.empty() && flags.regex.empty() && flags.grammar.empty()) return options;
  if (model.tokenizer() == nullptr) {
    return lamina::Error{lamina::ErrorCode::unsupported,      "model",    "has no tokenizer",
                         "one, for answers that keep a form", "ids only", ""};
  }
  auto constraint = constraint_of(*model.tokenizer(), flags);
  if (!constraint) return constraint.error();
  options.constraint = std::move(*constraint);
  return options;
}

void AnswerView::take(const lamina::ResponseEvent& event) {
  using Kind = lamina::ResponseEvent::Kind;
  if (event.kind == Kind::text) return printer_.text(event.text);
  if (event.kind == Kind::thought) return printer_.thought(event.text);
  const lamina::ParsedCall& call = event.call;
  printer_.thought(call.well_formed ? "\n[calls " + call.name + " " + dump(value_json(call.arguments)) + "]\n"
                                    : "\n[call that cannot be read: " + call.body + "]\n");
}

void AnswerView::prompt_read(std::size_t done, std::size_t total) {
  if (!bar_) {
    const bool shown = common_.talks() && !common_.json && total > 4 * chunk_;
    bar_.emplace("reading prompt", total, shown);
  }
  bar_->at(done);
  if (done == total) bar_.reset();
}

bool AnswerView::goes_on() { return !interrupted() && !output_failed(); }

namespace {

double per_second(std::size_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

Json probability_json(const lamina::TokenLogProbability& token, const lamina::Tokenizer* tokenizer) {
  Json out{{"id", token.id}};
  if (tokenizer != nullptr) out["token"] = std::string(tokenizer->piece(token.id));
  // JSON has no infinity.
  out["logprob"] = std::isfinite(token.log_probability) ? Json(token.log_probability) : Json();
  return out;
}

}  // namespace

Json answer_json(const lamina::Answer& answer, double load_seconds, const lamina::Tokenizer* tokenizer) {
  Json document{{"text", answer.text},
                {"thought", answer.thought},
                {"tokens", answer.tokens},
                {"forced_tokens", answer.forced_tokens},
                {"prompt_tokens", answer.prompt_tokens},
                {"stop", std::string(lamina::name_of(answer.stop))}};
  if (answer.seed) document["seed"] = *answer.seed;
  for (const lamina::ParsedCall& call : answer.calls) document["tool_calls"].push_back(call_json(call));
  for (const lamina::TokenChoice& choice : answer.choices) {
    Json entry = probability_json(choice.chosen, tokenizer);
    entry["top"] = Json::array();
    for (const auto& other : choice.likeliest) entry["top"].push_back(probability_json(other, tokenizer));
    document["logprobs"].push_back(std::move(entry));
  }
  document["timing"] = {{"load_s", load_seconds},
                        {"prompt_s", answer.prompt_seconds},
                        {"decode_s", answer.decode_seconds},
                        {"prompt_tokens_read", answer.prompt_tokens_read},
                        {"prompt_tokens_per_s", per_second(answer.prompt_tokens_read, answer.prompt_seconds)},
                        {"decode_tokens_per_s", per_second(answer.tokens.size(), answer.decode_seconds)}};
  if (answer.drafts) document["draft"] = drafts_json(*answer.drafts);
  return document;
}

void note_timing(const CommonOptions& common, const lamina::Answer& answer) {
  note(common, "[%zu tokens read, %.1f/s; %zu written, %.1f/s; %.*s]", answer.prompt_tokens_read,
       per_second(answer.prompt_tokens_read, answer.prompt_seconds), answer.tokens.size(),
       per_second(answer.tokens.size(), answer.decode_seconds),
       static_cast<int>(lamina::name_of(answer.stop).size()), lamina::name_of(answer.stop).data());
}

}  // namespace program
