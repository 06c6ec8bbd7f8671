// SPDX-License-Identifier: Apache-2.0
// The ids of an answer to typed events: thoughts, text and tool calls, while they come in.
// Source: tokenizer-and-chat.md §8.2 (states and tolerances).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/types.hpp>
#include <lamina/chat/call_parser.hpp>
#include <lamina/tokenizer/stream_decoder.hpp>
#include <lamina/tokenizer/tokenizer.hpp>
#include <lamina/core/unicode.hpp>

namespace lamina {

/// One step of an answer. Pieces of one kind are to be concatenated.
struct ResponseEvent {
  enum class Kind : std::uint8_t { thought, text, tool_call };
  Kind kind = Kind::text;
  std::string text;  ///< of a thought or text: whole characters, never empty
  ParsedCall call;   ///< of a tool call
};

/// Why an answer ended.
enum class FinishReason : std::uint8_t {
  length,      ///< the ids ended without a stop token
  stop,        ///< a stop token came
  tool_calls,  ///< a stop token came after at least one well-formed call
};

[[nodiscard]] constexpr std::string_view name_of(FinishReason reason) noexcept {
  return reason == FinishReason::length ? "length" : reason == FinishReason::stop ? "stop" : "tool_calls";
}

/// Where an answer begins.
enum class ResponseStart : std::uint8_t {
  answer,
  thought,  ///< the prompt opened the thinking channel (`starts_in_thought`)
};

/// Passes text on without white space at its ends: leading white space never comes out, trailing white space
/// waits until more text follows.
class TrimmedStream {
 public:
  void push(std::string_view piece, std::string& out) {
    if (!begun_) piece.remove_prefix(leading_space(piece));
    if (piece.empty()) return;
    begun_ = true;
    const std::string_view solid = trim_end(piece);
    if (!solid.empty()) {
      out.append(held_).append(solid);
      held_.clear();
    }
    held_.append(piece.substr(solid.size()));
  }
  [[nodiscard]] bool begun() const noexcept { return begun_; }

 private:
  std::string held_;
  bool begun_ = false;
};

/// A state machine on ids. Markers are single ids, so no text is held back to look for them; spelled markers
/// are text.
///
/// Text is trimmed as a whole across calls; each block of thoughts is trimmed, and blocks are joined by one
/// newline.
class ResponseParser {
 public:
  /// The tokenizer must outlive the parser.
  explicit ResponseParser(const Tokenizer& tokenizer, ResponseStart start = ResponseStart::answer)
      : tokenizer_(&tokenizer),
        decoder_(tokenizer, SpecialText::clean),
        state_(start == ResponseStart::thought ? State::think : State::answer) {}

  /// Takes the next id and appends what it completes to `events`.
  ///
  /// Returns  true once a stop token ended the answer; ids after it are ignored
  bool push(TokenId id, std::vector<ResponseEvent>& events) {
    if (state_ == State::ended) return true;
    if (tokenizer_->is_stop(id)) {
      finish(events);
      stopped_ = true;
      return true;
    }
    std::string text;
    decoder_.push(id, text);
    take_text(text, events);
    if (tokenizer_->is_special(id)) take_special(id, events);
    return false;
  }

  /// Takes several ids. Returns as the other `push`.
  bool push(std::span<const TokenId> ids, std::vector<ResponseEvent>& events) {
    for (const TokenId id : ids) push(id, events);
    return state_ == State::ended;
  }

  /// Tells that no more ids come; a call that is cut off is reported, but should not be executed.
  void finish(std::vector<ResponseEvent>& events) {
    if (state_ == State::ended) return;
    std::string text;
    decoder_.finish(text);
    take_text(text, events);
    if (state_ == State::call) end_call(events);
    state_ = State::ended;
  }

  [[nodiscard]] bool ended() const noexcept { return state_ == State::ended; }
  [[nodiscard]] FinishReason reason() const noexcept {
    if (!stopped_) return FinishReason::length;
    return called_ ? FinishReason::tool_calls : FinishReason::stop;
  }

 private:
  enum class State : std::uint8_t { answer, channel_head, think, call, ended };

  void take_special(TokenId id, std::vector<ResponseEvent>& events) {
    const SpecialTokens& special = tokenizer_->special();
    if (state_ == State::call) {
      if (id == special.call_close) {
        end_call(events);
      } else if (id == special.quote) {
        body_ += quote_mark;
      } else {
        body_ += tokenizer_->piece(id);
      }
    } else if (id == special.call_open) {
      state_ = State::call;  // also from within a channel that nothing closed
    } else if (id == special.channel_open && state_ != State::think) {
      state_ = State::channel_head;
    } else if (id == special.channel_close) {
      state_ = State::answer;
    }
  }

  void take_text(std::string_view text, std::vector<ResponseEvent>& events) {
    if (state_ == State::channel_head) {
      // The channel's name, normally "thought", ends at the newline; it is not reported.
      const std::size_t newline = text.find('\n');
      if (newline == std::string_view::npos) return;
      text.remove_prefix(newline + 1);
      begin_thought();
    }
    if (text.empty()) return;
    if (state_ == State::call) {
      body_ += text;
      return;
    }
    ResponseEvent event;
    if (state_ == State::think) {
      event.kind = ResponseEvent::Kind::thought;
      thought_.push(text, event.text);
      if (event.text.empty()) return;
      if (separate_thoughts_) event.text.insert(event.text.begin(), '\n');
      separate_thoughts_ = false;
      any_thought_ = true;
    } else {
      answer_.push(text, event.text);
      if (event.text.empty()) return;
    }
    events.push_back(std::move(event));
  }

  void begin_thought() {
    state_ = State::think;
    thought_ = {};
    separate_thoughts_ = any_thought_;
  }

  void end_call(std::vector<ResponseEvent>& events) {
    ResponseEvent event;
    event.kind = ResponseEvent::Kind::tool_call;
    event.call = parse_call(body_);
    called_ = called_ || event.call.well_formed;
    events.push_back(std::move(event));
    body_.clear();
    state_ = State::answer;
  }

  const Tokenizer* tokenizer_;
  StreamDecoder decoder_;
  State state_;
  TrimmedStream answer_;
  TrimmedStream thought_;  // of the current block
  std::string body_;       // of the current call
  bool any_thought_ = false;
  bool separate_thoughts_ = false;
  bool stopped_ = false;
  bool called_ = false;
};

}  // namespace lamina
