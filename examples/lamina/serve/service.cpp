// SPDX-License-Identifier: Apache-2.0
// Opening what answers requests.
#include "service.hpp"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "../answer.hpp"
#include "../drafting.hpp"
#include "../report.hpp"

namespace program::serving {

using lamina::Result;

void RequestCounts::add(int status) noexcept {
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    if (statuses[i] == status) by_status[i].fetch_add(1, std::memory_order_relaxed);
  }
}

Service::Service(const ServeFlags& flags) : flags_(flags) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  started_ = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  id_seed_ = std::random_device{}() | (std::uint64_t{std::random_device{}()} << 32);
  if (flags.common.model.empty()) {
    name_ = "demo";
  } else {
    std::string path = flags.common.model;
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    name_ = lamina::file_name_of(path);
    if (name_.ends_with(".gguf") || name_.ends_with(".lguf")) name_.resize(name_.size() - 5);
  }
}

Result<std::unique_ptr<Service>> Service::open(const ServeFlags& flags, std::size_t cache_bytes) {
  std::unique_ptr<Service> service(new Service(flags));
  auto file = open_file(flags.common.model);
  if (!file) return file.error();
  if (!file->tokenizer) return file->tokenizer.error();
  auto engine = start(std::move(*file), service->flags_.common,
                      {.logits_rows = flags.parallel,
                       .block = lamina::default_image_budget,
                       .sequences = flags.parallel,
                       .kept_bytes = cache_bytes,
                       .drafts = true});
  if (!engine) return engine.error();
  service->engine_ = std::move(*engine);
  const lamina::Model& model = service->model();
  const lamina::EngineOptions& planned = service->engine_.engine->options();
  service->experts_on_disk_ = planned.expert_cache_bytes > 0;
  auto scheduler = lamina::Scheduler::create(std::move(*service->engine_.engine),
                                             {.parallel = flags.parallel,
                                              .queue = flags.queue,
                                              .context = planned.context,
                                              .prompt_rows = flags.prompt_rows,
                                              .cache_bytes = service->engine_.kept_bytes,
                                              .drafter = service->engine_.drafter,
                                              .drafts = draft_options(flags.common)});
  if (!scheduler) return scheduler.error();
  service->scheduler_ = std::move(*scheduler);
  auto generation = generation_options(model, service->flags_.common, {});
  if (!generation) return generation.error();
  service->defaults_.generation = std::move(*generation);
  service->defaults_.vocab = model.vocab();
  service->defaults_.most_choices = std::clamp(flags.queue + flags.parallel, 1U, 16U);
  service->towers_.emplace(service->flags_.common, service->flags_.media, model.hidden(),
                           service->engine_.planned_bytes);
  return service;
}

Result<const lamina::TokenIndex*> Service::token_index() {
  const std::lock_guard lock(index_mutex_);
  if (!index_) {
    auto made = lamina::TokenIndex::create(tokenizer());
    if (!made) return made.error();
    index_.emplace(std::move(*made));
  }
  return &*index_;
}

lamina::Status Service::encode_media(lamina::Conversation& conversation) {
  const auto has_media = [](const lamina::Message& message) {
    return std::any_of(
        message.content.parts.begin(), message.content.parts.end(),
        [](const lamina::ContentPart& part) { return part.kind != lamina::ContentPart::Kind::text; });
  };
  if (std::none_of(conversation.messages.begin(), conversation.messages.end(), has_media))
    return lamina::Done{};
  const std::lock_guard lock(media_mutex_);
  counts_.media.fetch_add(1, std::memory_order_relaxed);
  return towers_->encode_conversation(conversation);
}

std::string Service::new_id(std::string_view prefix) {
  std::uint64_t state = id_seed_ + next_id_.fetch_add(1, std::memory_order_relaxed) * 0x9E37'79B9'7F4A'7C15;
  constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuv";
  std::string id(prefix);
  std::uint64_t bits = 0;
  for (int i = 0; i < 24; ++i) {
    if (i % 12 == 0) bits = lamina::split_mix_64(state);
    id += digits[bits % 32];
    bits /= 32;
  }
  return id;
}

}  // namespace program::serving
