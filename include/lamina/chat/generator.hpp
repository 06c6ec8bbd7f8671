// SPDX-License-Identifier: Apache-2.0
// The loop that generates: read the prompt, then draw a token, show it, feed it.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/generation/steering.hpp>
#include <lamina/chat/generation/stop_texts.hpp>
#include <lamina/chat/response_parser.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/engine/check_options.hpp>
#include <lamina/engine/model.hpp>
#include <lamina/engine/session.hpp>
#include <lamina/sampling/sampler.hpp>
#include <lamina/tokenizer/stream_decoder.hpp>

namespace lamina {

/// What an answer starts from.
struct Question {
  PromptTokens prompt;  ///< the whole prompt, also what the session has read already
  AnswerForm form = AnswerForm::parsed;
  ResponseStart start = ResponseStart::answer;
  std::uint64_t turn = 0;  ///< turns of the user before this one: other draws for each
  bool thinks = false;     ///< the answer may begin with thoughts: a constraint waits for their end
};

/// Generates answers with a model.
///
/// Threads   one at a time; generators of one model are independent
class Generator {
 public:
  /// Errors   bad_argument (sampling values), out_of_memory
  /// Cost     takes 24 bytes a token of the vocabulary
  [[nodiscard]] static Result<Generator> create(const Model& model, const GenerationOptions& options = {}) {
    return guard_memory("generator", [&]() -> Result<Generator> {
      auto sampler = Sampler::create(options.sampling ? *options.sampling : sampling_of(model.generation()),
                                     model.vocab(), model.suppressed_tokens());
      if (!sampler) return sampler.error();
      if (model.tokenizer() == nullptr &&
          (options.constraint || !options.stop.empty() || options.think_budget)) {
        return Error{ErrorCode::unsupported,
                     "model",
                     "has no tokenizer",
                     "one, for answers that keep a form",
                     "ids only",
                     ""};
      }
      sampler->set_bias(options.bias);
      return Generator(model, options, std::move(*sampler));
    });
  }

  /// Reads the part of the prompt that `session` has not read, then draws tokens until something ends the
  /// answer. What the session has read stays if it is a beginning of the prompt, and is forgotten otherwise.
  /// Penalties and draws follow from the question and the seed alone, not from what was answered before.
  ///
  /// Without a tokenizer the answer has ids only.
  /// Errors   context_full, bad_argument (ids outside the vocabulary; an empty prompt), not_finite,
  ///          out_of_memory
  [[nodiscard]] Result<Answer> answer(Session& session, const Question& question, AnswerObserver& observer) {
    return guard_memory("answer", [&] { return generate(session, question, observer); });
  }

  [[nodiscard]] const SamplingOptions& sampling() const noexcept { return sampler_.options(); }

 private:
  class Reader;

  Generator(const Model& model, const GenerationOptions& options, Sampler sampler)
      : model_(model), options_(options), sampler_(std::move(sampler)) {}

  [[nodiscard]] static std::uint64_t another_seed() noexcept {
    static std::atomic<std::uint64_t> count{0};
    const auto now = std::chrono::system_clock::now().time_since_epoch().count();
    return Random(static_cast<std::uint64_t>(now) + (count++ << 48)).next();
  }
  [[nodiscard]] static double seconds_since(std::chrono::steady_clock::time_point begin) noexcept {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  [[nodiscard]] Result<Answer> generate(Session& session, const Question& question, AnswerObserver& observer);
  [[nodiscard]] Status read_prompt(Session& session, const PromptTokens& prompt, Answer& answer,
                                   AnswerObserver& observer);
  [[nodiscard]] Status decode(Session& session, const Question& question, AnswerObserver& observer,
                              Answer& answer);

  Model model_;
  GenerationOptions options_;
  Sampler sampler_;
};

// --- Implementation ---

/// Turns ids into pieces of the answer, and shows them.
class Generator::Reader {
 public:
  Reader(const Tokenizer& tokenizer, const Question& question, bool ignore_stop,
         std::vector<std::string> stop, AnswerObserver& observer, Answer& answer)
      : parser_(tokenizer, question.start),
        decoder_(tokenizer, question.form == AnswerForm::raw ? SpecialText::raw : SpecialText::clean),
        // The parser ends at a stop token: who goes on after one gets plain text.
        parses_(question.form == AnswerForm::parsed && !ignore_stop),
        stop_(std::move(stop)),
        observer_(observer),
        answer_(answer) {}

  void push(TokenId id, bool stops) {
    events_.clear();
    if (parses_) {
      parser_.push(id, events_);
    } else if (!stops) {
      ResponseEvent event;
      decoder_.push(id, event.text);
      events_.push_back(std::move(event));
    }
    take();
  }
  void finish() {
    events_.clear();
    if (parses_) parser_.finish(events_);
    ResponseEvent event;
    if (!parses_) decoder_.finish(event.text);
    events_.push_back(std::move(event));
    take();
    ResponseEvent rest;
    stop_.finish(rest.text);
    if (!rest.text.empty()) show(rest);
  }
  /// Whether a text that ends answers appeared.
  [[nodiscard]] bool stopped() const noexcept { return stop_.found(); }

 private:
  void take() {
    for (ResponseEvent& event : events_) {
      using Kind = ResponseEvent::Kind;
      if (event.kind == Kind::text) {
        const std::string piece = std::exchange(event.text, {});
        stop_.push(piece, event.text);
      }
      if (event.kind == Kind::tool_call || !event.text.empty()) show(event);
    }
  }
  void show(ResponseEvent& event) {
    using Kind = ResponseEvent::Kind;
    observer_.take(event);
    if (event.kind == Kind::text) {
      answer_.text += event.text;
    } else if (event.kind == Kind::thought) {
      answer_.thought += event.text;
    } else {
      answer_.calls.push_back(std::move(event.call));
    }
  }

  ResponseParser parser_;
  StreamDecoder decoder_;
  bool parses_;
  StopTexts stop_;
  AnswerObserver& observer_;
  Answer& answer_;
  std::vector<ResponseEvent> events_;
};

inline Status Generator::read_prompt(Session& session, const PromptTokens& prompt, Answer& answer,
                                     AnswerObserver& observer) {
  if (prompt.empty()) return Error{ErrorCode::bad_argument, "prompt", "there are no tokens", "", "", ""};
  LAMINA_TRY(check_length(prompt.size(), session.context(), model_.max_context()));
  // A token must be left to feed, for its logits.
  const std::span<const TokenId> read = session.tokens();
  if (read.size() >= prompt.size() || !std::equal(read.begin(), read.end(), prompt.ids.begin()))
    session.reset();
  const std::size_t before = session.position();
  answer.prompt_tokens = prompt.size();
  answer.prompt_tokens_read = prompt.size() - before;
  PromptTokens rest = prompt.subspan(before);
  while (!rest.empty() && observer.goes_on()) {
    const std::size_t count = session.next_piece(rest);
    const PromptTokens piece = rest.first(count);
    rest = rest.subspan(count);
    if (!rest.empty()) session.expect(rest.first(session.next_piece(rest)));
    LAMINA_TRY(session.prompt(piece));
    observer.prompt_read(answer.prompt_tokens_read - rest.size(), answer.prompt_tokens_read);
  }
  return Done{};
}

inline Status Generator::decode(Session& session, const Question& question, AnswerObserver& observer,
                                Answer& answer) {
  const Tokenizer* tokenizer = model_.tokenizer();
  std::optional<Reader> reader;
  if (tokenizer != nullptr)
    reader.emplace(*tokenizer, question, options_.ignore_stop, options_.stop, observer, answer);
  Steering steering(options_, tokenizer, question.start, question.thinks);
  const auto ended = [&](StopReason reason) {
    answer.stop = reason;
    if (reader) reader->finish();
    return Done{};
  };
  // Shows a token; why the answer ends with it, if it does.
  const auto take = [&](TokenId id) -> std::optional<StopReason> {
    session.expect(std::span(&id, 1));
    sampler_.accept(id);
    steering.accept(id);
    const bool stops = !options_.ignore_stop && model_.is_stop(id);
    answer.tokens.push_back(id);
    if (reader) reader->push(id, stops);
    if (stops) {
      const bool ends_turn = tokenizer != nullptr && id == tokenizer->special().turn_close;
      return ends_turn ? StopReason::end_of_turn : StopReason::stop_token;
    }
    if (reader && reader->stopped()) return StopReason::stop_text;
    if (options_.max_tokens > 0 && answer.tokens.size() >= options_.max_tokens) return StopReason::max_tokens;
    return std::nullopt;
  };
  std::vector<TokenId> fed;
  for (;;) {
    if (!observer.goes_on()) return ended(StopReason::interrupted);
    const std::span<const float> logits = session.logits();
    const auto allowed = steering.allowed();
    if (!allowed) return allowed.error();
    sampler_.allow_only(*allowed);
    const auto sampled = sampler_.sample(logits);
    if (!sampled) return sampled.error();
    const TokenId id = steering.corrected(*sampled);
    if (options_.log_probabilities > 0)
      answer.choices.push_back(log_probabilities(logits, id, options_.log_probabilities));
    if (const auto reason = take(id)) return ended(*reason);
    if (session.position() == session.context()) return ended(StopReason::context);
    fed.assign(1, id);
    const std::size_t room = session.context() - session.position() - 1;
    const auto forced = steering.forced(room, options_.log_probabilities == 0);
    if (!forced) return forced.error();
    for (const TokenId next : *forced) {
      ++answer.forced_tokens;
      if (options_.log_probabilities > 0) answer.choices.push_back({{next, 0}, {}});
      if (const auto reason = take(next)) return ended(*reason);
      fed.push_back(next);
    }
    // All that must come goes through the model in one pass.
    if (fed.size() > 1) {
      LAMINA_TRY(session.prompt(fed));
    } else if (const auto next = session.step(id); !next) {
      return next.error();
    }
  }
}

inline Result<Answer> Generator::generate(Session& session, const Question& question,
                                          AnswerObserver& observer) {
  Answer answer;
  const auto prompt_begin = std::chrono::steady_clock::now();
  LAMINA_TRY(read_prompt(session, question.prompt, answer, observer));
  answer.prompt_seconds = seconds_since(prompt_begin);
  const auto decode_begin = std::chrono::steady_clock::now();
  // Another stream of draws for each turn, the same after a turn was taken back.
  const std::uint64_t seed = options_.seed ? *options_.seed : another_seed();
  if (sampler_.options().temperature > 0) answer.seed = seed;
  sampler_.reset(seed ^ (question.turn * 0x9E37'79B9'7F4A'7C15));
  for (const TokenId id : question.prompt.ids) {
    if (id < model_.vocab()) sampler_.accept(id);  // soft tokens are never drawn
  }
  LAMINA_TRY(decode(session, question, observer, answer));
  answer.decode_seconds = seconds_since(decode_begin);
  return answer;
}

}  // namespace lamina
