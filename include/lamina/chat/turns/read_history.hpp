// SPDX-License-Identifier: Apache-2.0
// What a conversation's session has read, and snapshots of where it was: nothing is read twice.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/core/types.hpp>
#include <lamina/engine/session.hpp>
#include <lamina/state/prefix_store.hpp>
#include <lamina/state/snapshot.hpp>
#include <lamina/state/state_file.hpp>

namespace lamina {

/// A session with a store of snapshots.
///
/// Threads   one at a time
class ReadHistory {
 public:
  /// `snapshot_bytes` are those of snapshots alone: pages lie in the session's pool, and go back when it is
  /// short of them. Counted here, those of a long context would leave room for no snapshot.
  ///
  /// Errors   out_of_memory
  [[nodiscard]] static Result<ReadHistory> create(Session session, std::size_t snapshot_bytes) noexcept {
    std::unique_ptr<PrefixStore> store(new (std::nothrow) PrefixStore(snapshot_bytes, 0));
    if (store == nullptr) return refused_memory("chat");
    return ReadHistory(std::move(session), std::move(store));
  }

  [[nodiscard]] Session& session() noexcept { return session_; }
  [[nodiscard]] const Session& session() const noexcept { return session_; }

  /// Keeps what the session has read, if there is memory for it.
  void keep() {
    if (session_.snapshot_bytes() > store_->budget()) return;
    if (const auto snapshot = session_.snapshot()) static_cast<void>(store_->put(*snapshot));
  }
  /// Keeps what another sequence of the session's engine has read, if there is memory for it.
  void keep(const Sequence& branch) {
    if (branch.snapshot_bytes() > store_->budget()) return;
    if (const auto snapshot = branch.snapshot()) static_cast<void>(store_->put(*snapshot));
  }
  /// Lets go of the snapshot that was not used for longest, for its pages. False if there is none.
  bool evict() noexcept { return store_->evict(); }

  /// Tokens that the session has read and that are the beginning of a prompt.
  [[nodiscard]] std::uint32_t read_of(std::span<const TokenId> prompt) const noexcept {
    const std::span<const TokenId> read = session_.tokens();
    const auto end = std::mismatch(read.begin(), read.end(), prompt.begin(), prompt.end()).first;
    return static_cast<std::uint32_t>(end - read.begin());
  }

  /// Brings the session as far into a prompt, which is not empty, as it was read before; one token is left,
  /// for its logits.
  void seek(std::span<const TokenId> prompt) noexcept {
    const auto most = static_cast<std::uint32_t>(prompt.size() - 1);
    const std::uint32_t here = session_.rewind_start(std::min(read_of(prompt), most));
    bool restored = false;
    if (const PrefixMatch kept = store_->find(prompt);
        kept.snapshot && std::min(kept.snapshot->position(), most) > here) {
      while (!(restored = static_cast<bool>(session_.restore(*kept.snapshot))) && store_->evict()) continue;
      if (restored) static_cast<void>(session_.rewind(session_.rewind_start(most)));
    }
    if (!restored) static_cast<void>(session_.rewind(here));
    // Pages that only other branches hold are for this one, if there are no others.
    while (!session_.can_fill() && store_->evict()) continue;
  }

  /// Takes over what another session had read. Errors: as `load_state`; nothing is changed then
  [[nodiscard]] Status load(const std::string& path) {
    Status loaded = load_state(session_, path);
    // Pages that only other turns and branches hold are for this state, if there are no others.
    while (!loaded && loaded.error().code == ErrorCode::out_of_memory && store_->evict())
      loaded = load_state(session_, path);
    return loaded;
  }

 private:
  ReadHistory(Session session, std::unique_ptr<PrefixStore> store) noexcept
      : session_(std::move(session)), store_(std::move(store)) {}

  Session session_;
  std::unique_ptr<PrefixStore> store_;  ///< on the heap, so that a history can be moved
};

}  // namespace lamina
