// SPDX-License-Identifier: Apache-2.0
// Answers for people and for programs.
#include "answer.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>

#include "interrupt.hpp"
#include "output.hpp"
#include "transcript.hpp"

namespace program {

lamina::GenerationOptions generation_options(const lamina::Model& model, const CommonOptions& common,
                                             const GenerationOptions& flags) {
  lamina::SamplingOptions sampling = lamina::sampling_of(model.generation());
  if (common.model.empty()) sampling.temperature = 0;
  if (flags.temperature >= 0) sampling.temperature = static_cast<float>(flags.temperature);
  if (flags.top_k >= 0) sampling.top_k = static_cast<std::uint32_t>(flags.top_k);
  if (flags.top_p >= 0) sampling.top_p = static_cast<float>(flags.top_p);
  sampling.min_p = static_cast<float>(flags.min_p);
  sampling.repetition_penalty = static_cast<float>(flags.repeat_penalty);
  return {sampling, flags.seed, flags.max_tokens, flags.ignore_stop};
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

}  // namespace

Json answer_json(const lamina::Answer& answer, double load_seconds) {
  Json document{{"text", answer.text},
                {"thought", answer.thought},
                {"tokens", answer.tokens},
                {"prompt_tokens", answer.prompt_tokens},
                {"stop", std::string(lamina::name_of(answer.stop))}};
  if (answer.seed) document["seed"] = *answer.seed;
  for (const lamina::ParsedCall& call : answer.calls) document["tool_calls"].push_back(call_json(call));
  document["timing"] = {{"load_s", load_seconds},
                        {"prompt_s", answer.prompt_seconds},
                        {"decode_s", answer.decode_seconds},
                        {"prompt_tokens_read", answer.prompt_tokens_read},
                        {"prompt_tokens_per_s", per_second(answer.prompt_tokens_read, answer.prompt_seconds)},
                        {"decode_tokens_per_s", per_second(answer.tokens.size(), answer.decode_seconds)}};
  return document;
}

void note_timing(const CommonOptions& common, const lamina::Answer& answer) {
  note(common, "[%zu tokens read, %.1f/s; %zu written, %.1f/s; %.*s]", answer.prompt_tokens_read,
       per_second(answer.prompt_tokens_read, answer.prompt_seconds), answer.tokens.size(),
       per_second(answer.tokens.size(), answer.decode_seconds),
       static_cast<int>(lamina::name_of(answer.stop).size()), lamina::name_of(answer.stop).data());
}

}  // namespace program
