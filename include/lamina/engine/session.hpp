// SPDX-License-Identifier: Apache-2.0
// The short way: one engine and its one sequence over a weight file, erased from the model's type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include <lamina/core/block.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/engine/check_options.hpp>
#include <lamina/engine/engine.hpp>
#include <lamina/engine/model.hpp>
#include <lamina/engine/model_entry.hpp>
#include <lamina/engine/options.hpp>
#include <lamina/engine/sequence.hpp>
#include <lamina/state/snapshot.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// One conversation over one model: an engine and a sequence, in one block sized before loading.
///
/// After `create` no member allocates. A session that was moved from holds nothing: feeding it is an error.
/// Threads   one thread at a time per session; sessions are independent of each other, whatever they share
class Session {
 public:
  /// Plans, takes one block of memory (from `memory` if given, else from the heap) and binds all weights.
  /// The session borrows the bytes of `file`, which may be moved but must not be destroyed or packed before
  /// it, and the executor and the observer of its options, which must stay in place.
  ///
  /// Errors   mismatch (file and type differ), bad_file, out_of_memory (block too small), bad_argument
  /// (options)
  [[nodiscard]] static Result<Session> create(const ModelEntry& entry, const WeightFile& file,
                                              const SessionOptions& options,
                                              std::span<std::byte> memory = {}) noexcept;
  /// A file that ends with the expression would take the session's weights along.
  static Result<Session> create(const ModelEntry& entry, const WeightFile&& file,
                                const SessionOptions& options, std::span<std::byte> memory = {}) = delete;

  /// Shares `model`, which may be moved or destroyed afterwards.
  ///
  /// Errors   out_of_memory, bad_argument (options)
  [[nodiscard]] static Result<Session> create(const Model& model, const SessionOptions& options,
                                              std::span<std::byte> memory = {}) noexcept;

  Session(Session&& other) noexcept
      : options_(other.options_),
        block_(std::move(other.block_)),
        engine_(std::move(other.engine_)),
        sequence_(std::move(other.sequence_)),
        logits_(std::exchange(other.logits_, {})),
        hidden_(std::exchange(other.hidden_, {})) {}
  Session& operator=(Session&& other) noexcept {
    if (this == &other) return *this;
    // The sequence gives its pages back to the engine, and both lie in the block.
    sequence_ = std::move(other.sequence_);
    engine_ = std::move(other.engine_);
    block_ = std::move(other.block_);
    options_ = other.options_;
    logits_ = std::exchange(other.logits_, {});
    hidden_ = std::exchange(other.hidden_, {});
    return *this;
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() = default;

  /// Bytes of the block that `create` takes for a file; exact.
  [[nodiscard]] static constexpr std::size_t bytes(const ModelEntry& entry,
                                                   const SessionOptions& options) noexcept {
    return entry.model_bytes() + own_bytes(entry, options);
  }

  /// Feeds `tokens` after what is already there, in chunks of at most `options.chunk` that cut no picture
  /// whose rows see each other; `logits()` then belongs to the last one. Tokens before the last run only
  /// through the layers that own keys and values (architecture 7).
  ///
  /// Errors   context_full, bad_argument (token outside the vocabulary): nothing was fed. not_finite (a NaN or
  ///          an infinity arose) and io (rows on disk): the chunk where it did was not fed, those before it
  ///          were, as `position()` says; `logits()` is empty, and the session goes on from there as if the
  ///          chunk had not been tried
  [[nodiscard]] Status prompt(PromptTokens tokens) noexcept;

  /// Tokens of a prompt that `prompt` feeds with one pass: at most `options.chunk`, no picture cut whose rows
  /// see each other. A picture that is longer than a chunk is cut, and refused when it is fed.
  [[nodiscard]] std::size_t next_piece(const PromptTokens& prompt) const noexcept {
    const std::size_t whole = whole_blocks(prompt, options_.chunk, engine_.model().entry().sees_blocks);
    return whole > 0 || prompt.empty() ? whole : options_.chunk;
  }

  /// As of `Engine`.
  [[nodiscard]] ExpertReads expert_reads() const noexcept { return engine_.expert_reads(); }

  /// As of `Engine`.
  void expect(const PromptTokens& tokens) const noexcept { engine_.expect(tokens); }

  /// Feeds at most `options.logits_rows` tokens and returns all their logits [n, vocab], row-major.
  [[nodiscard]] Result<std::span<const float>> logits_of(PromptTokens tokens) noexcept;

  /// Feeds one token and returns its logits [vocab] (after the soft cap).
  [[nodiscard]] Result<std::span<const float>> step(TokenId token) noexcept;

  /// Logits of the last token fed, [vocab]; empty before the first, and after a pass that failed.
  [[nodiscard]] std::span<const float> logits() const noexcept { return logits_; }

  /// Another sequence of the session's engine that has read what the session has, with memory of its own: to
  /// go several ways from here, with `run`. Must not outlive a session in the caller's memory.
  ///
  /// Errors   as `Engine::branch`
  [[nodiscard]] Result<Sequence> branch() const noexcept { return engine_.branch(sequence_); }
  /// Runs a pass of branches; `logits()` is empty then. Errors: as `Engine::run`
  [[nodiscard]] Result<PassResult> run(std::span<const Feed> feeds) noexcept {
    forget_rows();
    return engine_.run(feeds);
  }
  /// Hidden state of the same token after the final norm, [hidden]; what `ReadAhead::know_hidden` takes.
  [[nodiscard]] std::span<const float> hidden() const noexcept { return hidden_; }

  /// Forgets all tokens; keeps memory.
  void reset() noexcept {
    sequence_.reset();
    forget_rows();
  }

  /// The engine behind the session.
  [[nodiscard]] Engine& engine() noexcept { return engine_; }
  /// Its sequence, for who feeds it without the session (`ReadAhead`): `logits()` is empty from then on.
  [[nodiscard]] Sequence& sequence() noexcept {
    forget_rows();
    return sequence_;
  }

  // As of `Sequence`; `logits()` is empty after each that changes what was read.
  [[nodiscard]] Result<Snapshot> snapshot(std::span<std::byte> memory = {}) const noexcept {
    return sequence_.snapshot(memory);
  }
  [[nodiscard]] Status restore(const Snapshot& snapshot) noexcept {
    return changed(sequence_.restore(snapshot));
  }
  [[nodiscard]] Status rewind(std::uint32_t position) noexcept { return changed(sequence_.rewind(position)); }
  [[nodiscard]] std::uint32_t rewind_start(std::uint32_t position) const noexcept {
    return sequence_.rewind_start(position);
  }
  [[nodiscard]] std::size_t snapshot_bytes() const noexcept { return sequence_.snapshot_bytes(); }
  [[nodiscard]] bool can_fill() const noexcept { return sequence_.can_fill(); }
  template <class Sink>
  [[nodiscard]] Status save(Sink&& sink) const {
    return sequence_.save(sink);
  }
  template <class Source>
  [[nodiscard]] Status load(Source&& source, std::string_view where = "state") {
    return changed(sequence_.load(source, where));
  }

  [[nodiscard]] std::span<const TokenId> tokens() const noexcept {
    return sequence_.tokens();
  }  ///< fed so far
  [[nodiscard]] std::uint32_t position() const noexcept {
    return sequence_.position();
  }  ///< how many these are
  [[nodiscard]] std::uint32_t context() const noexcept {
    return sequence_.context();
  }  ///< tokens planned for
  [[nodiscard]] std::uint32_t vocab() const noexcept { return engine_.model().vocab(); }
  [[nodiscard]] const SessionOptions& options() const noexcept { return options_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return block_.bytes().size(); }  ///< of its block

 private:
  Session(const SessionOptions& options, Block block, Engine engine, Sequence sequence) noexcept
      : options_(options),
        block_(std::move(block)),
        engine_(std::move(engine)),
        sequence_(std::move(sequence)) {}

  static constexpr std::size_t own_bytes(const ModelEntry& entry, const SessionOptions& options) noexcept {
    return Engine::bytes(entry, options.engine()) +
           Engine::sequence_bytes(entry, options.engine(), options.sequence());
  }
  [[nodiscard]] static Result<Session> create_in(Block block, std::span<std::byte> memory, const Model& model,
                                                 const SessionOptions& options) noexcept;
  [[nodiscard]] Result<std::span<const float>> feed(const PromptTokens& tokens, Want want) noexcept;
  [[nodiscard]] Status changed(Status status) noexcept {
    if (status) forget_rows();
    return status;
  }
  void forget_rows() noexcept { logits_ = hidden_ = {}; }

  SessionOptions options_;
  Block block_;  ///< of the engine and the sequence, and of a model that is this session's alone
  Engine engine_;
  Sequence sequence_;
  std::span<const float> logits_;
  std::span<const float> hidden_;
};

// --- Implementation ---

inline Result<Session> Session::create(const ModelEntry& entry, const WeightFile& file,
                                       const SessionOptions& options, std::span<std::byte> memory) noexcept {
  LAMINA_TRY(check_options(options, static_cast<std::uint32_t>(file.description.max_context)));
  auto block = Block::take(bytes(entry, options), memory, "session");
  if (!block) return block.error();
  const std::span<std::byte> all = block->bytes();
  const auto model = Model::create_in(all.first(entry.model_bytes()), entry, file);
  if (!model) return model.error();
  return create_in(std::move(*block), all.subspan(entry.model_bytes()), *model, options);
}

inline Result<Session> Session::create(const Model& model, const SessionOptions& options,
                                       std::span<std::byte> memory) noexcept {
  LAMINA_TRY(check_options(options, model.max_context()));
  auto block = Block::take(own_bytes(model.entry(), options), memory, "session");
  if (!block) return block.error();
  const std::span<std::byte> all = block->bytes();
  return create_in(std::move(*block), all, model, options);
}

inline Result<Session> Session::create_in(Block block, std::span<std::byte> memory, const Model& model,
                                          const SessionOptions& options) noexcept {
  const std::size_t engine_bytes = Engine::bytes(model.entry(), options.engine());
  auto engine = Engine::create(model, options.engine(), memory.first(engine_bytes));
  if (!engine) return engine.error();
  auto sequence = engine->sequence(options.sequence(), memory.subspan(engine_bytes));
  if (!sequence) return sequence.error();
  return Session(options, std::move(block), std::move(*engine), std::move(*sequence));
}

inline Result<std::span<const float>> Session::feed(const PromptTokens& tokens, Want want) noexcept {
  const Feed feed{&sequence_, tokens, want};
  forget_rows();
  const auto pass = engine_.run({&feed, 1});
  if (!pass) return pass.error();
  const std::span<const float> rows = pass->logits(0);
  if (!rows.empty()) {
    logits_ = rows.last(vocab());
    hidden_ = pass->hidden(0).last(engine_.model().hidden());
  }
  return rows;
}

inline Status Session::prompt(PromptTokens tokens) noexcept {
  LAMINA_TRY(engine_.check({&sequence_, tokens, Want::last}));
  while (!tokens.empty()) {
    const std::size_t n = next_piece(tokens);
    const PromptTokens rest = tokens.subspan(n);
    if (!rest.empty()) engine_.expect(rest.first(next_piece(rest)));
    LAMINA_TRY(feed(tokens.first(n), rest.empty() ? Want::last : Want::none));
    tokens = rest;
  }
  return Done{};
}

inline Result<std::span<const float>> Session::logits_of(PromptTokens tokens) noexcept {
  if (tokens.empty() || tokens.size() > options_.logits_rows) {
    return Error{ErrorCode::bad_argument,
                 "tokens",
                 "number of tokens whose logits are wanted out of range",
                 text("1 to %u", options_.logits_rows),
                 text("%zu", tokens.size()),
                 "raise `logits_rows`"};
  }
  LAMINA_TRY(engine_.check({&sequence_, tokens, Want::all}));
  return feed(tokens, Want::all);
}

inline Result<std::span<const float>> Session::step(TokenId token) noexcept {
  if (Status status = prompt(std::span(&token, 1)); !status) return status.error();
  return logits_;
}

}  // namespace lamina
