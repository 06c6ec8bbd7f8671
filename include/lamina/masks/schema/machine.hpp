// SPDX-License-Identifier: Apache-2.0
// JSON text under a schema, byte by byte: an automaton whose states say which byte may come next. Where a
// model writes, it looks ahead: no state is left without a way to the end. Source: RFC 8259; JSON Schema
// 2020-12.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

#include <lamina/core/config.hpp>
#include <lamina/masks/arena.hpp>
#include <lamina/masks/graph/graph.hpp>
#include <lamina/masks/schema/reader.hpp>
#include <lamina/masks/schema/scopes.hpp>
#include <lamina/masks/schema/standing.hpp>
#include <lamina/masks/schema/state.hpp>
#include <lamina/masks/schema/texts.hpp>
#include <lamina/masks/schema/ways.hpp>
#include <lamina/masks/string_body.hpp>
#include <lamina/masks/text_automaton.hpp>

namespace lamina::masks {

/// Reads JSON under a schema. Where a model writes (`JsonTextLimits::plain`), a byte may come only if a text
/// is known that completes the document behind it; then there always is a byte to go on with, or the end. A
/// schema for whose documents no text is found at all (`may_begin`) is followed without looking ahead.
///
/// The graph must outlive it. Threads: one at a time.
class SchemaMachine {
 public:
  using State = SchemaState;

  explicit SchemaMachine(const SchemaGraph& graph, const JsonTextLimits& limits = {})
      : ahead_(std::make_unique<Ahead>(graph, limits)), looks_ahead_(limits.plain) {}

  [[nodiscard]] Arena& arena() noexcept { return ahead_->reader.arena(); }
  [[nodiscard]] bool failed() const noexcept { return ahead_->reader.failed(); }

  [[nodiscard]] State start() {
    const State state = ahead_->reader.start();
    if (looks_ahead_ && !is_sure(state) &&
        ahead_->ways.find(state, WaySearch::thorough) == WaySearch::Answer::gave_up)
      looks_ahead_ = false;
    return state;
  }
  /// Whether beginnings are let through only with a known way to the end.
  [[nodiscard]] bool looks_ahead() const noexcept { return looks_ahead_; }

  /// Takes one byte; false if it may not come here, and the state is lost then.
  [[nodiscard]] bool step(State& state, std::uint8_t byte) {
    if (!ahead_->reader.step(state, byte)) return false;
    return !looks_ahead_ || state.spaces > 0 || !may_be_lost(state) || leads_on(state);
  }
  /// Whether the text may end here.
  [[nodiscard]] bool accepts(const State& state) { return ahead_->reader.accepts(state); }
  /// Equal for states from which the same texts go on.
  [[nodiscard]] std::uint64_t hash(const State& state) const noexcept { return ahead_->reader.hash(state); }

  /// What is known of the rest of a string, for whoever looks through a whole vocabulary.
  [[nodiscard]] StringBody body(const State& state) {
    StringBody body = ahead_->reader.body(state);
    if (!looks_ahead_ || body.kind == StringBody::Kind::none) return body;
    // A way on is known from here: where no text changes what follows the string, it is one for every text.
    const bool is_unruled = state.mode == Mode::string && state.string.words == nullptr;
    if (is_unruled || is_sure(state, state.mode == Mode::string) || any_key_leads_on(state)) return body;
    TextStates* const texts = texts_of(state);
    const std::uint32_t id = texts == nullptr ? TextAutomaton::unclear : texts->at(state);
    if (id == TextAutomaton::unclear) return {StringBody::Kind::checked};
    StringBody followed{StringBody::Kind::limited};
    followed.limits.push_back({0, no_limit, nullptr, id, false, {}, texts});
    return followed;
  }

  /// Bytes that only spell differently what another byte says here: spaces between values, escapes.
  [[nodiscard]] static bool is_other_spelling(const State& state, std::uint8_t byte) noexcept {
    return SchemaReader::is_other_spelling(state, byte);
  }
  /// Gives back the memory of values that are over. Other copies of states are lost.
  void compact(State& state) { ahead_->reader.compact(state); }

 private:
  using Mode = State::Mode;
  using Part = State::Part;
  static constexpr std::uint32_t deep =
      16;  ///< containers inside the deepest that may be: no rule counts them
  static constexpr std::size_t most_texts = 64;

  /// All parts refer to each other.
  struct Ahead {
    Ahead(const SchemaGraph& graph, const JsonTextLimits& limits)
        : reader(graph, limits), ways(reader), standings(reader, ways) {}
    SchemaReader reader;
    WaySearch ways;
    Standings standings;
    std::unordered_map<std::uint64_t, std::unique_ptr<TextStates>> texts;  ///< by the shape around them
    std::uint64_t serial = 0;                                              ///< of the last of these
  };

  /// Whether the rules alone do not say that a way leads on.
  [[nodiscard]] bool may_be_lost(const State& state) {
    if (state.mode == Mode::end || (state.mode == Mode::literal && state.size > 1)) return false;
    return is_looked_at(state) && !is_sure(state);
  }
  /// Whether what comes in a text matters for the way on.
  [[nodiscard]] static bool is_looked_at(const State& state) noexcept {
    const bool is_inside = state.string.bytes > 0 || state.part != Part::plain || state.utf8.need > 0;
    return state.mode != Mode::string || state.string.words != nullptr || !is_inside;
  }
  [[nodiscard]] bool is_sure(const State& state) { return is_sure(state, !is_beginning(state)); }
  /// Whether the rules suffice from here, up to a value that can only become one that fits: what is around it
  /// was looked at when it began.
  [[nodiscard]] bool is_sure(const State& state, bool has_begun) {
    if (state.depth + deep > ahead_->reader.limits().depth) return false;
    const bool is_next = state.inner != nullptr && state.mode != Mode::key;
    const Scope* scope = is_next ? state.inner : state.scope;
    has_begun = has_begun && !is_next;
    for (; scope != nullptr; scope = scope->parent, has_begun = true) {
      if (!ahead_->standings.is_sure(*scope->group)) return false;
      const bool is_other = !scope->hashed || (scope == state.scope && may_be_longer(state));
      if (has_begun && is_other && must_fit(*scope)) return true;
    }
    return true;
  }
  [[nodiscard]] static bool is_beginning(const State& state) noexcept {
    switch (state.mode) {
      case Mode::value:
      case Mode::first_item:
      case Mode::first_key:
        return true;
      case Mode::string:
        return state.string.bytes == 0;
      case Mode::number:
      case Mode::literal:
        return state.size <= 1;
      default:
        return false;
    }
  }
  /// Whether a string may always become one that was not there yet.
  [[nodiscard]] bool may_be_longer(const State& state) {
    constexpr std::uint32_t room = 64;
    if (state.mode != Mode::string) return false;
    const auto is_long = [&](const SchemaAtom* atom) {
      const StringRule& rule = atom->string;
      return !rule.choices && (rule.most == no_limit || rule.most >= state.string.characters + room) &&
             std::all_of(rule.patterns.begin(), rule.patterns.end(), [&](std::uint32_t pattern) {
               return ahead_->reader.scopes().dfa(pattern).is_endless();
             });
    };
    return std::all_of(state.scope->group->atoms.begin(), state.scope->group->atoms.end(), is_long);
  }
  /// Whether a value that has begun can only end as one for which all places hold.
  [[nodiscard]] bool must_fit(const Scope& scope) {
    const std::size_t count = scope.group->atoms.size();
    const SchemaAtom* open = nullptr;
    for (std::size_t i = 0; i < count; ++i) {
      if (scope.truths[i] != Truth::open) continue;
      if (open != nullptr &&
          !(open->string == scope.group->atoms[i]->string && open->types == JsonTypes::string))
        return false;
      open = scope.group->atoms[i];
    }
    const Arena::Mark mark = arena().mark();
    Truth* truths = arena().take<Truth>(count);
    std::replace_copy(scope.truths, scope.truths + count, truths, Truth::open, Truth::no);
    const bool may_fail = ahead_->reader.scopes().viable(&scope, truths);
    arena().reset(mark);
    return !may_fail;
  }
  /// Whether a key may go on by any text: there is a way on behind one that no rule names.
  [[nodiscard]] bool any_key_leads_on(State state) {
    if (state.mode != Mode::key || state.names != nullptr || !state.scope->group->key_patterns.empty())
      return false;
    const Arena::Mark mark = arena().mark();
    bool leads = true;
    for (int i = 0; i < 8 && leads && state.string.words[0] < state.string.words[1]; ++i)
      leads = ahead_->reader.step(state, '~');
    leads = leads && state.string.words[0] >= state.string.words[1] && leads_on(state);
    arena().reset(mark);
    return leads;
  }
  /// Whether a way leads on from a state that the rules alone do not judge.
  [[nodiscard]] bool leads_on(const State& state) {
    if (TextStates* const texts = texts_of(state)) {
      const std::uint32_t id = texts->at(state);
      const std::uint32_t way = state.part == Part::backslash && id > TextAutomaton::unclear
                                    ? texts->escaped(id)
                                    : texts->judged(id);
      if (way != TextAutomaton::unclear) return way != TextAutomaton::dead;
    }
    return ahead_->ways.leads_on(state);
  }
  /// What is known of texts like the one that comes in; null where it is not followed so.
  [[nodiscard]] TextStates* texts_of(const State& state) {
    const bool is_key = state.mode == Mode::key;
    if ((state.mode != Mode::string && !is_key) || state.string.words == nullptr ||
        (state.part != Part::plain && state.part != Part::backslash) || !WaySearch::may_be_alike(state))
      return nullptr;
    // Names of the schema alone are tried one by one.
    const Group& group = *state.scope->group;
    if (is_key && state.names == nullptr && group.key_patterns.empty()) return nullptr;
    const std::uint64_t hash =
        mixed(mixed(state.scope->shape, state.inner == nullptr ? 0 : state.inner->shape),
              static_cast<std::uint64_t>(state.mode));
    if (ahead_->texts.size() >= most_texts && ahead_->texts.find(hash) == ahead_->texts.end())
      ahead_->texts.clear();
    std::unique_ptr<TextStates>& texts = ahead_->texts[hash];
    if (!texts) texts = std::make_unique<TextStates>(ahead_->reader, ahead_->ways, state, ++ahead_->serial);
    std::uint32_t others = 0;
    for (const Seen* seen = is_key ? state.scope->seen : nullptr; seen != nullptr; seen = seen->before)
      ++others;
    texts->set_others(others);
    return texts.get();
  }

  std::unique_ptr<Ahead> ahead_;
  bool looks_ahead_;
};

}  // namespace lamina::masks
