// SPDX-License-Identifier: Apache-2.0
// Writes what a sequence has read to a sink, and reads it from a source into a snapshot.
// Source: docs/spec/state-files.md.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include <lamina/attention/kv_rows.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/state/block_marks.hpp>
#include <lamina/state/checksum.hpp>
#include <lamina/state/page_pool.hpp>
#include <lamina/state/sequence_cache.hpp>
#include <lamina/state/snapshot.hpp>
#include <lamina/state/state_format.hpp>

namespace lamina {

/// Position of the first token that is not in a full page.
[[nodiscard]] constexpr std::uint32_t full_pages_end(std::uint32_t position) noexcept {
  return position / kv_block * kv_block;
}

/// Bytes between header and checksum of a state of `tokens` tokens.
[[nodiscard]] inline std::uint64_t state_body_bytes(const SequenceCache& cache,
                                                    std::uint32_t tokens) noexcept {
  return std::uint64_t{tokens} * sizeof(TokenId) +
         std::uint64_t{BlockMarks::words(tokens)} * sizeof(std::uint64_t) + kept_bytes(cache, 0, tokens);
}

/// Writes a state, front to back. `marks` as `BlockMarks::first`; `floor` as in `Sequence`.
///
/// Errors   those of the sink
[[nodiscard]] inline Status write_state(const StateKey& key, const SequenceCache& cache,
                                        std::span<const TokenId> tokens, std::span<const std::uint64_t> marks,
                                        std::uint32_t floor, ByteSink sink) {
  Checksum sum;
  Status status = Done{};
  const auto put = [&](std::span<const std::byte> bytes) {
    sum.add(bytes);
    if (!bytes.empty()) status = sink.write(sink.context, bytes);
    return static_cast<bool>(status);
  };
  // Rows end in bytes that nobody wrote: a state says zero there, so that equal sequences have equal states.
  const auto put_rows = [&](const RowPiece& piece) {
    if (piece.used == piece.stride) return put({piece.data, piece.bytes()});
    constexpr std::byte zeros[16]{};
    for (std::uint32_t i = 0; i < piece.count; ++i) {
      if (!put({piece.data + i * piece.stride, piece.used})) return false;
      if (!put(std::span(zeros).first(piece.stride - piece.used))) return false;
    }
    return true;
  };
  const auto count = static_cast<std::uint32_t>(tokens.size());
  const StateHeader header = make_state_header(key, count, floor, state_body_bytes(cache, count));
  const std::uint32_t full = full_pages_end(count);
  bool goes_on =
      put(std::as_bytes(std::span(&header, 1))) && put(std::as_bytes(tokens)) && put(std::as_bytes(marks));
  for (std::uint32_t page = 0; page < full && goes_on; page += kv_block) {
    for (const OwnedRows& owner : cache.owners) {
      goes_on = goes_on && (owner.window > 0 || visit_rows(owner.rows, page, page + kv_block, put_rows));
    }
  }
  goes_on = goes_on && visit_kept(cache, full, count, put_rows);
  const std::uint64_t digest = sum.digest();
  if (goes_on) static_cast<void>(put(std::as_bytes(std::span(&digest, 1))));
  return status;
}

/// Reads a state, for caches of the plan that `cache` has; nothing of it is changed.
class StateReader {
 public:
  /// `where` names the source in errors.
  StateReader(const StateKey& key, const SequenceCache& cache, std::string_view where) noexcept
      : key_(key), cache_(cache), where_(where) {}

  /// Reads and checks a header, for a sequence of `context` tokens.
  ///
  /// Errors   those of the source; as `check_state_header` and `check_state_size`
  [[nodiscard]] Status begin(ByteSource source, std::uint32_t context) {
    source_ = source;
    LAMINA_TRY(get(std::as_writable_bytes(std::span(&header_, 1))));
    LAMINA_TRY(check_state_header(header_, key_, where_));
    // Before sizes are computed from it.
    if (header_.tokens > context) return check_state_size(header_, context, 0, where_);
    return check_state_size(header_, context, state_body_bytes(cache_, header_.tokens), where_);
  }
  /// A snapshot without pages that `finish` reads the rest into. Errors: out_of_memory
  [[nodiscard]] Result<Snapshot> make(PagePool* pool, const Counted<Block>& home) const noexcept {
    const std::uint32_t tokens = header_.tokens;
    auto made =
        Snapshot::create(tokens, !cache_.pages.empty(),
                         static_cast<std::size_t>(kept_bytes(cache_, full_pages_end(tokens), tokens)), {});
    if (!made) return made.error();
    Snapshot::Kept& kept = *made->kept_;
    kept.pool = pool;
    kept.home = home;
    // A state that claims more than its rows hold would have rows read that it does not have.
    std::uint32_t least = 0;
    for (const OwnedRows& owner : cache_.owners) {
      if (owner.window > 0 && tokens > owner.window) least = tokens - 1;
    }
    kept.floor = std::clamp(header_.floor, least, tokens);
    return made;
  }

  /// Reads what is left. Requires pages in `snapshot`. Errors: those of the source, bad_file (checksum)
  [[nodiscard]] Status finish(Snapshot& snapshot) {
    const Snapshot::Parts& parts = snapshot.kept_->parts;
    LAMINA_TRY(get(std::as_writable_bytes(parts.tokens)));
    LAMINA_TRY(get(std::as_writable_bytes(parts.marks)));
    for (std::byte* page : snapshot.kept_->full_pages())
      LAMINA_TRY(get({page, snapshot.kept_->pool->page_bytes()}));
    LAMINA_TRY(get(parts.rows));
    const std::uint64_t expected = sum_.digest();
    std::uint64_t found = 0;
    LAMINA_TRY(get(std::as_writable_bytes(std::span(&found, 1))));
    if (found == expected) return Done{};
    return damaged();
  }

  /// Checks a whole state that lies in memory, its checksum as well. Errors: as `begin`, bad_file
  [[nodiscard]] Status check_whole(std::span<const std::byte> state, std::uint32_t context) {
    std::span<const std::byte> rest = state;
    auto read = [&](std::span<std::byte> bytes) -> Status {
      if (rest.size() < bytes.size()) return cut(state.size());
      std::copy_n(rest.begin(), bytes.size(), bytes.begin());
      rest = rest.subspan(bytes.size());
      return Done{};
    };
    LAMINA_TRY(begin(source_of(read), context));
    if (state.size() < header_.total_bytes) return cut(state.size());
    if (state.size() > header_.total_bytes) {
      return bad_file(place(where_), "bytes follow the state",
                      text("%llu bytes", static_cast<unsigned long long>(header_.total_bytes)),
                      text("%zu bytes", state.size()));
    }
    const std::size_t summed = state.size() - sizeof(std::uint64_t);
    Checksum sum;
    sum.add(state.first(summed));
    if (sum.digest() == load_unaligned<std::uint64_t>(state.data() + summed)) return Done{};
    return damaged();
  }

  [[nodiscard]] Error cut(std::size_t found) const noexcept {
    const std::uint64_t expected = header_.total_bytes > 0 ? header_.total_bytes : sizeof(StateHeader);
    return bad_file(place(where_), "the state is cut off",
                    text("%llu bytes", static_cast<unsigned long long>(expected)), text("%zu bytes", found),
                    "read the prompt again");
  }

  /// Where the pages go that `finish` needs: one more than it fills, where the last one is not full.
  [[nodiscard]] static std::span<std::byte*> pages_of(Snapshot& snapshot) noexcept {
    return snapshot.kept_->parts.pages;
  }

 private:
  [[nodiscard]] Status get(std::span<std::byte> bytes) {
    if (bytes.empty()) return Done{};
    LAMINA_TRY(source_.read(source_.context, bytes));
    sum_.add(bytes);
    return Done{};
  }
  [[nodiscard]] Error damaged() const noexcept {
    return bad_file(place(where_), "the state is damaged", "bytes with their checksum", "another checksum",
                    "read the prompt again");
  }

  const StateKey& key_;
  const SequenceCache& cache_;
  std::string_view where_;
  ByteSource source_;
  StateHeader header_;
  Checksum sum_;
};

}  // namespace lamina
