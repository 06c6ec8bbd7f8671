// SPDX-License-Identifier: Apache-2.0
// What an application talks to: a session over one loaded model, erased from the model's type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/runtime/executor.hpp>
#include <lamina/runtime/model_entry.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// One conversation's state: caches, position and scratch memory, all in one block sized before loading.
///
/// After `create` no member allocates. A session borrows `entry` and `file` (and the executor): they must outlive it.
/// Threads   one thread at a time per session; sessions are independent of each other.
class Session {
 public:
  /// Plans, takes one block of memory (from `memory` if given, else from the heap) and binds all weights.
  ///
  /// Errors   mismatch (file and type differ), bad_file, out_of_memory (block too small), bad_argument (options)
  [[nodiscard]] static Result<Session> create(const ModelEntry& entry, const WeightFile& file,
                                              const SessionOptions& options, std::span<std::byte> memory = {}) noexcept;

  /// Feeds `tokens` after what is already there, in chunks of `options.chunk`; `logits()` then belongs to the last one.
  /// Tokens before the last run only through the layers that own keys and values (architecture 7).
  ///
  /// Errors   context_full, bad_argument (token outside the vocabulary); on error nothing was fed
  [[nodiscard]] Status prompt(std::span<const TokenId> tokens) noexcept;

  /// Feeds at most `options.logits_rows` tokens and returns all their logits [n, vocab], row-major.
  [[nodiscard]] Result<std::span<const float>> logits_of(std::span<const TokenId> tokens) noexcept;

  /// Feeds one token and returns its logits [vocab] (after the soft cap).
  [[nodiscard]] Result<std::span<const float>> step(TokenId token) noexcept;

  /// Logits of the last token fed, [vocab]; empty before the first.
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
    void operator()(std::byte* block) const noexcept { ::operator delete[](block, std::align_val_t{64}); }
  };
  Session() = default;
  std::unique_ptr<std::byte[], Free> owned_;
  Runner* runner_ = nullptr;
};

}  // namespace lamina
