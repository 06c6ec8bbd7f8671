// SPDX-License-Identifier: Apache-2.0
// Constraints by automata: JSON under a schema, patterns, grammars.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/masks/bytes.hpp>
#include <lamina/masks/grammar/grammar.hpp>
#include <lamina/masks/grammar/machine.hpp>
#include <lamina/masks/masker.hpp>
#include <lamina/masks/regex/machine.hpp>
#include <lamina/masks/regex/nfa.hpp>
#include <lamina/masks/graph/graph.hpp>
#include <lamina/masks/schema/machine.hpp>
#include <lamina/masks/token_constraint.hpp>
#include <lamina/masks/token_index.hpp>
#include <lamina/sampling/token_mask.hpp>

namespace lamina {

/// A constraint by an automaton over bytes. `Machine` is made of `Source`.
template <class Source, class Machine>
class MachineConstraint final : public TokenConstraint {
 public:
  /// The index must outlive the constraint. `limits` are the machine's, if it has any (`JsonTextLimits`).
  template <class... Limits>
  MachineConstraint(std::shared_ptr<const Source> source, const TokenIndex& index, const Limits&... limits)
      : source_(std::move(source)),
        index_(&index),
        machine_(*source_, limits...),
        masker_(index, machine_),
        state_(machine_.start()) {}

  [[nodiscard]] Result<const TokenMask*> mask() override {
    return guard_memory("mask", [&]() -> Result<const TokenMask*> {
      const TokenMask* mask = &masker_.mask(state_);
      if (machine_.failed())
        return Error{ErrorCode::out_of_memory, "mask", "a pattern needs too many states", "", "",
                     "use a simpler pattern"};
      return mask;
    });
  }
  [[nodiscard]] bool accept(TokenId id) override {
    if (index_->stops().has(id)) return may_end();
    const std::string_view text = index_->bytes_of(id);
    const typename Machine::State before = state_;
    if (!text.empty() && accept(text) == text.size()) return true;
    state_ = before;
    return false;
  }
  [[nodiscard]] std::size_t accept(std::string_view text) override {
    const std::size_t taken = masks::take_bytes(
        state_, text, [&](auto& state, std::uint8_t byte) { return machine_.step(state, byte); });
    if (!trial_ && taken == text.size() && machine_.arena().bytes() > room_) {
      machine_.compact(state_);
      room_ = std::max(least_room, 2 * machine_.arena().bytes());
    }
    return taken;
  }
  [[nodiscard]] bool may_end() override { return machine_.accepts(state_); }
  [[nodiscard]] std::string forced(std::size_t most = 256) override {
    // The state before the step decides whether a byte only spells the same otherwise.
    return masks::forced_bytes(
        machine_.arena(), state_, most,
        [&](auto& state, std::uint8_t byte) {
          return !machine_.is_other_spelling(state, byte) && machine_.step(state, byte);
        },
        [&](const auto& state) { return machine_.accepts(state); });
  }
  [[nodiscard]] std::vector<CrossingToken> crossing(std::string_view text) override {
    return masker_.crossing(state_, text);
  }
  [[nodiscard]] TokenId usual_stop() override { return index_->tokenizer().special().turn_close; }
  void reset() override {
    trial_.reset();
    state_ = machine_.start();
    machine_.compact(state_);
  }
  [[nodiscard]] bool begin_trial() override {
    trial_.emplace(Trial{state_, machine_.arena().mark()});
    return true;
  }
  void end_trial() noexcept override {
    if (!trial_) return;
    state_ = trial_->state;
    machine_.arena().reset(trial_->mark);
    trial_.reset();
  }

 private:
  static constexpr std::size_t least_room = std::size_t{1} << 18;
  struct Trial {
    typename Machine::State state;
    masks::Arena::Mark mark;
  };

  std::shared_ptr<const Source> source_;
  const TokenIndex* index_;
  Machine machine_;
  masks::Masker<Machine> masker_;
  typename Machine::State state_;
  std::optional<Trial> trial_;
  std::size_t room_ = least_room;
};

/// JSON under a schema; see `compile_schema`.
using SchemaConstraint = MachineConstraint<masks::SchemaGraph, masks::SchemaMachine>;
/// A text that a pattern matches as a whole; see `compile_pattern`.
using RegexConstraint = MachineConstraint<masks::Nfa, masks::RegexMachine>;

/// A text of a grammar; see `compile_grammar`, `masks::choice_grammar`.
using GrammarConstraint = MachineConstraint<masks::Grammar, masks::GrammarMachine>;

/// Reads a grammar; `masks::GrammarReader` says how it is written. Errors: bad_argument, unsupported,
/// out_of_memory.
[[nodiscard]] inline Result<masks::Grammar> compile_grammar(std::string_view text) {
  return guard_memory("grammar", [&] { return masks::GrammarReader(text).read(); });
}

/// The automaton of a pattern (ECMA-262 without look-around, back-references, word borders and Unicode
/// properties) that must match a whole text. Errors: bad_argument, unsupported, out_of_memory.
[[nodiscard]] inline Result<masks::Nfa> compile_pattern(std::string_view pattern) {
  return guard_memory("pattern", [&] { return masks::compile_regex(pattern, masks::RegexUse::whole); });
}

}  // namespace lamina
