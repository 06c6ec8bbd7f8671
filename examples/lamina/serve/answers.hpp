// SPDX-License-Identifier: Apache-2.0
// Answers on their way from the engine's thread to the thread of a connection.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/response_parser.hpp>
#include <lamina/chat/scheduling/scheduler.hpp>
#include <lamina/core/error.hpp>
#include <lamina/tokenizer/tokenizer.hpp>

#include "http.hpp"

namespace program::serving {

/// Tells of each token where it belongs.
class TokenPlaces {
 public:
  enum class Place : std::uint8_t { text, thought, call, marker };
  TokenPlaces(const lamina::Tokenizer& tokenizer, lamina::ResponseStart start)
      : tokenizer_(tokenizer),
        place_(start == lamina::ResponseStart::thought ? Place::thought : Place::text) {}

  [[nodiscard]] Place push(lamina::TokenId id);

 private:
  const lamina::Tokenizer& tokenizer_;
  Place place_;
  bool in_name_ = false;  ///< of a channel
};

/// Something that happened to an answer.
struct News {
  enum class Kind : std::uint8_t {
    read,   ///< more of the prompt was read
    piece,  ///< of the answer
    ended,
  };
  Kind kind = Kind::read;
  std::size_t index = 0;  ///< which of the answers
  std::size_t done = 0;   ///< tokens of the prompt
  std::size_t total = 0;
  lamina::ResponseEvent event{};
  std::vector<lamina::TokenChoice> choices{};  ///< of the tokens of text that came since the last piece
  std::optional<lamina::Result<lamina::Answer>> answer{};
  std::size_t thought_tokens = 0;
};

/// News of some answers in their order. One thread takes them, any may put them in.
class Mailbox {
 public:
  void put(News news);
  /// Waits for the next one; nothing if none came.
  [[nodiscard]] std::optional<News> take(std::chrono::milliseconds most);
  /// Nobody wants the answers any more.
  void cancel() noexcept { cancelled_ = true; }
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_; }

 private:
  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<News> news_;
};

/// Listens to one answer.
class MailListener final : public lamina::AnswerListener {
 public:
  /// `presence` must outlive the answer; `cut` ends all answers.
  MailListener(std::shared_ptr<Mailbox> mailbox, std::size_t index, const lamina::Tokenizer& tokenizer,
               lamina::ResponseStart start, const Presence& presence, const std::atomic<bool>& cut,
               bool tells_choices)
      : mailbox_(std::move(mailbox)),
        index_(index),
        places_(tokenizer, start),
        presence_(presence),
        cut_(cut),
        tells_choices_(tells_choices) {}

  void take(const lamina::ResponseEvent& event) override;
  void drawn(lamina::TokenId id, const lamina::TokenChoice* choice) override;
  void prompt_read(std::size_t done, std::size_t total) override;
  [[nodiscard]] bool goes_on() override { return !cut_ && !mailbox_->cancelled() && presence_.is_there(); }
  void ended(lamina::Result<lamina::Answer> answer) override;

 private:
  std::shared_ptr<Mailbox> mailbox_;
  std::size_t index_;
  TokenPlaces places_;
  const Presence& presence_;
  const std::atomic<bool>& cut_;
  bool tells_choices_;
  std::vector<lamina::TokenChoice> choices_;
  std::size_t thought_tokens_ = 0;
};

}  // namespace program::serving
