// SPDX-License-Identifier: Apache-2.0
// What whoever draws tokens asks of a form that the answer has to keep.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/sampling/token_mask.hpp>

namespace lamina {

/// A token that begins inside a text and goes on behind its end.
struct CrossingToken {
  std::size_t from;  ///< where it begins, bytes
  TokenId id;
};

/// A form that a text has to keep, token by token.
///
/// Threads  one at a time
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;

  /// The tokens that may come next; stop tokens among them where the text may end. Valid until the next call.
  ///
  /// Errors   out_of_memory (also a pattern whose automaton grew too large)
  [[nodiscard]] virtual Result<const TokenMask*> mask() = 0;
  /// Takes a token's text. False if it is not allowed: nothing is changed then.
  [[nodiscard]] virtual bool accept(TokenId id) = 0;
  /// Takes the bytes of `text` that are allowed, up to the first that is not; returns how many.
  [[nodiscard]] virtual std::size_t accept(std::string_view text) = 0;
  /// Whether the text may end here.
  [[nodiscard]] virtual bool may_end() = 0;
  /// The text that must come next, as it is usually written: white space between values is left out. At most
  /// `most` bytes; empty where there is a choice or the text may end.
  [[nodiscard]] virtual std::string forced(std::size_t most = 256) = 0;
  /// The tokens that begin inside `text`, which may come next, and go on behind it as what may follow does;
  /// `from` ascends.
  [[nodiscard]] virtual std::vector<CrossingToken> crossing(std::string_view text) = 0;
  /// Of the tokens that stop, the one with which models end such a text; `no_token` if there is none.
  [[nodiscard]] virtual TokenId usual_stop() = 0;
  /// Goes back to the beginning.
  virtual void reset() = 0;

  /// What is accepted from now on may be taken back. False if it may not: nothing is to be accepted on trial.
  [[nodiscard]] virtual bool begin_trial() { return false; }
  /// Takes back what was accepted since `begin_trial`.
  virtual void end_trial() noexcept {}

 protected:
  TokenConstraint() = default;
  TokenConstraint(const TokenConstraint&) = default;
  TokenConstraint& operator=(const TokenConstraint&) = default;
};

}  // namespace lamina
