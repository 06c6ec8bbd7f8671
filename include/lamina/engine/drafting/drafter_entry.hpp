// SPDX-License-Identifier: Apache-2.0
// The erased boundary between who drafts and the code that is compiled for one type of drafter.
// Source: mtp-assistant.md §3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/engine/options.hpp>
#include <lamina/engine/runner.hpp>
#include <lamina/packing/pack_target.hpp>
#include <lamina/state/sequence_cache.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// One step of drafting for one sequence of the target.
struct DraftRow {
  const SequenceCache* cache = nullptr;  ///< what the target has read
  std::uint32_t position = 0;            ///< of the newest token that was drawn: the cache ends before it
  TokenId token = 0;                     ///< that one, or the one drafted last
  const float* hidden = nullptr;  ///< [T] the target's for the token before it, or that of the last step
};

/// What a step returns, valid until the next one.
struct DraftedRows {
  const float* logits = nullptr;  ///< [rows, count], no soft cap
  const TokenId* ids = nullptr;   ///< [rows, count] tokens that these are of; null: 0 .. count - 1
  std::uint32_t count = 0;
  const float* hidden = nullptr;  ///< [rows, T] for the next step
};

/// Runs steps of a drafter. Lives in an arena and owns nothing outside it.
class DraftRunner {
 public:
  /// Runs one step for every row.
  ///
  /// Requires  1 .. `EngineOptions::rows` rows, of sequences that have read something and have keys and values
  ///           as `DrafterCore::check_cache` wants them; tokens < vocabulary. The hidden states may be those
  ///           that the last step returned
  /// Errors    not_finite: where a NaN or an infinity first arose
  [[nodiscard]] virtual Result<DraftedRows> run(std::span<const DraftRow> rows) noexcept = 0;

 protected:
  ~DraftRunner() = default;
};

/// A type of drafter bound to the weights of a file: immutable. Lives in an arena.
class DrafterCore {
 public:
  /// Checks that the keys and values of a target's sequence are what this drafter reads.
  ///
  /// Errors   mismatch, with what differs
  [[nodiscard]] virtual Status check_cache(const SequenceCache& cache,
                                           CacheFormats formats) const noexcept = 0;

  /// Makes a runner with its scratch memory, for steps of up to `options.rows` sequences of an engine whose
  /// runner is `target`.
  ///
  /// Errors   out_of_memory (`arena` is smaller than `runner_bytes`), unsupported (the caches' formats)
  [[nodiscard]] virtual Result<DraftRunner*> make_runner(const EngineOptions& options, const Runner& target,
                                                         Arena& arena) const noexcept = 0;

 protected:
  ~DrafterCore() = default;
};

/// Everything an application needs to know about a compiled-in type of drafter.
struct DrafterEntry : PackTarget {
  std::size_t (*model_bytes)() noexcept;                               ///< what `bind` takes; exact
  std::size_t (*runner_bytes)(const EngineOptions& options) noexcept;  ///< what `make_runner` takes; exact

  /// Binds and checks all weights; vectors are widened into `arena`. `file` must outlive the result.
  Result<const DrafterCore*> (*bind)(const WeightFile& file, Arena& arena) noexcept;
};

}  // namespace lamina
