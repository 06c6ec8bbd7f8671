// SPDX-License-Identifier: Apache-2.0
// What may come next in an answer, and what must: a constraint on the answer behind its thoughts, and a
// budget for these. Source: tokenizer-and-chat.md §8.1 (the channel of thoughts).
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

#include <lamina/chat/answer.hpp>
#include <lamina/chat/response_parser.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/masks/forced_tokens.hpp>
#include <lamina/masks/token_constraint.hpp>
#include <lamina/sampling/token_mask.hpp>
#include <lamina/tokenizer/tokenizer.hpp>

namespace lamina {

/// Where answers are steered: told of every token, it says what may follow.
class Steering {
 public:
  /// `thinks`: the answer may begin with thoughts. The tokenizer must outlive this; without one nothing is
  /// steered.
  Steering(const GenerationOptions& options, const Tokenizer* tokenizer, ResponseStart start, bool thinks)
      : tokenizer_(tokenizer),
        constraint_(options.constraint.get()),
        budget_(options.think_budget),
        jumps_(options.log_probabilities == 0),
        ends_(!options.ignore_stop) {
    place_ = start == ResponseStart::thought ? Place::thought : thinks ? Place::begin : Place::answer;
    if (constraint_ != nullptr) constraint_->reset();
  }

  /// Keeps room for the answer: thoughts end when `room` tokens, from here on, have come less `kept`.
  void keep_room(std::uint32_t room, std::uint32_t kept) noexcept {
    if (tokenizer_ == nullptr) return;
    // The channel's name and its end are no thoughts, but take room.
    constexpr std::uint32_t around = longest_name + 4;
    const std::uint32_t most = room > kept + around ? room - kept - around : 0;
    budget_ = std::min(budget_.value_or(most), most);
  }

  /// The tokens that may come next; null for all. Valid until the next call.
  ///
  /// Errors   bad_argument (the constraint leaves no way on), those of the constraint
  [[nodiscard]] Result<const TokenMask*> allowed() {
    if (constraint_ == nullptr || place_ == Place::head || place_ == Place::thought) return nullptr;
    auto mask = constraint_->mask();
    if (!mask) return mask.error();
    if ((*mask)->count() == 0)
      return Error{ErrorCode::bad_argument, "constraint", "leaves no token to go on with",
                   "a way to its end",      "none",       ""};
    if (place_ == Place::answer || opener() == no_token) return *mask;
    begin_ = **mask;
    begin_.set(opener());
    return &begin_;
  }

  /// A token that was drawn, or what stands for it: under a constraint thoughts do not end the answer.
  [[nodiscard]] TokenId corrected(TokenId id) const noexcept {
    const bool in_thought = place_ == Place::head || place_ == Place::thought;
    if (constraint_ == nullptr || !in_thought || !tokenizer_->is_stop(id)) return id;
    return tokenizer_->special().channel_close;
  }

  /// Tells that a token came.
  void accept(TokenId id) {
    if (tokenizer_ == nullptr) {
      ++answer_tokens_;
      return;
    }
    if (place_ == Place::head || place_ == Place::thought) {
      take_thought(id);
    } else if (id == opener() && (place_ == Place::begin || constraint_ == nullptr)) {
      place_ = Place::head;
    } else {
      ++answer_tokens_;
      place_ = Place::answer;
      if (constraint_ != nullptr && !tokenizer_->is_stop(id)) static_cast<void>(constraint_->accept(id));
    }
  }

  /// As `allowed`, behind the tokens that `try_follow` was told of.
  [[nodiscard]] Result<const TokenMask*> try_allowed() { return allowed(); }
  /// Goes on behind a token that may yet be refused. False: what could follow it is not known, or must come
  /// anyway.
  [[nodiscard]] bool try_follow(TokenId id) {
    if (tokenizer_ == nullptr) return true;
    if (!trial_) {
      if (constraint_ != nullptr && !constraint_->begin_trial()) return false;
      trial_ = Trial{place_, thought_tokens_, name_tokens_, answer_tokens_, at_line_begin_};
    }
    accept(id);
    const auto must = forced(1);
    return must && must->empty();
  }
  /// Goes back to where the first `try_follow` began.
  void stop_trial() noexcept {
    if (!trial_) return;
    if (constraint_ != nullptr) constraint_->end_trial();
    place_ = trial_->place;
    thought_tokens_ = trial_->thought_tokens;
    name_tokens_ = trial_->name_tokens;
    answer_tokens_ = trial_->answer_tokens;
    at_line_begin_ = trial_->at_line_begin;
    trial_.reset();
  }

  /// At most `most` tokens that must come now; tell `accept` of each, and ask again until there are none.
  /// With log-probabilities those of the constraint are drawn. Errors: those of the constraint and of the
  /// tokenizer.
  [[nodiscard]] Result<std::vector<TokenId>> forced(std::size_t most) {
    std::vector<TokenId> ids;
    if (place_ == Place::thought && budget_ && thought_tokens_ >= *budget_) {
      if (!at_line_begin_ && tokenizer_->find("\n") != no_token) ids.push_back(tokenizer_->find("\n"));
      ids.push_back(tokenizer_->special().channel_close);
      if (ids.size() > most || ids.back() == no_token) ids.clear();
    } else if (jumps_ && constraint_ != nullptr && place_ == Place::answer) {
      auto must = forced_tokens(*constraint_, *tokenizer_, ends_);
      if (!must) return must.error();
      ids = std::move(*must);
      if (ids.size() > most) ids.resize(most);
    }
    return ids;
  }

  /// Tokens so far that belong to no thought.
  [[nodiscard]] std::uint32_t answer_tokens() const noexcept { return answer_tokens_; }

 private:
  enum class Place : std::uint8_t { begin, head, thought, answer };
  static constexpr std::uint32_t longest_name = 8;  ///< of a channel, in tokens

  struct Trial {
    Place place;
    std::uint32_t thought_tokens;
    std::uint32_t name_tokens;
    std::uint32_t answer_tokens;
    bool at_line_begin;
  };

  [[nodiscard]] TokenId opener() const noexcept { return tokenizer_->special().channel_open; }

  void take_thought(TokenId id) {
    if (id == tokenizer_->special().channel_close) {
      place_ = Place::answer;
      return;
    }
    const std::string_view text = tokenizer_->piece(id);
    at_line_begin_ = text.ends_with('\n');
    if (place_ == Place::thought) {
      ++thought_tokens_;
    } else if (++name_tokens_ == longest_name || text.find('\n') != text.npos) {
      place_ = Place::thought;  // the channel's name ends, or is none
    }
  }

  const Tokenizer* tokenizer_;
  TokenConstraint* constraint_;
  std::optional<std::uint32_t> budget_;
  bool jumps_;  ///< what must come is not drawn
  bool ends_;   ///< the answer ends where a token stops it
  Place place_ = Place::answer;
  std::uint32_t thought_tokens_ = 0;
  std::uint32_t name_tokens_ = 0;
  std::uint32_t answer_tokens_ = 0;
  bool at_line_begin_ = true;
  std::optional<Trial> trial_;
  TokenMask begin_;
};

}  // namespace lamina
