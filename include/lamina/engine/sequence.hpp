// SPDX-License-Identifier: Apache-2.0
// One conversation's state: its tokens, their keys and values, and how far it is; to keep, go back to, save.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <lamina/attention/kv_rows.hpp>
#include <lamina/core/block.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/engine/model.hpp>
#include <lamina/engine/runner.hpp>
#include <lamina/pass/soft_rows.hpp>
#include <lamina/state/block_marks.hpp>
#include <lamina/state/page_pool.hpp>
#include <lamina/state/sequence_cache.hpp>
#include <lamina/state/snapshot.hpp>
#include <lamina/state/state_format.hpp>
#include <lamina/state/state_stream.hpp>

namespace lamina {

/// Keys, values and tokens of one sequence, made by an engine (`Engine::sequence`) for its own passes.
///
/// Nothing in it points to an engine that may be moved; it is fed by the one that made it only. Moved from,
/// it holds no tokens and no room for any.
/// Threads   one at a time
class Sequence {
 public:
  Sequence(Sequence&& other) noexcept { *this = std::move(other); }
  Sequence& operator=(Sequence&& other) noexcept {
    if (this == &other) return *this;
    reset();
    home_ = std::move(other.home_);
    pool_ = std::exchange(other.pool_, nullptr);
    key_ = std::exchange(other.key_, nullptr);
    model_ = std::move(other.model_);
    block_ = std::move(other.block_);
    cache_ = std::exchange(other.cache_, nullptr);
    runner_ = std::exchange(other.runner_, nullptr);
    tokens_ = std::exchange(other.tokens_, {});
    marks_ = std::exchange(other.marks_, {});
    position_ = std::exchange(other.position_, 0);
    pages_ = std::exchange(other.pages_, 0);
    written_ = std::exchange(other.written_, 0);
    floor_ = std::exchange(other.floor_, 0);
    return *this;
  }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;
  ~Sequence() { reset(); }

  [[nodiscard]] std::uint32_t position() const noexcept { return position_; }  ///< tokens fed so far
  /// Tokens it has room for.
  [[nodiscard]] std::uint32_t context() const noexcept { return static_cast<std::uint32_t>(tokens_.size()); }
  [[nodiscard]] std::span<const TokenId> tokens() const noexcept { return tokens_.first(position_); }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return block_.bytes().size(); }

  /// Forgets all tokens and gives their pages back.
  void reset() noexcept {
    keep_pages(0);
    position_ = 0;
    written_ = 0;
    floor_ = 0;
  }

  /// Keeps what was read, to go back to it or to go on from it in other sequences. Memory of the snapshot in
  /// `memory` if given, else from the heap: `snapshot_bytes()`.
  ///
  /// Errors   out_of_memory; bad_argument (moved from)
  /// Cost     copies the windows and less than a page; no page of the pool is taken
  [[nodiscard]] Result<Snapshot> snapshot(std::span<std::byte> memory = {}) const noexcept;
  /// Bytes that a snapshot takes now; exact. `Engine::snapshot_bytes` says it beforehand.
  [[nodiscard]] std::size_t snapshot_bytes() const noexcept {
    if (cache_ == nullptr) return 0;
    return Snapshot::bytes(position_, !cache_->pages.empty(), kept_row_bytes());
  }

  /// Whether the engine has the pages, now, that this sequence needs to fill its context.
  [[nodiscard]] bool can_fill() const noexcept {
    return cache_ == nullptr || missing_pages(context() - position_) <= pool_->free_pages();
  }

  /// Goes on from a snapshot of any sequence of the same engine; forgets what it had read.
  ///
  /// Errors   bad_argument (of another engine), context_full (it is longer than this context), out_of_memory
  ///          (no page for what does not fill one): nothing is changed then
  /// Cost     copies the windows and less than a page
  [[nodiscard]] Status restore(const Snapshot& snapshot) noexcept;

  /// Takes tokens back until `position` are left, without reading any again.
  ///
  /// Errors   bad_argument (it lies ahead, in a picture whose rows see each other, or so far back that the
  ///          windows have moved on): nothing is changed then, and the error says what `rewind_start` does
  [[nodiscard]] Status rewind(std::uint32_t position) noexcept;
  /// From where the shortest way to `position` goes without a snapshot: as much can be kept (`rewind`), the
  /// tokens behind it must be fed again. It is `position` itself where that can be rewound to.
  [[nodiscard]] std::uint32_t rewind_start(std::uint32_t position) const noexcept;

  /// Writes all that it takes to go on later, elsewhere too, to `sink`: a callable that takes
  /// `std::span<const std::byte>` and returns a `Status`. However a prompt was cut into passes, its state has
  /// the same bytes.
  ///
  /// Errors   those of the sink; bad_argument (moved from)
  template <class Sink>
  requires std::is_invocable_r_v<Status, Sink&, std::span<const std::byte>>
  [[nodiscard]] Status save(Sink&& sink) const { return save_to(sink_of(sink)); }
  /// Bytes that `save` writes.
  [[nodiscard]] std::uint64_t state_bytes() const noexcept {
    if (cache_ == nullptr) return 0;
    return sizeof(StateHeader) + state_body_bytes(*cache_, position_) + sizeof(std::uint64_t);
  }

  /// Goes on from a saved state, which `source` delivers: a callable that fills a `std::span<std::byte>` or
  /// returns an error. `where` names it in errors.
  ///
  /// Errors   those of the source; bad_file (no state, damaged), unsupported (a newer version), mismatch
  ///          (another model, other options), context_full, out_of_memory (memory for the windows, or pages:
  ///          until the end it needs them beside those that it has). Nothing is changed then
  template <class Source>
  requires std::is_invocable_r_v<Status, Source&, std::span<std::byte>>
  [[nodiscard]] Status load(Source&& source, std::string_view where = "state") {
    return load_from(source_of(source), where);
  }
  /// As above, of a state that lies in memory or is a mapped file. It is checked first, to the last byte, and
  /// may take the pages that this sequence has.
  [[nodiscard]] Status load(std::span<const std::byte> state, std::string_view where = "state");

 private:
  friend class Engine;
  Sequence() noexcept = default;

  [[nodiscard]] Status save_to(ByteSink sink) const;
  [[nodiscard]] Status load_from(ByteSource source, std::string_view where);
  /// Reads a state into pages that `take` gets, then becomes it; `hint` says what helps where there are none.
  template <class Take>
  [[nodiscard]] Status load_with(ByteSource source, std::string_view where, std::string_view hint,
                                 Take&& take);
  [[nodiscard]] static Error moved_from() noexcept {
    return {ErrorCode::bad_argument,           "sequence", "it was moved from", "", "",
            "use the one that it was moved to"};
  }
  [[nodiscard]] static Error no_pages(std::size_t needed, std::string_view hint) noexcept {
    return {ErrorCode::out_of_memory,
            "pages",
            "the engine has too few pages left",
            text("%zu pages of %u positions", needed, kv_block),
            "fewer",
            hint};
  }
  [[nodiscard]] std::size_t kept_row_bytes() const noexcept {
    return static_cast<std::size_t>(kept_bytes(*cache_, full_pages_end(position_), position_));
  }
  /// The position of this or any later one whose windows are whole.
  [[nodiscard]] std::uint32_t first_whole() const noexcept;
  /// What `floor_` is for somebody who gets the rows of the windows only.
  [[nodiscard]] std::uint32_t kept_floor() const noexcept;
  [[nodiscard]] bool needs_tail(std::uint32_t position) const noexcept {
    return !cache_->pages.empty() && position % kv_block != 0;
  }
  /// Takes pages, those of this sequence if there are no others: it has read nothing then.
  [[nodiscard]] bool take_over(std::span<std::byte*> pages) noexcept {
    if (pool_->take(pages)) return true;
    if (!pool_->exchange(cache_->pages.first(pages_), pages)) return false;
    std::fill_n(cache_->pages.begin(), pages_, nullptr);
    pages_ = 0;
    reset();
    return true;
  }
  /// Becomes what was kept, with a page for its tail, if it needs one.
  void become(const Snapshot& snapshot, std::byte* tail) noexcept;
  /// As above, with the page that was taken when it was read.
  void become_read(const Snapshot& snapshot) noexcept;

  void append(const PromptTokens& tokens, bool sees_blocks) noexcept {
    std::copy(tokens.ids.begin(), tokens.ids.end(), tokens_.begin() + position_);
    const auto count = static_cast<std::uint32_t>(tokens.size());
    for (std::uint32_t i = 0; i < count; ++i) marks_.set(position_ + i, false);
    for (const SoftRows& soft : tokens.soft) {
      if (!sees_blocks || !soft.is_block || soft.first < tokens.offset) continue;
      for (std::uint32_t i = soft.first + 1; i < soft.end() && i < tokens.offset + count; ++i)
        marks_.set(position_ + (i - tokens.offset), true);
    }
    position_ += count;
  }
  /// Before a pass writes to the rings, whether it ends well or not.
  void note_writes(std::size_t tokens) noexcept {
    written_ = std::max(written_, static_cast<std::uint32_t>(position_ + tokens));
  }

  /// The page that the next token is written to, if it is there and somebody else reads it too; null if not.
  [[nodiscard]] std::byte** shared_page() const noexcept {
    const std::uint32_t next = position_ / kv_block;
    return next < pages_ && pool_->is_shared(cache_->pages[next]) ? &cache_->pages[next] : nullptr;
  }
  /// Pages that `tokens` more tokens need and that are not there yet, or are not this sequence's alone.
  [[nodiscard]] std::uint32_t missing_pages(std::size_t tokens) const noexcept {
    if (cache_->pages.empty() || tokens == 0) return 0;
    const std::uint32_t needed = kv_blocks(static_cast<std::uint32_t>(position_ + tokens));
    const std::uint32_t more =
        needed > pages_ ? needed - pages_ : 0;  // a failed pass may have taken some ahead
    return more + (shared_page() != nullptr ? 1 : 0);
  }
  /// Takes the pages for `tokens` more tokens; a shared one is copied before it is written to. Requires that
  /// `missing_pages(tokens)` are set aside. Returns how many it took.
  std::uint32_t take_pages(std::size_t tokens) noexcept {
    const std::uint32_t missing = missing_pages(tokens);
    std::uint32_t left = missing;
    if (std::byte** page = missing > 0 ? shared_page() : nullptr) {
      std::byte* own = pool_->take_reserved();
      std::memcpy(own, *page, pool_->page_bytes());
      pool_->release(std::exchange(*page, own));
      --left;
    }
    for (; left > 0; --left) cache_->pages[pages_++] = pool_->take_reserved();
    return missing;
  }
  /// Becomes another sequence of what `other`, of the same plan, has read.
  void share(const Sequence& other) noexcept {
    copy_rings(*other.cache_, other.position_, *cache_);
    std::copy_n(other.tokens_.begin(), other.position_, tokens_.begin());
    marks_.copy(other.marks_.first(other.position_));
    position_ = other.position_;
    written_ = other.written_;
    floor_ = other.floor_;
    if (cache_->pages.empty()) return;
    for (; pages_ < kv_blocks(position_); ++pages_) {
      cache_->pages[pages_] = other.cache_->pages[pages_];
      pool_->share(cache_->pages[pages_]);
    }
  }
  void keep_pages(std::uint32_t count) noexcept {
    while (pages_ > count) pool_->release(std::exchange(cache_->pages[--pages_], nullptr));
  }

  /// What saved states must agree on.
  [[nodiscard]] StateKey key() const noexcept {
    StateKey whole = *key_;
    whole.model = model_->identity();
    return whole;
  }

  Counted<Block> home_;  ///< where the pool lies, unless that is in the caller's memory
  PagePool* pool_ = nullptr;
  const StateKey* key_ = nullptr;  ///< beside the pool; without the model's identity
  std::optional<Model> model_;     ///< whose weights tell its identity
  Block block_;
  SequenceCache* cache_ = nullptr;  ///< in the block
  const Runner* runner_ = nullptr;  ///< whose passes it fits; never called
  std::span<TokenId> tokens_;       ///< [context], in the block
  BlockMarks marks_;                ///< [context], in the block
  std::uint32_t position_ = 0;
  std::uint32_t pages_ = 0;    ///< taken from the pool
  std::uint32_t written_ = 0;  ///< end of the positions whose rows were written to the rings
  std::uint32_t floor_ = 0;    ///< first position whose windows came with what this sequence goes on from
  bool in_pass_ = false;       ///< while an engine checks that no sequence is fed twice
};

// --- Implementation ---

inline std::uint32_t Sequence::first_whole() const noexcept {
  std::uint32_t first = floor_;
  for (const OwnedRows& owner : cache_->owners) {
    const std::uint32_t room = owner.rows.block_count * kv_block;
    // A row overwrites the one that lies a ring before it.
    if (owner.window > 0 && written_ > room) first = std::max(first, written_ - room + owner.window - 1);
  }
  return first;
}

inline std::uint32_t Sequence::kept_floor() const noexcept {
  std::uint32_t floor = std::min(first_whole(), position_);
  for (const OwnedRows& owner : cache_->owners) {
    if (owner.window > 0 && position_ > owner.window) floor = std::max(floor, position_ - 1);
  }
  return floor;
}

inline std::uint32_t Sequence::rewind_start(std::uint32_t position) const noexcept {
  if (cache_ == nullptr || position == 0) return 0;
  std::uint32_t start = std::min(position, position_);
  if (start < position_) start = marks_.cut_before(start);
  return start == position_ || start >= first_whole() ? start : 0;
}

inline Status Sequence::rewind(std::uint32_t position) noexcept {
  const std::uint32_t start = rewind_start(position);
  if (start == position) {
    if (position == 0) {
      reset();
    } else {
      if (cache_ != nullptr && !cache_->pages.empty()) keep_pages(kv_blocks(position));
      position_ = position;
    }
    return Done{};
  }
  if (position > position_) {
    return Error{ErrorCode::bad_argument, "rewind",
                 "position lies ahead",   text("at most %u", position_),
                 text("%u", position),    "feed the tokens that are missing"};
  }
  const bool in_block = marks_.cut_before(position) != position;
  const FixedText<160> hint =
      text("rewind to %u and feed the tokens from there on, or restore a snapshot", start);
  return Error{ErrorCode::bad_argument,
               "rewind",
               in_block ? "position lies in a picture" : "the windows have moved on",
               in_block ? text("where no block of rows is cut") : text("%u or later", first_whole()),
               text("%u", position),
               hint.view()};
}

inline Result<Snapshot> Sequence::snapshot(std::span<std::byte> memory) const noexcept {
  if (cache_ == nullptr) return moved_from();
  auto made = Snapshot::create(position_, !cache_->pages.empty(), kept_row_bytes(), memory);
  if (!made) return made.error();
  Snapshot::Kept& kept = *made->kept_;
  kept.home = home_;
  kept.pool = pool_;
  kept.floor = kept_floor();
  std::copy_n(tokens_.begin(), position_, kept.parts.tokens.begin());
  const auto marks = marks_.first(position_);
  std::copy(marks.begin(), marks.end(), kept.parts.marks.begin());
  const std::span<std::byte*> full = kept.full_pages();
  std::copy_n(cache_->pages.begin(), full.size(), full.begin());
  for (const std::byte* page : full) pool_->share(page);
  std::byte* to = kept.parts.rows.data();
  visit_kept(*cache_, full_pages_end(position_), position_, [&](const RowPiece& piece) {
    std::memcpy(to, piece.data, piece.bytes());
    to += piece.bytes();
    return true;
  });
  return made;
}

inline void Sequence::become(const Snapshot& snapshot, std::byte* tail) noexcept {
  Snapshot::Kept& kept = *snapshot.kept_;
  const auto full = kept.full_pages();
  for (const std::byte* page : full) pool_->share(page);  // before this sequence lets go of them
  keep_pages(0);
  for (std::byte* page : full) cache_->pages[pages_++] = page;
  if (tail != nullptr) cache_->pages[pages_++] = tail;
  position_ = kept.position;
  written_ = kept.position;
  floor_ = kept.floor;
  std::copy(kept.parts.tokens.begin(), kept.parts.tokens.end(), tokens_.begin());
  marks_.copy(kept.parts.marks);
  const std::byte* from = kept.parts.rows.data();
  visit_kept(*cache_, full_pages_end(position_), position_, [&](const RowPiece& piece) {
    std::memcpy(piece.data, from, piece.bytes());
    from += piece.bytes();
    return true;
  });
}

inline void Sequence::become_read(const Snapshot& snapshot) noexcept {
  const auto pages = snapshot.kept_->parts.pages;
  const bool has_tail = pages.size() > snapshot.pages().size();
  become(snapshot, has_tail ? std::exchange(pages.back(), nullptr) : nullptr);
}

inline Status Sequence::restore(const Snapshot& snapshot) noexcept {
  if (cache_ == nullptr) return moved_from();
  const Snapshot::Kept& kept = *snapshot.kept_;
  if (kept.pool != pool_) {
    return Error{ErrorCode::bad_argument, "restore", "snapshot is another engine's",
                 "one of its own",        "another", ""};
  }
  if (kept.position > context()) {
    return Error{ErrorCode::context_full,
                 "restore",
                 "the snapshot is longer than the context",
                 text("at most %u tokens", context()),
                 text("%u tokens", kept.position),
                 "plan a larger `context`"};
  }
  std::byte* tail = nullptr;
  if (needs_tail(kept.position) && !take_over({&tail, 1}))
    return no_pages(1, "reset or destroy a sequence or a snapshot, or raise EngineOptions::cache_tokens");
  become(snapshot, tail);
  return Done{};
}

inline Status Sequence::save_to(ByteSink sink) const {
  if (cache_ == nullptr) return moved_from();
  return write_state(key(), *cache_, tokens(), marks_.first(position_), kept_floor(), sink);
}

template <class Take>
Status Sequence::load_with(ByteSource source, std::string_view where, std::string_view hint, Take&& take) {
  const StateKey own = key();
  StateReader reader(own, *cache_, where);
  LAMINA_TRY(reader.begin(source, context()));
  auto made = reader.make(pool_, home_);
  if (!made) return made.error();
  const std::span<std::byte*> pages = StateReader::pages_of(*made);
  if (!take(pages)) return no_pages(pages.size(), hint);
  LAMINA_TRY(reader.finish(*made));
  become_read(*made);
  return Done{};
}

inline Status Sequence::load_from(ByteSource source, std::string_view where) {
  if (cache_ == nullptr) return moved_from();
  return load_with(source, where, "reset the sequence first, or raise EngineOptions::cache_tokens",
                   [this](std::span<std::byte*> pages) { return pool_->take(pages); });
}

inline Status Sequence::load(std::span<const std::byte> state, std::string_view where) {
  if (cache_ == nullptr) return moved_from();
  const StateKey own = key();
  LAMINA_TRY(StateReader(own, *cache_, where).check_whole(state, context()));
  auto read = [&state](std::span<std::byte> bytes) -> Status {
    std::memcpy(bytes.data(), state.data(), bytes.size());
    state = state.subspan(bytes.size());
    return Done{};
  };
  return load_with(source_of(read), where,
                   "reset or destroy a sequence, or raise EngineOptions::cache_tokens",
                   [this](std::span<std::byte*> pages) { return take_over(pages); });
}

}  // namespace lamina
