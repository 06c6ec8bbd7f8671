// SPDX-License-Identifier: Apache-2.0
// The way of answers from thread to thread.
#include "answers.hpp"

namespace program::serving {

TokenPlaces::Place TokenPlaces::push(lamina::TokenId id) {
  const lamina::SpecialTokens& special = tokenizer_.special();
  if (tokenizer_.is_special(id) || tokenizer_.is_stop(id)) {
    if (id == special.call_open) {
      place_ = Place::call;
    } else if (id == special.channel_open) {
      place_ = Place::thought;
      in_name_ = true;
    } else if (id == special.channel_close || id == special.call_close) {
      place_ = Place::text;
      in_name_ = false;
    }
    return Place::marker;
  }
  if (!in_name_) return place_;
  in_name_ = tokenizer_.piece(id).find('\n') == std::string_view::npos;
  return Place::marker;
}

void Mailbox::put(News news) {
  const std::lock_guard lock(mutex_);
  news_.push_back(std::move(news));
  ready_.notify_one();
}

std::optional<News> Mailbox::take(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  if (!ready_.wait_for(lock, most, [&] { return !news_.empty(); })) return std::nullopt;
  News next = std::move(news_.front());
  news_.pop_front();
  return next;
}

void MailListener::take(const lamina::ResponseEvent& event) {
  News news;
  news.kind = News::Kind::piece;
  news.index = index_;
  news.event = event;
  if (event.kind == lamina::ResponseEvent::Kind::text) news.choices.swap(choices_);
  mailbox_->put(std::move(news));
}

void MailListener::drawn(lamina::TokenId id, const lamina::TokenChoice* choice) {
  const TokenPlaces::Place place = places_.push(id);
  thought_tokens_ += place == TokenPlaces::Place::thought ? 1U : 0U;
  if (tells_choices_ && choice != nullptr && place == TokenPlaces::Place::text) choices_.push_back(*choice);
}

void MailListener::prompt_read(std::size_t done, std::size_t total) {
  News news;
  news.index = index_;
  news.done = done;
  news.total = total;
  mailbox_->put(std::move(news));
}

void MailListener::ended(lamina::Result<lamina::Answer> answer) {
  News news;
  news.kind = News::Kind::ended;
  news.index = index_;
  news.choices.swap(choices_);
  news.thought_tokens = thought_tokens_;
  news.answer.emplace(std::move(answer));
  mailbox_->put(std::move(news));
}

}  // namespace program::serving
