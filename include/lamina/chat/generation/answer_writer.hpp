// SPDX-License-Identifier: Apache-2.0
// One answer while it is drawn: logits in, tokens to feed out. Who runs the model with them is somebody
// else's business: a session (`Generator`), or an engine with many answers (`Scheduler`).
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
#include <lamina/engine/drafting/draft_guide.hpp>
#include <lamina/engine/model.hpp>
#include <lamina/pass/soft_rows.hpp>
#include <lamina/sampling/sampler.hpp>
#include <lamina/tokenizer/stream_decoder.hpp>

namespace lamina {

/// What an answer starts from.
struct Question {
  PromptTokens prompt;  ///< the whole prompt, also what was read already
  AnswerForm form = AnswerForm::parsed;
  ResponseStart start = ResponseStart::answer;
  std::uint64_t turn = 0;  ///< turns of the user before this one: other draws for each
  bool thinks = false;     ///< the answer may begin with thoughts: a constraint waits for their end
};

/// The sampler of an answer. Errors: as `Sampler::create`; unsupported (what is asked for needs a tokenizer)
[[nodiscard]] inline Result<Sampler> sampler_for(const Model& model, const GenerationOptions& options) {
  auto sampler = Sampler::create(options.sampling ? *options.sampling : sampling_of(model.generation()),
                                 model.vocab(), model.suppressed_tokens());
  if (!sampler) return sampler.error();
  if (model.tokenizer() == nullptr && (options.constraint || !options.stop.empty() || options.think_budget)) {
    return Error{ErrorCode::unsupported,
                 "model",
                 "has no tokenizer",
                 "one, for answers that keep a form",
                 "ids only",
                 ""};
  }
  sampler->set_bias(options.bias);
  return sampler;
}

/// Draws the tokens of one answer and shows them.
///
/// Threads   one at a time
class AnswerWriter final : public DraftGuide {
 public:
  /// All but the question must outlive the writer; of the question, its prompt is read here only. Penalties
  /// and draws follow from the question and the seed alone, not from what `sampler` was used for before.
  AnswerWriter(const Model& model, const GenerationOptions& options, Sampler& sampler,
               const Question& question, AnswerObserver& observer)
      : model_(&model),
        options_(&options),
        sampler_(&sampler),
        observer_(&observer),
        steering_(options, model.tokenizer(), question.start, question.thinks) {
    if (model.tokenizer() != nullptr)
      reader_.emplace(*model.tokenizer(), question, options, observer, answer_);
    answer_.prompt_tokens = question.prompt.size();
    // Another stream of draws for each turn, the same after a turn was taken back.
    const std::uint64_t seed = options.seed ? *options.seed : another_seed();
    if (sampler.options().temperature > 0) answer_.seed = seed;
    sampler.reset(seed ^ (question.turn * 0x9E37'79B9'7F4A'7C15));
    for (const TokenId id : question.prompt.ids) {
      if (id < model.vocab()) sampler.accept(id);  // soft tokens are never drawn
    }
  }
  AnswerWriter(const AnswerWriter&) = delete;
  AnswerWriter& operator=(const AnswerWriter&) = delete;

  /// Draws from the logits of the last token. Of a session or sequence that has read `position` tokens and
  /// has room for `context`.
  ///
  /// Returns  the tokens that are to be fed before the next call, all of them in one pass; none: the answer
  ///          ended. Valid until the next call.
  /// Errors   bad_argument (the constraint leaves no way on), not_finite, those of the constraint
  [[nodiscard]] Result<std::span<const TokenId>> next(std::span<const float> logits, std::uint32_t position,
                                                      std::uint32_t context) {
    steering_.stop_trial();
    if (!observer_->goes_on()) return ended(StopReason::interrupted);
    const std::uint32_t room = context - position;
    if (answer_.tokens.empty() && !options_->thoughts_count) {
      const std::uint32_t most = options_->max_tokens > 0 ? options_->max_tokens : room;
      steering_.keep_room(room, std::min(most, room / 2));
    }
    fed_.clear();
    if (answer_.tokens.empty()) {
      const auto end = take_forced(room);
      if (!end) return end.error();
      if (*end) return ended(**end);
      if (!fed_.empty()) return std::span<const TokenId>(fed_);
    }
    const auto allowed = steering_.allowed();
    if (!allowed) return allowed.error();
    sampler_->allow_only(*allowed);
    const auto sampled = sampler_->sample(logits);
    if (!sampled) return sampled.error();
    const TokenId id = steering_.corrected(*sampled);
    if (options_->log_probabilities > 0)
      answer_.choices.push_back(log_probabilities(logits, id, options_->log_probabilities));
    if (const auto reason = take(id)) return ended(*reason);
    if (room == 0) return ended(StopReason::context);
    fed_.push_back(id);
    const auto end = take_forced(room);
    if (!end) return end.error();
    if (*end) return ended(**end);
    return std::span<const TokenId>(fed_);
  }
  /// Tokens that are worth drafting behind what `next` returned: no more than the answer may have. Whoever
  /// drafts has the writer as its guide from then on, until `next` is called again.
  [[nodiscard]] std::uint32_t drafts_wanted() noexcept {
    steering_.stop_trial();
    // With log-probabilities or without, a token that is drawn last is not fed.
    const std::size_t drawn = counted_tokens();
    if (options_->max_tokens == 0) return UINT32_MAX;
    return options_->max_tokens > drawn ? static_cast<std::uint32_t>(options_->max_tokens - drawn - 1) : 0;
  }
  [[nodiscard]] const TokenMask* allowed() override {
    const auto mask = steering_.try_allowed();
    return mask ? *mask : nullptr;
  }
  [[nodiscard]] bool follow(TokenId draft) override { return steering_.try_follow(draft); }

  /// Ends the answer as it is.
  void interrupt() { static_cast<void>(ended(StopReason::interrupted)); }

  [[nodiscard]] Answer& answer() noexcept { return answer_; }

 private:
  /// Turns ids into pieces of the answer, and shows them.
  class Reader {
   public:
    Reader(const Tokenizer& tokenizer, const Question& question, const GenerationOptions& options,
           AnswerObserver& observer, Answer& answer)
        : parser_(tokenizer, question.start),
          decoder_(tokenizer, question.form == AnswerForm::raw ? SpecialText::raw : SpecialText::clean),
          // The parser ends at a stop token: who goes on after one gets plain text.
          parses_(question.form == AnswerForm::parsed && !options.ignore_stop),
          stop_(options.stop),
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

  [[nodiscard]] static std::uint64_t another_seed() noexcept {
    static std::atomic<std::uint64_t> count{0};
    const auto now = std::chrono::system_clock::now().time_since_epoch().count();
    return Random(static_cast<std::uint64_t>(now) + (count++ << 48)).next();
  }

  /// Of those that came, how many `max_tokens` bounds.
  [[nodiscard]] std::size_t counted_tokens() const noexcept {
    return options_->thoughts_count ? answer_.tokens.size() : std::size_t{steering_.answer_tokens()};
  }
  [[nodiscard]] std::span<const TokenId> ended(StopReason reason) {
    answer_.stop = reason;
    if (reader_) reader_->finish();
    return {};
  }
  /// Takes the tokens that must come now, as long as no more than `room` are to be fed; why the answer ends
  /// with one, if it does.
  [[nodiscard]] Result<std::optional<StopReason>> take_forced(std::size_t room) {
    while (fed_.size() < room) {
      const auto forced = steering_.forced(room - fed_.size());
      if (!forced) return forced.error();
      if (forced->empty()) break;
      for (const TokenId id : *forced) {
        ++answer_.forced_tokens;
        if (options_->log_probabilities > 0) answer_.choices.push_back({{id, 0}, {}});
        if (const auto reason = take(id)) return reason;
        fed_.push_back(id);
      }
    }
    return std::optional<StopReason>();
  }
  /// Shows a token; why the answer ends with it, if it does.
  [[nodiscard]] std::optional<StopReason> take(TokenId id) {
    sampler_->accept(id);
    steering_.accept(id);
    const bool stops = !options_->ignore_stop && model_->is_stop(id);
    answer_.tokens.push_back(id);
    observer_->drawn(id, answer_.choices.empty() ? nullptr : &answer_.choices.back());
    if (reader_) reader_->push(id, stops);
    if (stops) {
      const Tokenizer* tokenizer = model_->tokenizer();
      const bool ends_turn = tokenizer != nullptr && id == tokenizer->special().turn_close;
      return ends_turn ? StopReason::end_of_turn : StopReason::stop_token;
    }
    if (reader_ && reader_->stopped()) return StopReason::stop_text;
    if (options_->max_tokens > 0 && counted_tokens() >= options_->max_tokens) return StopReason::max_tokens;
    return std::nullopt;
  }

  const Model* model_;
  const GenerationOptions* options_;
  Sampler* sampler_;
  AnswerObserver* observer_;
  Steering steering_;
  Answer answer_;
  std::optional<Reader> reader_;
  std::vector<TokenId> fed_;
};

}  // namespace lamina
