// SPDX-License-Identifier: Apache-2.0
// The loop that generates: choose a token, show it, feed it.
#include "answer.hpp"

#include <algorithm>
#include <cstdio>
#include <random>
#include <utility>

#include <lamina/tokenizer/stream_decoder.hpp>

#include "interrupt.hpp"
#include "machine.hpp"
#include "output.hpp"
#include "transcript.hpp"

namespace program {

using lamina::TokenId;

std::string_view name_of(StopReason reason) noexcept {
  switch (reason) {
    case StopReason::end_of_turn:
      return "end_of_turn";
    case StopReason::max_tokens:
      return "max_tokens";
    case StopReason::stop_token:
      return "stop_token";
    case StopReason::context:
      return "context";
    case StopReason::interrupted:
      return "interrupted";
  }
  return "";
}

namespace {

std::string call_line(const lamina::ParsedCall& call) {
  if (!call.well_formed) return "\n[call that cannot be read: " + call.body + "]\n";
  return "\n[calls " + call.name + " " + dump(value_json(call.arguments)) + "]\n";
}

/// Turns ids into pieces of the answer, and shows them.
class AnswerReader {
 public:
  AnswerReader(const lamina::Tokenizer& tokenizer, const Question& question, bool ignore_stop,
               AnswerPrinter& printer, Answer& answer)
      : parser_(tokenizer, question.start),
        decoder_(tokenizer,
                 question.form == AnswerForm::raw ? lamina::SpecialText::raw : lamina::SpecialText::clean),
        // The parser ends at a stop token: who goes on after one gets plain text.
        parses_(question.form == AnswerForm::parsed && !ignore_stop),
        printer_(printer),
        answer_(answer) {}

  void push(TokenId id, bool stops) {
    if (parses_) {
      std::vector<lamina::ResponseEvent> events;
      parser_.push(id, events);
      take(events);
    } else if (!stops) {
      std::string text;
      decoder_.push(id, text);
      take(text);
    }
  }

  void finish() {
    std::vector<lamina::ResponseEvent> events;
    std::string text;
    if (parses_) parser_.finish(events);
    decoder_.finish(text);
    take(events);
    take(text);
  }

 private:
  void take(std::string_view text) {
    answer_.text += text;
    printer_.text(text);
  }
  void take(std::vector<lamina::ResponseEvent>& events) {
    for (lamina::ResponseEvent& event : events) {
      switch (event.kind) {
        case lamina::ResponseEvent::Kind::text:
          take(event.text);
          break;
        case lamina::ResponseEvent::Kind::thought:
          answer_.thought += event.text;
          printer_.thought(event.text);
          break;
        case lamina::ResponseEvent::Kind::tool_call:
          printer_.thought(call_line(event.call));
          answer_.calls.push_back(std::move(event.call));
          break;
      }
    }
  }

  lamina::ResponseParser parser_;
  lamina::StreamDecoder decoder_;
  bool parses_;
  AnswerPrinter& printer_;
  Answer& answer_;
};

/// Flags over what the file says. The demo model is greedy by default, so that its answers are always the
/// same.
lamina::SamplingOptions sampling_options(const lamina::GenerationDefaults& file, const CommonOptions& common,
                                         const GenerationOptions& flags) {
  lamina::SamplingOptions options;
  options.temperature = common.model.empty() ? 0.0F : file.temperature;
  if (flags.temperature >= 0) options.temperature = static_cast<float>(flags.temperature);
  options.top_k = static_cast<std::uint32_t>(flags.top_k >= 0 ? flags.top_k : file.top_k);
  options.top_p = flags.top_p >= 0 ? static_cast<float>(flags.top_p) : file.top_p;
  options.min_p = static_cast<float>(flags.min_p);
  options.repetition_penalty = static_cast<float>(flags.repeat_penalty);
  return options;
}

}  // namespace

bool Answerer::is_stop(TokenId id) const {
  if (tokenizer_ != nullptr && tokenizer_->is_stop(id)) return true;
  const auto& listed = engine_->file.generation.eos_tokens;
  return std::find(listed.begin(), listed.end(), id) != listed.end();
}

lamina::Status Answerer::decode(const Question& question, AnswerPrinter& printer, Answer& answer) {
  lamina::Session& session = *engine_->session;
  std::optional<AnswerReader> reader;
  if (tokenizer_ != nullptr) reader.emplace(*tokenizer_, question, generation_->ignore_stop, printer, answer);
  const auto stopped = [&](StopReason reason) {
    answer.stop = reason;
    if (reader) reader->finish();
    return lamina::Done{};
  };
  std::span<const float> logits = session.logits();
  for (;;) {
    if (interrupted() || output_failed()) return stopped(StopReason::interrupted);
    const auto sampled = sampler_.sample(logits);
    if (!sampled) return sampled.error();
    const TokenId id = *sampled;
    sampler_.accept(id);
    const bool stops = !generation_->ignore_stop && is_stop(id);
    answer.tokens.push_back(id);
    if (reader) reader->push(id, stops);
    if (stops) {
      const bool ends_turn = tokenizer_ != nullptr && id == tokenizer_->special().turn_close;
      return stopped(ends_turn ? StopReason::end_of_turn : StopReason::stop_token);
    }
    if (generation_->max_tokens > 0 && answer.tokens.size() >= generation_->max_tokens) {
      return stopped(StopReason::max_tokens);
    }
    if (session.position() == session.context()) return stopped(StopReason::context);
    const auto next = session.step(id);
    if (!next) return next.error();
    logits = *next;
  }
}

lamina::Result<Answerer> Answerer::create(Engine& engine, const lamina::Tokenizer* tokenizer,
                                          const CommonOptions& common, const GenerationOptions& generation) {
  std::vector<TokenId> suppressed = engine.file.generation.suppress_tokens;
  if (tokenizer != nullptr) {
    const auto media = tokenizer->suppressed_tokens();
    suppressed.insert(suppressed.end(), media.begin(), media.end());
  }
  auto sampler = lamina::Sampler::create(sampling_options(engine.file.generation, common, generation),
                                         engine.session->vocab(), suppressed);
  if (!sampler) return sampler.error();
  return Answerer(engine, tokenizer, common, generation, std::move(*sampler));
}

lamina::Result<Answer> Answerer::answer(const Question& question, AnswerPrinter& printer) {
  Answer answer;
  answer.prompt_tokens = question.prompt.size();
  answer.timing.load_seconds = engine_->load_seconds;
  answer.timing.prompt_tokens_read = question.prompt.size() - question.cached;
  const Stopwatch prompt_watch;
  LAMINA_TRY(feed(*engine_->session, question.prompt.subspan(question.cached), *common_));
  answer.timing.prompt_seconds = prompt_watch.seconds();
  const Stopwatch decode_watch;
  // Another stream of draws for each turn, the same after /undo or /load.
  const std::uint64_t seed = generation_->seed ? *generation_->seed : std::random_device{}();
  if (sampler_.options().temperature > 0) answer.seed = seed;
  sampler_.reset(seed ^ (question.turn * 0x9E37'79B9'7F4A'7C15));
  for (const TokenId id : question.prompt) sampler_.accept(id);
  LAMINA_TRY(decode(question, printer, answer));
  answer.timing.decode_seconds = decode_watch.seconds();
  return answer;
}

namespace {

double per_second(std::size_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

}  // namespace

Json answer_json(const Answer& answer) {
  const Timing& timing = answer.timing;
  Json document{{"text", answer.text},
                {"thought", answer.thought},
                {"tokens", answer.tokens},
                {"prompt_tokens", answer.prompt_tokens},
                {"stop", std::string(name_of(answer.stop))}};
  if (answer.seed) document["seed"] = *answer.seed;
  for (const lamina::ParsedCall& call : answer.calls) {
    document["tool_calls"].push_back(
        call.well_formed ? Json{{"name", call.name}, {"arguments", value_json(call.arguments)}}
                         : Json{{"malformed", call.body}});
  }
  document["timing"] = {{"load_s", timing.load_seconds},
                        {"prompt_s", timing.prompt_seconds},
                        {"decode_s", timing.decode_seconds},
                        {"prompt_tokens_read", timing.prompt_tokens_read},
                        {"prompt_tokens_per_s", per_second(timing.prompt_tokens_read, timing.prompt_seconds)},
                        {"decode_tokens_per_s", per_second(answer.tokens.size(), timing.decode_seconds)}};
  return document;
}

void note_timing(const CommonOptions& common, const Answer& answer) {
  const Timing& timing = answer.timing;
  note(common, "[%zu tokens read, %.1f/s; %zu written, %.1f/s; %.*s]", timing.prompt_tokens_read,
       per_second(timing.prompt_tokens_read, timing.prompt_seconds), answer.tokens.size(),
       per_second(answer.tokens.size(), timing.decode_seconds), static_cast<int>(name_of(answer.stop).size()),
       name_of(answer.stop).data());
}

}  // namespace program
