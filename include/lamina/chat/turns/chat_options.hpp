// SPDX-License-Identifier: Apache-2.0
// How a conversation is planned.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <lamina/chat/answer.hpp>
#include <lamina/chat/value.hpp>
#include <lamina/core/executor.hpp>
#include <lamina/engine/drafting/drafter.hpp>
#include <lamina/engine/drafting/read_ahead.hpp>
#include <lamina/engine/engine.hpp>
#include <lamina/engine/model_entry.hpp>
#include <lamina/engine/options.hpp>

namespace lamina {

/// How a conversation is planned.
struct ChatOptions {
  std::uint32_t context = 8192;  ///< tokens it can hold, prompt and answers; the model's most if that is less
  std::uint32_t chunk = 512;     ///< prompt tokens per pass over the weights
  Precision precision = Precision::fast;
  CacheFormats cache{};
  Executor* executor = nullptr;  ///< null: the calling thread does everything
  GenerationOptions generation{};
  std::string system{};        ///< instruction for the whole conversation; empty: none
  bool thinking = false;       ///< let the model think before it answers
  std::vector<Value> tools{};  ///< functions that it may call
  /// Bytes of snapshots at turn ends, from which an answer is drawn again, a question put in other words, a
  /// turn taken back or another branch gone on with, all without reading anything twice. Pages do not count,
  /// which are the session's. 0: none; absent: `snapshot_budget`.
  std::optional<std::size_t> snapshot_bytes{};
  /// As of `SessionOptions`; 0: `context` for each of `candidates`.
  std::uint32_t cache_tokens = 0;
  std::uint32_t candidates = 1;      ///< answers of `Chat::propose` that are drawn side by side
  std::optional<Drafter> drafter{};  ///< of the model: answers come faster where its drafts are right
  DraftOptions drafts{};

  /// The session of a model for at most `max_context` tokens.
  [[nodiscard]] SessionOptions session(std::uint32_t max_context) const noexcept {
    SessionOptions plan;
    plan.context = std::min(context, max_context);
    plan.chunk = chunk;
    const std::uint32_t side_by_side = std::max(1U, std::min(candidates, chunk));
    plan.logits_rows = drafter ? std::max(side_by_side, std::min(drafts.most + 1, chunk)) : side_by_side;
    plan.precision = precision;
    plan.cache = cache;
    plan.executor = executor;
    plan.cache_tokens = cache_tokens;
    if (cache_tokens == 0 && side_by_side > 1) plan.cache_tokens = plan.context * side_by_side;
    return plan;
  }

  /// What `snapshot_bytes` says for a session of a model; absent, room for four of the largest (31B: 0.8 GiB
  /// each), 512 MiB at least.
  [[nodiscard]] std::size_t snapshot_budget(const ModelEntry& entry,
                                            const SessionOptions& session) const noexcept {
    if (snapshot_bytes) return *snapshot_bytes;
    const std::size_t largest = Engine::snapshot_bytes(entry, session.cache, session.context);
    return std::max(std::size_t{512} << 20, 4 * largest);
  }
};

}  // namespace lamina
