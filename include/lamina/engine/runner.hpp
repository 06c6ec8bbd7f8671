// SPDX-License-Identifier: Apache-2.0
// The erased boundary between an engine and the code that is compiled for one model type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/engine/options.hpp>
#include <lamina/pass/expert_cache.hpp>
#include <lamina/pass/soft_rows.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/state/sequence_cache.hpp>

namespace lamina {

/// Bytes of the caches of layers with a window.
struct RingBytes {
  std::size_t windows = 0;  ///< what the windows hold, or the context if that is shorter
  std::size_t rings = 0;    ///< what the rings take
};

/// Which of a feed's tokens need logits.
enum class Want : std::uint8_t { none, last, all };

/// Consecutive tokens of one sequence in one pass over the weights.
struct RunnerFeed {
  SequenceCache* cache = nullptr;
  std::uint32_t first_position = 0;  ///< of tokens[0]
  PromptTokens tokens;
  std::uint32_t wanted = 0;  ///< tokens at the end whose logits are wanted
};

/// What a pass returns, for the wanted rows in the order of the feeds. Valid until the next pass.
struct PassRows {
  const float* logits = nullptr;  ///< [wanted, vocab], after the soft cap
  const float* hidden = nullptr;  ///< [wanted, hidden], after the final norm: what the head multiplies
};

/// Runs passes over one model's weights. Lives in an arena and is never destroyed: it owns nothing outside
/// it.
class Runner {
 public:
  /// Feeds all of `feeds`: writes their keys and values, and computes what is wanted.
  ///
  /// Requires  tokens < vocabulary where no soft rows stand, blocks whole; positions inside the caches' contexts, with pages for all of them; at most
  ///           `EngineOptions::rows` rows
  ///           and feeds, and `EngineOptions::logits_rows` wanted rows (all checked by `Engine`)
  /// Errors    io: rows or experts that lie on disk could not be read. not_finite: where a NaN or an infinity first arose. The pass ends there; keys and values of its
  ///           positions are undefined, all others stay as they are: rings have room for the rows of a pass
  ///           beyond their window
  /// Effects   rows nobody wants stop after the last layer that owns keys and values
  [[nodiscard]] virtual Result<PassRows> run(std::span<const RunnerFeed> feeds) noexcept = 0;

  /// Is told which tokens a later pass will feed: what lies on disk for them begins to be read. A hint.
  virtual void expect(std::span<const TokenId> tokens) const noexcept = 0;

  /// What passes have asked of experts on disk.
  [[nodiscard]] virtual ExpertReads expert_reads() const noexcept = 0;
  /// Writes the embedding of a token as passes use it, scaled: out [hidden]. Requires token < vocabulary.
  virtual void embed(TokenId token, float* out) const noexcept = 0;

 protected:
  ~Runner() = default;
};

/// A model type bound to the weights of a file: immutable, used by any number of runners and threads. Lives
/// in an arena.
class ModelCore {
 public:
  /// Makes a runner with its scratch memory. Errors: out_of_memory (`arena` is smaller than `runner_bytes`).
  [[nodiscard]] virtual Result<Runner*> make_runner(const EngineOptions& options,
                                                    Arena& arena) const noexcept = 0;
  /// Makes the cache of a sequence. Errors: out_of_memory (`arena` is smaller than `cache_bytes`).
  [[nodiscard]] virtual Result<SequenceCache*> make_cache(const EngineOptions& engine,
                                                          const SequenceOptions& sequence,
                                                          Arena& arena) const noexcept = 0;

 protected:
  ~ModelCore() = default;
};

}  // namespace lamina
