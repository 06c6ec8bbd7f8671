// SPDX-License-Identifier: Apache-2.0
// One conversation's state: its tokens, their keys and values, and how far it is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <lamina/core/block.hpp>
#include <lamina/core/types.hpp>
#include <lamina/runtime/runner.hpp>

namespace lamina {

/// Keys, values and tokens of one sequence, made by an engine (`Engine::sequence`) for its own passes.
///
/// Nothing in it points to the engine, so both may be moved; it is fed by that engine only. Moved from, it
/// holds no tokens and no room for any.
/// Threads   one at a time
class Sequence {
 public:
  Sequence(Sequence&& other) noexcept { *this = std::move(other); }
  Sequence& operator=(Sequence&& other) noexcept {
    block_ = std::move(other.block_);
    cache_ = std::exchange(other.cache_, nullptr);
    runner_ = std::exchange(other.runner_, nullptr);
    tokens_ = std::exchange(other.tokens_, {});
    position_ = std::exchange(other.position_, 0);
    return *this;
  }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;
  ~Sequence() = default;

  [[nodiscard]] std::uint32_t position() const noexcept { return position_; }  ///< tokens fed so far
  /// Tokens it has room for.
  [[nodiscard]] std::uint32_t context() const noexcept { return static_cast<std::uint32_t>(tokens_.size()); }
  [[nodiscard]] std::span<const TokenId> tokens() const noexcept { return tokens_.first(position_); }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return block_.bytes().size(); }

  /// Forgets all tokens; keeps memory.
  void reset() noexcept { position_ = 0; }

 private:
  friend class Engine;
  Sequence() noexcept = default;

  void append(std::span<const TokenId> tokens) noexcept {
    std::copy(tokens.begin(), tokens.end(), tokens_.begin() + position_);
    position_ += static_cast<std::uint32_t>(tokens.size());
  }

  Block block_;
  SequenceCache* cache_ = nullptr;  ///< in the block
  const Runner* runner_ = nullptr;  ///< whose passes it fits; never called
  std::span<TokenId> tokens_;       ///< [context], in the block
  std::uint32_t position_ = 0;
  bool in_pass_ = false;  ///< while an engine checks that no sequence is fed twice
};

}  // namespace lamina
