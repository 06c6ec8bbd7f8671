// SPDX-License-Identifier: Apache-2.0
// What an application talks to: a session over one loaded model, erased from the model's type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/runtime/model_entry.hpp>
#include <lamina/runtime/runner.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// One conversation's state: caches, position and scratch memory, all in one block sized before loading.
///
/// After `create` no member allocates. A session borrows `entry` and `file` (and the executor): they must
/// outlive it.
/// Threads   one thread at a time per session; sessions are independent of each other.
class Session {
 public:
  /// Plans, takes one block of memory (from `memory` if given, else from the heap) and binds all weights.
  ///
  /// Errors   mismatch (file and type differ), bad_file, out_of_memory (block too small), bad_argument
  /// (options)
  [[nodiscard]] static Result<Session> create(const ModelEntry& entry, const WeightFile& file,
                                              const SessionOptions& options,
                                              std::span<std::byte> memory = {}) noexcept;

  /// Feeds `tokens` after what is already there, in chunks of `options.chunk`; `logits()` then belongs to the
  /// last one. Tokens before the last run only through the layers that own keys and values (architecture 7).
  ///
  /// Errors   context_full, bad_argument (token outside the vocabulary): nothing was fed. not_finite (a NaN
  ///          or an infinity arose): the chunk where it did was not fed, those before it were, as
  ///          `position()` says; `logits()` is empty, and the session goes on as if there had
  ///          been no such chunk
  [[nodiscard]] Status prompt(std::span<const TokenId> tokens) noexcept;

  /// Feeds at most `options.logits_rows` tokens and returns all their logits [n, vocab], row-major.
  [[nodiscard]] Result<std::span<const float>> logits_of(std::span<const TokenId> tokens) noexcept;

  /// Feeds one token and returns its logits [vocab] (after the soft cap).
  [[nodiscard]] Result<std::span<const float>> step(TokenId token) noexcept;

  /// Logits of the last token fed, [vocab]; empty before the first, and after a pass that failed.
  [[nodiscard]] std::span<const float> logits() const noexcept;

  /// Forgets all tokens; keeps memory.
  void reset() noexcept;

  [[nodiscard]] std::uint32_t position() const noexcept;  ///< tokens fed so far
  [[nodiscard]] std::uint32_t context() const noexcept;   ///< tokens planned for
  [[nodiscard]] std::uint32_t vocab() const noexcept;
  [[nodiscard]] const SessionOptions& options() const noexcept;
  [[nodiscard]] std::size_t memory_bytes() const noexcept;  ///< size of the block

 private:
  struct Free {
    void operator()(std::byte* block) const noexcept {
      ::operator delete[](block, std::align_val_t{arena_alignment});
    }
  };

  Session(const SessionOptions& options, std::uint32_t vocab) noexcept : options_(options), vocab_(vocab) {}

  [[nodiscard]] Status check(std::span<const TokenId> tokens) const noexcept;
  Result<std::span<const float>> feed(std::span<const TokenId> tokens, LogitsWanted wanted) noexcept;

  SessionOptions options_;
  std::uint32_t vocab_;
  std::unique_ptr<std::byte[], Free> owned_;
  std::size_t memory_bytes_ = 0;
  Runner* runner_ = nullptr;  // lives in the block
  std::uint32_t position_ = 0;
  std::span<const float> logits_;
};

// --- Implementation ---

inline Result<Session> Session::create(const ModelEntry& entry, const WeightFile& file,
                                       const SessionOptions& options, std::span<std::byte> memory) noexcept {
  const auto limit = static_cast<std::uint32_t>(file.description.max_context);
  if (options.context == 0 || options.context > limit) {
    return Error{ErrorCode::bad_argument,
                 "context",
                 "tokens of context outside the model's range",
                 text("1 to %u", limit),
                 text("%u", options.context),
                 "choose a smaller context (-c)"};
  }
  constexpr std::uint32_t most_rows = 8192;
  if (options.chunk == 0 || options.chunk > most_rows) {
    return Error{
        ErrorCode::bad_argument,   "chunk", "prompt tokens per pass out of range", text("1 to %u", most_rows),
        text("%u", options.chunk), ""};
  }
  if (options.logits_rows == 0 || options.logits_rows > options.chunk) {
    return Error{ErrorCode::bad_argument,         "logits_rows",
                 "rows of logits out of range",   text("1 to %u", options.chunk),
                 text("%u", options.logits_rows), "raise `chunk` or lower `logits_rows`"};
  }

  Session session(options, static_cast<std::uint32_t>(entry.describe().vocab));
  session.memory_bytes_ = entry.session_bytes(options);
  if (memory.data() == nullptr) {
    session.owned_.reset(new (std::align_val_t{arena_alignment}, std::nothrow)
                             std::byte[session.memory_bytes_]);
    if (session.owned_ == nullptr) {
      return Error{ErrorCode::out_of_memory,
                   "session",
                   "the system refused the session's memory",
                   text("%zu bytes", session.memory_bytes_),
                   "none",
                   "choose a smaller context (-c) or cache format"};
    }
    memory = {session.owned_.get(), session.memory_bytes_};
  } else if (memory.size() < session.memory_bytes_) {
    return Error{ErrorCode::out_of_memory,
                 "session",
                 "the caller's memory block is too small",
                 text("%zu bytes", session.memory_bytes_),
                 text("%zu bytes", memory.size()),
                 "ask ModelEntry::session_bytes"};
  }
  Arena arena(memory);
  auto runner = entry.make(file, options, arena);
  if (!runner) return runner.error();
  session.runner_ = *runner;
  return session;
}

inline Status Session::check(std::span<const TokenId> tokens) const noexcept {
  if (tokens.size() > options_.context - position_) {
    return Error{ErrorCode::context_full,
                 "session",
                 "more tokens than the session was planned for",
                 text("at most %u tokens", options_.context),
                 text("%zu", position_ + tokens.size()),
                 "plan a larger context (-c) or reset"};
  }
  for (const TokenId token : tokens) {
    if (token >= vocab_) {
      return Error{ErrorCode::bad_argument,  "tokens",          "token id outside the vocabulary",
                   text("below %u", vocab_), text("%u", token), ""};
    }
  }
  return Done{};
}

inline Result<std::span<const float>> Session::feed(std::span<const TokenId> tokens,
                                                    LogitsWanted wanted) noexcept {
  const Segment segment{&runner_->first_cache(), position_, tokens, wanted};
  logits_ = {};
  auto rows = runner_->forward({&segment, 1});
  // A pass that failed wrote only keys and values that the next one writes again: rings have room for the
  // rows of a pass beyond their window.
  if (!rows) return rows;
  position_ += static_cast<std::uint32_t>(tokens.size());
  if (!rows->empty()) logits_ = rows->last(vocab_);
  return rows;
}

inline Status Session::prompt(std::span<const TokenId> tokens) noexcept {
  LAMINA_TRY(check(tokens));
  while (!tokens.empty()) {
    const std::size_t n = tokens.size() < options_.chunk ? tokens.size() : options_.chunk;
    const bool last = n == tokens.size();
    LAMINA_TRY(feed(tokens.first(n), last ? LogitsWanted::last : LogitsWanted::none));
    tokens = tokens.subspan(n);
  }
  return Done{};
}

inline Result<std::span<const float>> Session::logits_of(std::span<const TokenId> tokens) noexcept {
  if (tokens.empty() || tokens.size() > options_.logits_rows) {
    return Error{ErrorCode::bad_argument,
                 "tokens",
                 "number of tokens whose logits are wanted out of range",
                 text("1 to %u", options_.logits_rows),
                 text("%zu", tokens.size()),
                 "raise `logits_rows`"};
  }
  if (Status status = check(tokens); !status) return status.error();
  return feed(tokens, LogitsWanted::all);
}

inline Result<std::span<const float>> Session::step(TokenId token) noexcept {
  if (Status status = prompt({&token, 1}); !status) return status.error();
  return logits_;
}

inline std::span<const float> Session::logits() const noexcept { return logits_; }

inline void Session::reset() noexcept {
  position_ = 0;
  logits_ = {};
}

inline std::uint32_t Session::position() const noexcept { return position_; }
inline std::uint32_t Session::context() const noexcept { return options_.context; }
inline std::uint32_t Session::vocab() const noexcept { return vocab_; }
inline const SessionOptions& Session::options() const noexcept { return options_; }
inline std::size_t Session::memory_bytes() const noexcept { return memory_bytes_; }

}  // namespace lamina
