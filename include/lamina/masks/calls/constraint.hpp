// SPDX-License-Identifier: Apache-2.0
// Calls of tools as Gemma 4 writes them, kept to the schemas that the tools declare.
// Source: tokenizer-and-chat.md §8.1, §8.3 (constrained decoding for forced tool use).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/masks/bytes.hpp>
#include <lamina/masks/calls/machine.hpp>
#include <lamina/masks/masker.hpp>
#include <lamina/masks/graph/graph.hpp>
#include <lamina/masks/token_constraint.hpp>
#include <lamina/masks/token_index.hpp>
#include <lamina/sampling/token_mask.hpp>

namespace lamina {

/// Whether calls must come, and how many.
struct CallRules {
  bool must_call = false;         ///< the answer is calls; else it is text, in which calls may stand
  std::uint32_t most_calls = 32;  ///< one after the other
  /// What text must be where no call comes; null: anything. A call stands in place of it then.
  std::shared_ptr<TokenConstraint> text{};
};

/// An answer whose calls fit their tools.
///
/// A call is `<|tool_call>`, a body, `<tool_call|>`; behind one comes another or the end.
/// Threads  one at a time
class CallConstraint final : public TokenConstraint {
 public:
  /// The graph is one of `compile_calls`; the index must outlive the constraint.
  ///
  /// Errors   unsupported (the vocabulary has no tokens for calls), out_of_memory
  [[nodiscard]] static Result<std::unique_ptr<CallConstraint>> create(
      std::shared_ptr<const masks::SchemaGraph> graph, const TokenIndex& index, CallRules rules) {
    const SpecialTokens& special = index.tokenizer().special();
    if (special.call_open == no_token || special.call_close == no_token || special.quote == no_token) {
      return Error{ErrorCode::unsupported,
                   "tools",
                   "the vocabulary has no tokens for calls",
                   "<|tool_call>, <tool_call|> and <|\"|>",
                   "none",
                   ""};
    }
    return guard_memory("calls", [&]() -> Result<std::unique_ptr<CallConstraint>> {
      return std::unique_ptr<CallConstraint>(new CallConstraint(std::move(graph), index, std::move(rules)));
    });
  }

  [[nodiscard]] Result<const TokenMask*> mask() override {
    return guard_memory("mask", [&]() -> Result<const TokenMask*> {
      if (place_ == Place::text || place_ == Place::begin) return mask_of_text();
      mask_.clear();
      if (place_ == Place::body) {
        mask_ = masker_.mask(state_);
        if (machine_.failed())
          return Error{ErrorCode::out_of_memory, "mask", "a pattern needs too many states", "", "",
                       "use a simpler pattern"};
        if (may_quote()) mask_.set(special().quote);
        if (masks::CallMachine::is_complete(state_)) mask_.set(special().call_close);
      } else {
        mask_ = index_->stops();
        if (calls_ < rules_.most_calls) mask_.set(special().call_open);
      }
      return &mask_;
    });
  }

  [[nodiscard]] bool accept(TokenId id) override {
    if (place_ == Place::body) return accept_in_body(id);
    if (id == special().call_open) {
      const bool allowed = place_ == Place::begin || (place_ == Place::text && rules_.text == nullptr) ||
                           (place_ == Place::closed && calls_ < rules_.most_calls);
      if (!allowed) return false;
      place_ = Place::body;
      ++calls_;
      state_ = machine_.start();
      if (!trial_) machine_.compact(state_);
      return true;
    }
    if (index_->stops().has(id)) return may_end();
    if (place_ == Place::closed || rules_.must_call) return false;
    if (rules_.text != nullptr && !rules_.text->accept(id)) return false;
    place_ = Place::text;
    return true;
  }
  [[nodiscard]] std::size_t accept(std::string_view text) override {
    if (place_ == Place::closed || (place_ != Place::body && rules_.must_call) || text.empty()) return 0;
    if (place_ != Place::body) {
      const std::size_t taken = rules_.text != nullptr ? rules_.text->accept(text) : text.size();
      if (taken > 0) place_ = Place::text;
      return taken;
    }
    return masks::take_bytes(state_, text,
                             [&](auto& state, std::uint8_t byte) { return machine_.step(state, byte); });
  }
  [[nodiscard]] bool may_end() override {
    if (place_ == Place::closed) return true;
    if (place_ == Place::body || rules_.must_call) return false;
    return rules_.text == nullptr || rules_.text->may_end();
  }
  [[nodiscard]] std::string forced(std::size_t most = 256) override {
    if (place_ == Place::text && rules_.text != nullptr) return rules_.text->forced(most);
    if (place_ != Place::body) return {};
    return masks::forced_bytes(
        machine_.arena(), state_, most,
        [&](auto& state, std::uint8_t byte) { return machine_.step(state, byte); },
        [&](const masks::CallState& state) {
          masks::CallState quoted = state;
          return masks::CallMachine::is_complete(state) || machine_.quote(quoted);
        });
  }
  [[nodiscard]] std::vector<CrossingToken> crossing(std::string_view text) override {
    if (place_ == Place::body) return masker_.crossing(state_, text);
    return rules_.text != nullptr ? rules_.text->crossing(text) : std::vector<CrossingToken>();
  }
  [[nodiscard]] TokenId usual_stop() override {
    return place_ == Place::closed ? special().response_open : special().turn_close;
  }
  [[nodiscard]] bool begin_trial() override {
    if (rules_.text != nullptr && !rules_.text->begin_trial()) return false;
    trial_.emplace(Trial{state_, machine_.arena().mark(), place_, calls_});
    return true;
  }
  void end_trial() noexcept override {
    if (rules_.text != nullptr) rules_.text->end_trial();
    if (!trial_) return;
    machine_.arena().reset(trial_->mark);
    state_ = trial_->state;
    place_ = trial_->place;
    calls_ = trial_->calls;
    trial_.reset();
  }
  void reset() override {
    trial_.reset();
    place_ = Place::begin;
    calls_ = 0;
    if (rules_.text != nullptr) rules_.text->reset();
  }

 private:
  enum class Place : std::uint8_t {
    begin,
    text,
    body,    ///< of a call
    closed,  ///< behind a call
  };
  static constexpr std::size_t least_room = std::size_t{1} << 18;
  struct Trial {
    masks::CallState state;
    masks::Arena::Mark mark;
    Place place;
    std::uint32_t calls;
  };

  CallConstraint(std::shared_ptr<const masks::SchemaGraph> graph, const TokenIndex& index, CallRules rules)
      : graph_(std::move(graph)),
        index_(&index),
        rules_(std::move(rules)),
        machine_(*graph_),
        masker_(index, machine_),
        mask_(index.tokens()),
        everything_(index.tokens()) {
    for (TokenId id = 0; id < index.tokens(); ++id) everything_.set(id);
  }

  [[nodiscard]] const SpecialTokens& special() const noexcept { return index_->tokenizer().special(); }
  [[nodiscard]] bool may_quote() {
    masks::CallState next = state_;
    const masks::Arena::Mark mark = machine_.arena().mark();
    const bool may = machine_.quote(next);
    machine_.arena().reset(mark);
    return may;
  }
  [[nodiscard]] Result<const TokenMask*> mask_of_text() {
    mask_.clear();
    if (rules_.must_call) {
      mask_.set(special().call_open);
      return &mask_;
    }
    if (rules_.text == nullptr) return &everything_;
    auto of_text = rules_.text->mask();
    if (!of_text || place_ == Place::text) return of_text;
    mask_ = **of_text;
    mask_.set(special().call_open);
    return &mask_;
  }
  [[nodiscard]] bool accept_in_body(TokenId id) {
    if (id == special().call_close) {
      if (!masks::CallMachine::is_complete(state_)) return false;
      place_ = Place::closed;
      return true;
    }
    const masks::CallState before = state_;
    bool taken = false;
    if (id == special().quote) {
      taken = machine_.quote(state_);
    } else {
      const std::string_view text = index_->bytes_of(id);
      taken = !text.empty() && accept(text) == text.size();
    }
    if (!taken) {
      state_ = before;
    } else if (!trial_ && machine_.arena().bytes() > room_) {
      machine_.compact(state_);
      room_ = std::max(least_room, 2 * machine_.arena().bytes());
    }
    return taken;
  }

  std::shared_ptr<const masks::SchemaGraph> graph_;
  const TokenIndex* index_;
  CallRules rules_;
  masks::CallMachine machine_;
  masks::Masker<masks::CallMachine> masker_;
  masks::CallState state_{};
  Place place_ = Place::begin;
  std::uint32_t calls_ = 0;
  std::size_t room_ = least_room;
  std::optional<Trial> trial_;
  TokenMask mask_;
  TokenMask everything_;
};

}  // namespace lamina
