// SPDX-License-Identifier: Apache-2.0
// The erased boundary between a session and the code that is compiled for one model type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>

namespace lamina {

/// Keys and values of one sequence. Made by the runner whose model it belongs to; opaque outside it.
class SequenceCache {
 protected:
  ~SequenceCache() = default;
};

/// Which rows of a segment need logits.
enum class LogitsWanted : std::uint8_t { none, last, all };

/// Consecutive tokens of one sequence in one pass over the weights.
struct Segment {
  SequenceCache* cache = nullptr;
  std::uint32_t first_position = 0;  ///< position of tokens[0]
  std::span<const TokenId> tokens;
  LogitsWanted logits = LogitsWanted::last;
};

/// Runs passes over one model's weights. Lives in an arena and is never destroyed: it owns nothing outside
/// it.
///
/// A pass takes rows of any number of sequences, so that prompts and decoding of several sequences can share
/// it.
class Runner {
 public:
  /// Sequences that can share a pass; a session has one.
  static constexpr std::size_t most_segments = 64;

  /// Feeds all segments; writes their keys and values and returns the wanted logits, [wanted rows, vocab], in
  /// order.
  ///
  /// Requires  at most `most_segments`, each with a cache of this runner; rows of all together at most
  ///           `SessionOptions::chunk`, wanted ones at most `SessionOptions::logits_rows`; tokens below the
  ///           vocabulary's size, positions inside the planned context
  /// Errors    bad_argument: one of these does not hold; nothing was fed
  /// Effects   the returned view is valid until the next pass; rows nobody needs stop after the last KV owner
  virtual Result<std::span<const float>> forward(std::span<const Segment> segments) noexcept = 0;

  /// The cache made together with the runner.
  virtual SequenceCache& first_cache() noexcept = 0;

 protected:
  ~Runner() = default;
};

}  // namespace lamina
