// SPDX-License-Identifier: Apache-2.0
// Runs passes over one model for any number of sequences.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <lamina/core/arena.hpp>
#include <lamina/core/block.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/attention/kv_rows.hpp>
#include <lamina/engine/check_options.hpp>
#include <lamina/engine/model.hpp>
#include <lamina/engine/options.hpp>
#include <lamina/engine/runner.hpp>
#include <lamina/engine/sequence.hpp>
#include <lamina/state/page_pool.hpp>
#include <lamina/state/snapshot.hpp>
#include <lamina/state/state_format.hpp>

namespace lamina {

/// Tokens that a pass appends to a sequence, and which of them want logits.
struct Feed {
  Sequence* sequence = nullptr;
  PromptTokens tokens;  ///< with the soft rows among them
  Want want = Want::last;
};

/// Tokens of a feed whose logits are wanted, counted from its end.
[[nodiscard]] constexpr std::uint32_t wanted_rows(const Feed& feed) noexcept {
  const auto count = static_cast<std::uint32_t>(feed.tokens.size());
  return feed.want == Want::all ? count : feed.want == Want::last && count > 0 ? 1 : 0;
}

/// What a pass returns. Valid until the engine's next pass.
class PassResult {
 public:
  /// Logits of the wanted tokens of feed `index`, [wanted, vocab], after the soft cap.
  [[nodiscard]] std::span<const float> logits(std::size_t index) const noexcept {
    return rows_of(index, rows_.logits, vocab_);
  }
  /// Hidden states of the same tokens after the final norm, [wanted, hidden].
  [[nodiscard]] std::span<const float> hidden(std::size_t index) const noexcept {
    return rows_of(index, rows_.hidden, hidden_);
  }

 private:
  friend class Engine;
  [[nodiscard]] std::span<const float> rows_of(std::size_t index, const float* rows,
                                               std::size_t width) const noexcept {
    if (index + 1 >= first_rows_.size()) return {};
    const std::size_t first = first_rows_[index];
    return {rows + first * width, (first_rows_[index + 1] - first) * width};
  }

  PassRows rows_;
  std::span<const std::uint32_t> first_rows_;  ///< [feeds + 1] first wanted row of each feed, and the end
  std::size_t vocab_ = 0;
  std::size_t hidden_ = 0;
};

/// Scratch memory and executor for passes over one model, sized once; no pass allocates.
///
/// A pass takes tokens of any sequences of this engine, prompts and decoding mixed, and reads the weights
/// once. Each sequence gets the bits it would get alone, whatever the others, the threads and the cutting.
/// Threads   one pass at a time: a second one is an error value; distinct engines of one model are independent
class Engine {
 public:
  /// Plans, takes one block of memory (`memory` if given, else from the heap) and shares `model`.
  ///
  /// Errors   bad_argument (options), out_of_memory
  [[nodiscard]] static Result<Engine> create(const Model& model, const EngineOptions& options,
                                             std::span<std::byte> memory = {}) noexcept;

  /// Bytes that an engine takes; exact.
  [[nodiscard]] static constexpr std::size_t bytes(const ModelEntry& entry,
                                                   const EngineOptions& options) noexcept;

  /// Makes a sequence for this engine's passes, in `memory` if given, else in a block from the heap.
  ///
  /// Errors   bad_argument (a context outside the model's range), out_of_memory
  [[nodiscard]] Result<Sequence> sequence(const SequenceOptions& options = {},
                                          std::span<std::byte> memory = {}) const noexcept;

  /// Makes another sequence that has read what `from` has: pages are shared until one of the two writes to
  /// them, rings are copied. Memory as for `sequence`.
  ///
  /// Errors   as `sequence`; bad_argument (`from` is of another engine)
  /// Cost     copies the rings, and later at most one page
  [[nodiscard]] Result<Sequence> branch(const Sequence& from,
                                        std::span<std::byte> memory = {}) const noexcept;

  /// Makes a sequence that goes on from a snapshot of one of this engine's sequences.
  ///
  /// Errors   as `sequence`, and `Sequence::restore`
  [[nodiscard]] Result<Sequence> branch(const Snapshot& from, const SequenceOptions& options = {},
                                        std::span<std::byte> memory = {}) const noexcept;

  /// Bytes that a snapshot at `position` takes, without pages; exact.
  [[nodiscard]] static constexpr std::size_t snapshot_bytes(const ModelEntry& entry, CacheFormats cache,
                                                            std::uint32_t position) noexcept {
    const std::size_t page_bytes = entry.page_bytes(cache);
    const RingBytes rings = entry.ring_bytes({.cache = cache}, {.context = position});
    return Snapshot::bytes(position, page_bytes > 0,
                           rings.windows + page_bytes / kv_block * (position % kv_block));
  }

  /// Bytes that a sequence takes; exact.
  [[nodiscard]] static constexpr std::size_t sequence_bytes(const ModelEntry& entry,
                                                            const EngineOptions& engine,
                                                            const SequenceOptions& sequence) noexcept;

  /// Whether a feed can be fed, alone or with others, in one pass or several. Errors: as `run`.
  [[nodiscard]] Status check(const Feed& feed) const noexcept;

  /// Runs one pass: appends every feed's tokens to its sequence.
  ///
  /// Errors   context_full, bad_argument (a token outside the vocabulary; soft rows that overlap, or of which
  ///          a block is cut; more rows or logits than planned; a sequence of another engine, or twice in a
  ///          pass; a pass is running); not_finite (a NaN or an infinity arose); io (rows or experts
  ///          could not be read from disk). Nothing was fed then: the
  ///          sequences go on as if the pass had not been tried
  [[nodiscard]] Result<PassResult> run(std::span<const Feed> feeds) noexcept;

  /// What passes have asked of experts on disk (`EngineOptions::expert_cache_bytes`). Threads: as `run`.
  [[nodiscard]] ExpertReads expert_reads() const noexcept {
    return state_ != nullptr ? state_->runner->expert_reads() : ExpertReads{};
  }

  /// Is told which tokens a later pass will feed: what lies on disk for them begins to be read meanwhile. A
  /// hint that changes no result. Threads: as `run`.
  void expect(const PromptTokens& tokens) const noexcept {
    if (state_ != nullptr) state_->runner->expect(tokens.ids);
  }

  Engine(Engine&& other) noexcept
      : model_(other.model_),
        options_(other.options_),
        block_(std::move(other.block_)),
        memory_bytes_(other.memory_bytes_),
        state_(std::exchange(other.state_, nullptr)) {}
  Engine& operator=(Engine&& other) noexcept {
    model_ = other.model_;
    options_ = other.options_;
    block_ = std::move(other.block_);
    memory_bytes_ = other.memory_bytes_;
    state_ = std::exchange(other.state_, nullptr);
    return *this;
  }

  /// What a drafter reads of a sequence and of its engine (engine/drafting).
  [[nodiscard]] static const SequenceCache* cache_of(const Sequence& sequence) noexcept {
    return sequence.cache_;
  }
  /// Null when moved from. It stays where it is when an engine moves.
  [[nodiscard]] const Runner* runner() const noexcept { return state_ != nullptr ? state_->runner : nullptr; }

  [[nodiscard]] const Model& model() const noexcept { return model_; }
  [[nodiscard]] const EngineOptions& options() const noexcept { return options_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return memory_bytes_; }

 private:
  /// What a pass needs besides the runner, in the engine's block: it stays where it is when an engine moves.
  struct State {
    std::atomic<bool> busy{false};
    Runner* runner = nullptr;
    RunnerFeed* feeds = nullptr;          ///< [rows]
    std::uint32_t* first_rows = nullptr;  ///< [rows + 1]
    PagePool pool;
    StateKey key;
  };

  Engine(const Model& model, const EngineOptions& options) noexcept : model_(model), options_(options) {}

  [[nodiscard]] static Error moved_from() noexcept {
    return {ErrorCode::bad_argument,           "engine", "it was moved from", "", "",
            "use the one that it was moved to"};
  }
  static constexpr State* take_state(const ModelEntry& entry, const EngineOptions& options,
                                     Arena& arena) noexcept;
  [[nodiscard]] Status check_soft_rows(const PromptTokens& tokens) const noexcept;
  [[nodiscard]] Status check_own(const char* where, const Sequence* sequence) const noexcept;
  [[nodiscard]] static Status check_distinct(std::span<const Feed> feeds) noexcept;
  [[nodiscard]] Status take_pages(std::span<const Feed> feeds) noexcept;
  [[nodiscard]] Result<PassResult> run_alone(std::span<const Feed> feeds) noexcept;
  [[nodiscard]] Status check(std::span<const Feed> feeds) const noexcept;

  Model model_;
  EngineOptions options_;
  Counted<Block> block_;  ///< shared with the sequences, whose pages lie in it; empty: the caller's memory
  std::size_t memory_bytes_ = 0;
  State* state_ = nullptr;  ///< null when moved from
};

// --- Implementation ---

constexpr Engine::State* Engine::take_state(const ModelEntry& entry, const EngineOptions& options,
                                            Arena& arena) noexcept {
  State* state = arena.take<State>(1).data();
  RunnerFeed* feeds = arena.take<RunnerFeed>(options.rows).data();
  std::uint32_t* first_rows = arena.take<std::uint32_t>(std::size_t{options.rows} + 1).data();
  const std::size_t page_bytes = entry.page_bytes(options.cache);
  const std::uint32_t tokens = options.cache_tokens > 0 ? options.cache_tokens : options.context;
  PagePool measured;
  PagePool& pool = state != nullptr ? state->pool : measured;
  pool.take_memory(page_bytes > 0 ? kv_blocks(tokens) : 0, page_bytes, arena);
  if (state != nullptr) {
    state->feeds = feeds;
    state->first_rows = first_rows;
  }
  return state;
}

constexpr std::size_t Engine::bytes(const ModelEntry& entry, const EngineOptions& options) noexcept {
  Arena arena = Arena::measuring();
  static_cast<void>(take_state(entry, options, arena));
  return arena.bytes_needed() + entry.runner_bytes(options);
}

constexpr std::size_t Engine::sequence_bytes(const ModelEntry& entry, const EngineOptions& engine,
                                             const SequenceOptions& sequence) noexcept {
  Arena arena = Arena::measuring();
  static_cast<void>(arena.take<TokenId>(sequence.context));
  static_cast<void>(arena.take<std::uint64_t>(BlockMarks::words(sequence.context)));
  return arena.bytes_needed() + entry.cache_bytes(engine, sequence);
}

inline Result<Engine> Engine::create(const Model& model, const EngineOptions& options,
                                     std::span<std::byte> memory) noexcept {
  LAMINA_TRY(check_options(options));
  auto block = Block::take(bytes(model.entry(), options), memory, "engine");
  if (!block) return block.error();
  Engine engine(model, options);
  engine.memory_bytes_ = block->bytes().size();
  Arena arena(block->bytes());
  if (block->is_owned()) {
    engine.block_ = Counted<Block>::make(std::move(*block));
    if (!engine.block_)
      return Error{ErrorCode::out_of_memory, "engine", "the system refused memory", "", "", ""};
  }
  engine.state_ = take_state(model.entry(), options, arena);
  auto runner = model.core().make_runner(options, arena);
  if (!runner) return runner.error();
  engine.state_->runner = *runner;
  engine.state_->key = {.model = {},  // found when a state is saved or loaded
                        .name = model.entry().name,
                        .cache = options.cache,
                        .precision = options.precision,
                        .rounds_embedding_scale = rounds_embedding_scale(options),
                        .blocks = options.blocks};
  return engine;
}

inline Result<Sequence> Engine::sequence(const SequenceOptions& options,
                                         std::span<std::byte> memory) const noexcept {
  if (state_ == nullptr) return moved_from();
  LAMINA_TRY(check_options(options, model_.max_context()));
  auto block = Block::take(sequence_bytes(model_.entry(), options_, options), memory, "sequence");
  if (!block) return block.error();
  Sequence sequence;
  sequence.block_ = std::move(*block);
  Arena arena(sequence.block_.bytes());
  sequence.tokens_ = arena.take<TokenId>(options.context);
  sequence.marks_ = BlockMarks(arena.take<std::uint64_t>(BlockMarks::words(options.context)));
  auto cache = model_.core().make_cache(options_, options, arena);
  if (!cache) return cache.error();
  sequence.cache_ = *cache;
  sequence.runner_ = state_->runner;
  sequence.pool_ = &state_->pool;
  sequence.key_ = &state_->key;
  sequence.model_.emplace(model_);
  sequence.home_ = block_;
  return sequence;
}

inline Result<Sequence> Engine::branch(const Sequence& from, std::span<std::byte> memory) const noexcept {
  LAMINA_TRY(check_own("branch", &from));
  auto made = sequence({from.context()}, memory);
  if (!made) return made.error();
  made->share(from);
  return made;
}

inline Result<Sequence> Engine::branch(const Snapshot& from, const SequenceOptions& options,
                                       std::span<std::byte> memory) const noexcept {
  auto made = sequence(options, memory);
  if (made) LAMINA_TRY(made->restore(from));
  return made;
}

inline Status Engine::check_own(const char* where, const Sequence* sequence) const noexcept {
  if (state_ == nullptr) return moved_from();
  if (sequence != nullptr && sequence->runner_ == state_->runner) return Done{};
  return Error{ErrorCode::bad_argument,
               where,
               "sequence does not belong to this engine",
               "one of its own",
               "another, or none",
               "make it with Engine::sequence"};
}

inline Status Engine::check(const Feed& feed) const noexcept {
  LAMINA_TRY(check_own("feed", feed.sequence));
  const Sequence& sequence = *feed.sequence;
  if (feed.tokens.size() > sequence.context() - sequence.position()) {
    return Error{ErrorCode::context_full,
                 "sequence",
                 "more tokens than were planned for",
                 text("at most %u tokens", sequence.context()),
                 text("%zu", sequence.position() + feed.tokens.size()),
                 "plan a larger `context`, or reset"};
  }
  LAMINA_TRY(check_soft_rows(feed.tokens));
  return check_ids(feed.tokens, model_.vocab(), "tokens");
}

inline Status Engine::check_soft_rows(const PromptTokens& tokens) const noexcept {
  const std::uint64_t begin = tokens.offset;
  const std::uint64_t end = begin + tokens.size();
  std::uint64_t before = 0;
  for (const SoftRows& soft : tokens.soft) {
    const std::uint64_t after = std::uint64_t{soft.first} + soft.count;
    if (soft.first < before || soft.count == 0 || soft.rows == nullptr || after > UINT32_MAX) {
      return Error{ErrorCode::bad_argument,
                   "soft rows",
                   "are not in rising order, overlap or are empty",
                   text("rows from %llu on", static_cast<unsigned long long>(before)),
                   text("%u rows from %u on", soft.count, soft.first),
                   ""};
    }
    before = after;
    const bool is_cut = soft.first < end && after > begin && (soft.first < begin || after > end);
    if (!is_cut || !soft.is_block || !model_.entry().sees_blocks) continue;
    return Error{ErrorCode::bad_argument,
                 "soft rows",
                 "a picture must be in one pass as a whole",
                 text("room for %u rows", soft.count),
                 text("%zu tokens in the pass", tokens.size()),
                 "raise the rows of a pass (`rows`, `chunk`) to the tokens of the largest picture"};
  }
  return Done{};
}

inline Status Engine::check(std::span<const Feed> feeds) const noexcept {
  std::size_t rows = 0;
  std::size_t wanted = 0;
  for (const Feed& feed : feeds) {
    LAMINA_TRY(check(feed));
    rows += feed.tokens.size();
    wanted += wanted_rows(feed);
  }
  if (rows > options_.rows || feeds.size() > options_.rows) {
    return Error{ErrorCode::bad_argument,
                 "pass",
                 "more tokens or feeds than a pass has room for",
                 text("at most %u", options_.rows),
                 text("%zu tokens in %zu feeds", rows, feeds.size()),
                 "raise EngineOptions::rows, or run several passes"};
  }
  if (wanted > options_.logits_rows) {
    return Error{ErrorCode::bad_argument,
                 "pass",
                 "more logits wanted than a pass has room for",
                 text("at most %u rows", options_.logits_rows),
                 text("%zu", wanted),
                 "raise EngineOptions::logits_rows"};
  }
  return check_distinct(feeds);
}

inline Status Engine::check_distinct(std::span<const Feed> feeds) noexcept {
  std::size_t marked = 0;
  while (marked < feeds.size() && !feeds[marked].sequence->in_pass_) {
    feeds[marked++].sequence->in_pass_ = true;
  }
  for (const Feed& feed : feeds.first(marked)) feed.sequence->in_pass_ = false;
  if (marked == feeds.size()) return Done{};
  return Error{ErrorCode::bad_argument,        "pass",
               "a sequence is fed twice",      "every sequence once",
               text("feed %zu again", marked), "put its tokens into one feed"};
}

inline Result<PassResult> Engine::run(std::span<const Feed> feeds) noexcept {
  if (state_ == nullptr) return moved_from();
  if (state_->busy.exchange(true, std::memory_order_acquire)) {
    return Error{ErrorCode::bad_argument, "engine", "a pass of it is running",
                 "one pass at a time",    "two",    "use an engine for each thread, over one model"};
  }
  auto result = run_alone(feeds);
  state_->busy.store(false, std::memory_order_release);
  return result;
}

inline Status Engine::take_pages(std::span<const Feed> feeds) noexcept {
  std::size_t missing = 0;
  for (const Feed& feed : feeds) missing += feed.sequence->missing_pages(feed.tokens.size());
  PagePool& pool = state_->pool;
  if (pool.reserve(missing)) {
    // Others may let go of pages meanwhile: what was shared need not be copied then.
    for (const Feed& feed : feeds) missing -= feed.sequence->take_pages(feed.tokens.size());
    pool.cancel(missing);
    return Done{};
  }
  return Error{ErrorCode::out_of_memory,
               "pages",
               "the sequences hold more tokens than the engine has pages for",
               text("at most %u pages more, of %u positions", pool.free_pages(), kv_block),
               text("%zu", missing),
               "reset or destroy a sequence or a snapshot, or raise EngineOptions::cache_tokens"};
}

inline Result<PassResult> Engine::run_alone(std::span<const Feed> feeds) noexcept {
  LAMINA_TRY(check(feeds));
  LAMINA_TRY(take_pages(feeds));
  std::uint32_t row = 0;
  for (std::size_t i = 0; i < feeds.size(); ++i) {
    const Sequence& sequence = *feeds[i].sequence;
    const std::uint32_t wanted = wanted_rows(feeds[i]);
    feeds[i].sequence->note_writes(feeds[i].tokens.size());
    state_->feeds[i] = {sequence.cache_, sequence.position_, feeds[i].tokens, wanted};
    state_->first_rows[i] = row;
    row += wanted;
  }
  state_->first_rows[feeds.size()] = row;
  const auto rows = state_->runner->run({state_->feeds, feeds.size()});
  if (!rows) return rows.error();
  for (const Feed& feed : feeds) feed.sequence->append(feed.tokens, model_.entry().sees_blocks);
  PassResult result;
  result.rows_ = *rows;
  result.first_rows_ = {state_->first_rows, feeds.size() + 1};
  result.vocab_ = model_.vocab();
  result.hidden_ = model_.hidden();
  return result;
}

}  // namespace lamina
