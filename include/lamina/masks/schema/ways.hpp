// SPDX-License-Identifier: Apache-2.0
// Looks for a text that completes a JSON document under a schema: the reader itself says what may come, so
// that what is found is a way to the end whatever the rules are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <lamina/core/config.hpp>
#include <lamina/masks/arena.hpp>
#include <lamina/masks/graph/group.hpp>
#include <lamina/masks/schema/reader.hpp>
#include <lamina/masks/schema/scopes.hpp>
#include <lamina/masks/schema/state.hpp>
#include <lamina/masks/schema/string_reader.hpp>

namespace lamina::masks {

/// Searches ways from states to the end: the shortest values first, lists and names of the schema before
/// other texts, and again with more effort while that may help. States on a way that was found are
/// remembered.
///
/// Threads  one at a time
class WaySearch {
 public:
  /// What a search may cost.
  struct Effort {
    std::uint32_t steps;    ///< bytes tried
    std::uint32_t deeper;   ///< containers inside where it begins
    std::uint32_t alike;    ///< places that differ only in values that must differ
    std::uint32_t texts;    ///< beginnings of one string, key or number
    std::uint32_t abreast;  ///< of them that are of one length, and alike
    bool shares;            ///< a name that need not come leaves half of the steps to others
  };
  /// For what is asked at each byte: other ways are known then.
  static constexpr Effort quick[] = {{2000, 3, 2, 64, 12, true}, {10'000, 8, 8, 256, 24, true}};
  /// For what is asked once.
  static constexpr Effort thorough[] = {
      {2000, 3, 2, 64, 12, true}, {20'000, 8, 16, 1000, 64, false}, {300'000, 64, 256, 4000, 256, false}};

  enum class Answer : std::uint8_t { found, none, gave_up };

  explicit WaySearch(SchemaReader& reader) : reader_(&reader) {}

  /// Whether some text leads from a state to the end. `none` is certain.
  template <std::size_t Rounds>
  [[nodiscard]] Answer find(const SchemaState& from, const Effort (&rounds)[Rounds]) {
    const Arena::Mark mark = arena().mark();
    Answer answer = Answer::gave_up;
    for (std::size_t i = 0; i < Rounds && answer == Answer::gave_up; ++i) {
      effort_ = rounds[i];
      deepest_ = std::min(from.depth + effort_.deeper, reader_->limits().depth);
      steps_ = 0;
      nesting_ = 0;
      capped_ = false;
      typed_ = UINT32_MAX;
      visited_ = {};  // to clear a map that was large once takes long
      way_.clear();
      const bool found = go(from);
      arena().reset(mark);
      answer = found ? Answer::found : capped_ ? Answer::gave_up : Answer::none;
    }
    if (answer == Answer::found) {
      if (known_.size() > most_known) known_.clear();
      known_.insert(way_.begin(), way_.end());
    }
    return answer;
  }

  /// Equal for states from which the same ways lead on. The text of a key counts only while it may become a
  /// name of the schema. `alike`: see `SchemaReader::hash`.
  [[nodiscard]] std::uint64_t hash(const SchemaState& state, bool alike = false) const noexcept {
    if (state.mode != Mode::key) return reader_->hash(state, alike);
    std::uint64_t hash = mixed(state.scope->hash_of(alike), static_cast<std::uint64_t>(state.part) + 64);
    hash = mixed(hash, (std::uint64_t{state.utf8.need} << 16) | (std::uint64_t{state.utf8.low} << 8) |
                           state.utf8.high);
    hash = mixed(hash, (std::uint64_t{state.unit} << 32) | state.surrogate);
    const std::uint32_t* words = state.string.words;
    for (std::size_t i = 0; i < ContainerRules::count_words(*state.scope); ++i) hash = mixed(hash, words[i]);
    if (words[0] < words[1]) hash = mixed(hash, state.string.bytes);
    // Where keys may run out, it matters which were there.
    const bool may_run_out = state.names != nullptr || state.scope->group->has_closed;
    if (!alike && may_run_out && state.scope->seen != nullptr) hash = mixed(hash, state.string.hash);
    if (state.names == nullptr) return hash;
    for (std::uint32_t i = 0; i < state.inner->group->words; ++i) hash = mixed(hash, state.names[i]);
    return mixed(hash, (std::uint64_t{state.string.bytes} << 32) | state.string.characters);
  }
  /// Whether a way was found that leads on from all states that differ from this only in keys and items that
  /// were there.
  [[nodiscard]] bool is_known_alike(const SchemaState& state) const {
    return may_be_alike(state) && known_.find(hash(state, true)) != known_.end();
  }
  /// Whether a way leads on from a state, for what is asked at each byte. What was found or not found once
  /// is remembered.
  [[nodiscard]] bool leads_on(const SchemaState& state) {
    if (is_known_alike(state) || known_.find(hash(state)) != known_.end()) return true;
    const std::uint64_t hash = this->hash(state, may_be_alike(state));
    if (lost_.find(hash) != lost_.end()) return false;
    if (find(state, quick) == Answer::found) return true;
    if (lost_.size() >= most_known) lost_.clear();
    lost_.insert(hash);
    return false;
  }
  /// Whether no items must differ around a state, so that `alike` hashes say enough.
  [[nodiscard]] static bool may_be_alike(const SchemaState& state) noexcept {
    const auto differs = [](const Scope& scope) {
      return scope.hashed || (scope.group->has_unique && !scope.is_object);
    };
    return !differs(*state.scope) && (state.inner == nullptr || !differs(*state.inner));
  }

 private:
  using Mode = SchemaState::Mode;
  using Part = SchemaState::Part;
  static constexpr std::size_t most_known = std::size_t{1} << 18;
  static constexpr std::uint32_t most_nesting = 1000;  // calls of `go` inside each other

  /// The beginning of a text, with those before it.
  struct Begun {
    SchemaState state;
    std::uint32_t before;
  };
  static constexpr std::uint32_t nobody = UINT32_MAX;
  static constexpr std::uint8_t escapes[] = {'"', '\\', '/', 'b', 'f', 'n', 'r', 't'};

  [[nodiscard]] Arena& arena() noexcept { return reader_->arena(); }
  /// Remembers that a way leads on from a state. Called from its end to its beginning.
  void note(const SchemaState& state) {
    // Keys that were made up must differ from those that were there, in objects that were open.
    const bool alike = state.depth < typed_ && may_be_alike(state);
    way_.push_back(hash(state, alike));
  }
  void note(const std::vector<SchemaState>& passed) {
    for (const SchemaState& state : passed) note(state);
  }
  bool cap() noexcept {
    capped_ = true;
    return false;
  }

  /// What is asked of a value that begins: to be counted by `contains` of arrays that lack so many items.
  struct Wish {
    std::uint32_t lacking;  ///< 0: nothing is asked
  };

  [[nodiscard]] bool step(SchemaState& state, std::uint8_t byte) {
    ++steps_;
    return reader_->step(state, byte);
  }

  /// Whether a way leads on from a state; `way_` gets the hashes along it then.
  [[nodiscard]] bool go(const SchemaState& state, Wish wish = Wish{0}) {
    if (state.mode == Mode::end || (state.mode == Mode::number && reader_->accepts(state))) return true;
    if (wish.lacking > 0 && state.mode == Mode::after_value && lacking(*state.scope) >= wish.lacking)
      return false;
    if (wish.lacking > 0 && state.mode != Mode::after_value && !may_count(*state.scope)) return false;
    if (is_known_alike(state)) return true;
    const std::uint64_t hash = this->hash(state);
    if (known_.find(hash) != known_.end()) {
      typed_ = 0;  // it may make up keys anywhere
      return true;
    }
    if (steps_ >= effort_.steps || nesting_ >= most_nesting || state.depth > deepest_) return cap();
    if (!enter(state, hash, wish)) return false;
    ++nesting_;
    const Arena::Mark mark = arena().mark();
    const bool found = goes_on(state, wish);
    arena().reset(mark);
    --nesting_;
    if (found) note(state);
    return found;
  }
  /// Whether this place was not entered before as often as it may be.
  [[nodiscard]] bool enter(const SchemaState& state, std::uint64_t hash, Wish wish) {
    const Scope& scope = *state.scope;
    if (!is_between(state)) return ++visited_[mixed(hash, wish.lacking)] == 1;
    // Which keys were there matters to later ones only if texts for these run out.
    const std::uint64_t inner = state.inner == nullptr ? 0 : state.inner->shape;
    const std::uint64_t place = mixed(mixed(scope.shape, inner), static_cast<std::uint64_t>(state.mode));
    const std::uint32_t times = ++visited_[mixed(place, wish.lacking)];
    const bool differs = scope.hashed || (scope.group->has_unique && !scope.is_object);
    return times == 1 || (differs && (times <= effort_.alike || cap()));
  }
  [[nodiscard]] static bool is_between(const SchemaState& state) noexcept {
    return state.mode != Mode::string && state.mode != Mode::key && state.mode != Mode::number &&
           state.mode != Mode::literal;
  }

  [[nodiscard]] bool goes_on(const SchemaState& state, Wish wish) {
    // What is in a container of which nothing is said, nobody asks.
    const bool is_asked = !state.scope->group->roots.empty() || state.scope->hashed;
    switch (state.mode) {
      case Mode::value:
        return value(state, *state.scope);
      case Mode::first_item:
        return byte(state, ']') || (is_asked && state.inner != nullptr && value(state, *state.inner));
      case Mode::after_value:
        return byte(state, state.scope->is_object ? '}' : ']') || (is_asked && byte(state, ','));
      case Mode::first_key:
        return byte(state, '}') || (is_asked && byte(state, '"'));
      case Mode::next_key:
        return byte(state, '"');
      case Mode::colon:
        return byte(state, ':');
      case Mode::literal:
        return byte(state, static_cast<std::uint8_t>(state.text[state.size]), wish);
      case Mode::key:
        return names(state) || texts(state, Wish{0});
      case Mode::string:
        return choices(state, wish) || texts(state, wish);
      case Mode::number:
        return numbers(state, wish);
      case Mode::end:
        break;
    }
    return true;
  }
  [[nodiscard]] bool byte(const SchemaState& state, std::uint8_t byte, Wish wish = Wish{0}) {
    const Arena::Mark mark = arena().mark();
    SchemaState next = state;
    if (step(next, byte) && go(next, wish)) return true;
    arena().reset(mark);
    return false;
  }

  // --- Values ---

  [[nodiscard]] bool value(const SchemaState& state, const Scope& scope) {
    const auto begins = [&](std::string_view firsts, Wish wish) {
      return std::any_of(firsts.begin(), firsts.end(),
                         [&](char first) { return byte(state, static_cast<std::uint8_t>(first), wish); });
    };
    // Where items are still lacking that `contains` wants, these come first.
    const Wish wish{scope.parent == nullptr ? 0 : lacking(*scope.parent)};
    constexpr std::string_view scalars = "ntf\"-0123456789", containers = "[{";
    if (wish.lacking > 0) {
      if (begins(scalars, wish) || begins(containers, Wish{0})) return true;
    }
    return begins(scalars, Wish{0}) || (wish.lacking == 0 && begins(containers, Wish{0}));
  }
  /// Items that an array still lacks by `contains`.
  [[nodiscard]] static std::uint32_t lacking(const Scope& scope) noexcept {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < scope.group->atoms.size(); ++i) {
      const ArrayRule& rule = scope.group->atoms[i]->array;
      if (scope.is_object || !rule.contains || scope.truths[i] != Truth::open) continue;
      sum += rule.least_contained - std::min(rule.least_contained, scope.contained[i]);
    }
    return sum;
  }

  /// Whether a value that has begun may be counted by `contains` of the array around it.
  [[nodiscard]] bool may_count(const Scope& value) {
    const Arena::Mark mark = arena().mark();
    Truth* const gates = arena().take<Truth>(value.group->gates.size());
    value.group->answer(value.truths, gates);
    const bool may = std::any_of(
        value.bindings, value.bindings + value.binding_count,
        [&](const Binding& it) { return it.counts && gates[value.group->roots[it.root]] != Truth::no; });
    arena().reset(mark);
    return may;
  }

  // --- Texts ---

  /// Takes characters of a string's content; false if one may not come.
  [[nodiscard]] bool type(SchemaState& state, std::string_view text, std::vector<SchemaState>& passed) {
    for (const char c : text) {
      const char escape = StringReader::escape_of(c);
      if (escape != '\0') {
        if (!step(state, '\\')) return false;
        passed.push_back(state);
      }
      if (!step(state, static_cast<std::uint8_t>(escape == '\0' ? c : escape))) return false;
      passed.push_back(state);
    }
    return true;
  }
  /// Goes on by a text and the quote behind it.
  [[nodiscard]] bool whole(const SchemaState& state, std::string_view text, Wish wish) {
    const Arena::Mark mark = arena().mark();
    SchemaState next = state;
    std::vector<SchemaState> passed;
    if (type(next, text, passed) && byte(next, '"', wish)) {
      note(passed);
      return true;
    }
    arena().reset(mark);
    return false;
  }

  /// Names of the schema for a key: those that must come, those that rules ask for, others.
  [[nodiscard]] bool names(const SchemaState& state) {
    if (state.part != Part::plain || state.utf8.need > 0) return false;
    const Scope& object = *state.scope;
    const std::vector<NameNeed> needs = ContainerRules(reader_->scopes()).needs(object);
    for (const NameNeed need : {NameNeed::must, NameNeed::asked, NameNeed::none}) {
      for (std::uint32_t n = state.string.words[0]; n < state.string.words[1]; ++n) {
        const bool is_used = ((object.used[n / 64] >> (n % 64)) & 1) != 0;
        if (is_used || needs[n] != need) continue;
        if (steps_ >= effort_.steps) return cap();
        const std::uint32_t most = effort_.steps;
        if (effort_.shares && need != NameNeed::must) effort_.steps -= (most - steps_) / 2;
        const bool found = whole(state, object.group->names[n].substr(state.string.bytes), Wish{0});
        effort_.steps = most;
        if (found) return true;
      }
    }
    return false;
  }
  /// Strings of lists.
  [[nodiscard]] bool choices(const SchemaState& state, Wish wish) {
    if (state.string.words == nullptr || state.part != Part::plain || state.utf8.need > 0) return false;
    const Group& group = *state.scope->group;
    for (const Group::StringCheck& check : group.checks) {
      if (check.kind != Group::StringCheck::Kind::choices || state.scope->truths[check.atom] != Truth::open)
        continue;
      const auto& list = *group.atoms[check.atom]->string.choices;
      for (std::uint32_t i = state.string.words[check.word]; i < state.string.words[check.word + 1]; ++i) {
        if (whole(state, std::string_view(list[i]).substr(state.string.bytes), wish)) return true;
      }
    }
    return false;
  }

  /// Numbers of each kind, then others where they must differ.
  [[nodiscard]] bool numbers(const SchemaState& state, Wish wish) {
    if (ends(state, wish)) return true;
    constexpr std::size_t most = 64;
    const std::vector<std::string> examples = reader_->numbers(state, most);
    for (const std::string& number : examples) {
      const Arena::Mark mark = arena().mark();
      SchemaState next = state;
      std::vector<SchemaState> passed;
      if (type(next, std::string_view(number).substr(state.size), passed) && ends(next, wish)) {
        note(passed);
        return true;
      }
      arena().reset(mark);
    }
    if (examples.size() == most) cap();
    return (examples.empty() || state.scope->hashed) && texts(state, wish);
  }

  /// Whether a way leads on behind a string, key or number that ends here.
  [[nodiscard]] bool ends(const SchemaState& begun, Wish wish) {
    if (begun.mode != Mode::number) return StringReader::is_end(begun, '"') && byte(begun, '"', wish);
    const Arena::Mark mark = arena().mark();
    SchemaState next = begun;
    if (reader_->end_number(next) && go(next, wish)) return true;
    arena().reset(mark);
    return false;
  }
  /// Tries to end the texts that begin as `state`, length by length.
  [[nodiscard]] bool texts(const SchemaState& state, Wish wish) {
    if (state.mode != Mode::number && ends(state, wish)) {
      if (state.mode == Mode::key) typed_ = std::min(typed_, state.depth);
      return true;
    }
    // Of texts that differ in nothing else, one has a way on if any has, or one that was not there yet.
    const bool differs = state.scope->hashed;
    std::uint32_t most_alike = differs ? effort_.abreast : 1;
    if (state.mode == Mode::key && !differs) {
      for (const Seen* seen = state.scope->seen; seen != nullptr; seen = seen->before) ++most_alike;
    }
    const std::vector<std::uint8_t> plain = letters(state);
    std::vector<Begun> all{{state, nobody}};
    std::unordered_map<std::uint64_t, std::uint32_t> met;
    for (std::size_t first = 0, last = 1; first < last; first = last, last = all.size()) {
      for (std::size_t i = first; i < last; ++i) {
        const bool is_escape = state.mode != Mode::number && all[i].state.part != Part::plain;
        for (const std::uint8_t byte : is_escape ? std::span<const std::uint8_t>(escapes) : plain) {
          const Arena::Mark mark = arena().mark();
          SchemaState next = all[i].state;
          if (steps_ >= effort_.steps) return cap();
          if (!step(next, byte) || next.mode != state.mode) {
            arena().reset(mark);
            continue;
          }
          const bool is_full = all.size() - last >= effort_.abreast || all.size() >= effort_.texts;
          const std::uint32_t alike = ++met[text_hash(next)];
          if (is_full || alike > most_alike) {
            if (is_full || differs) cap();
            arena().reset(mark);
            continue;
          }
          all.push_back({next, static_cast<std::uint32_t>(i)});
        }
      }
      for (std::size_t i = last; i < all.size(); ++i) {
        if (!ends(all[i].state, wish)) continue;
        if (state.mode == Mode::key) typed_ = std::min(typed_, state.depth);
        for (auto at = static_cast<std::uint32_t>(i); all[at].before != nobody; at = all[at].before)
          note(all[at].state);
        return true;
      }
    }
    return false;
  }
  /// Equal for beginnings that the checks of a text do not tell apart.
  [[nodiscard]] std::uint64_t text_hash(const SchemaState& state) const noexcept {
    if (state.mode == Mode::number && state.text != nullptr) return this->hash(state);
    std::uint64_t hash = mixed(
        static_cast<std::uint64_t>(state.part) + 1,
        (std::uint64_t{state.utf8.need} << 16) | (std::uint64_t{state.utf8.low} << 8) | state.utf8.high);
    const Group& group =
        state.mode == Mode::key && state.inner != nullptr ? *state.inner->group : *state.scope->group;
    const bool counts = std::any_of(group.checks.begin(), group.checks.end(), [](const auto& check) {
      return check.kind == Group::StringCheck::Kind::length;
    });
    if (counts) hash = mixed(hash, state.string.characters);
    if (state.string.words != nullptr) {
      for (std::size_t i = 0; i < StringReader::words_of(state); ++i)
        hash = mixed(hash, state.string.words[i]);
    }
    if (state.names != nullptr) {
      for (std::uint32_t i = 0; i < state.inner->group->words; ++i) hash = mixed(hash, state.names[i]);
    }
    return hash;
  }

  /// Bytes by which texts may go on: one of each kind that no pattern tells apart, all where texts must
  /// differ.
  [[nodiscard]] std::vector<std::uint8_t> letters(const SchemaState& state) {
    constexpr std::string_view digits = "0123456789.-e+";
    std::vector<std::uint8_t> out(digits.begin(), digits.end());
    if (state.mode == Mode::number) return out;
    out.clear();
    std::vector<const Dfa*> dfas;
    bool has_lists = false;
    const auto add_checks = [&](const Scope& scope) {
      for (const Group::StringCheck& check : scope.group->checks) {
        if (check.kind == Group::StringCheck::Kind::pattern)
          dfas.push_back(&reader_->scopes().dfa(check.pattern));
        has_lists = has_lists || check.kind == Group::StringCheck::Kind::choices;
      }
    };
    if (state.mode == Mode::string) add_checks(*state.scope);
    if (state.mode == Mode::key) {
      for (const std::uint32_t pattern : state.scope->group->key_patterns)
        dfas.push_back(&reader_->scopes().dfa(pattern));
      if (state.inner != nullptr) add_checks(*state.inner);
    }
    const bool differs = state.scope->hashed || state.mode == Mode::key || has_lists;
    // A character that has begun goes on by bytes of its own.
    if (dfas.empty() && state.utf8.need > 0) out = {0x80, 0x90, 0xA0};
    if (dfas.empty() && !differs) {
      out.push_back('a');
      return out;
    }
    std::unordered_set<std::uint64_t> met;
    const auto add = [&](std::uint32_t byte) {
      std::uint64_t kind = mixed(0, byte < 0x80 ? 1 : byte >> 4);
      for (const Dfa* dfa : dfas) kind = mixed(kind, dfa->class_of(static_cast<std::uint8_t>(byte)));
      const bool is_new = met.insert(kind).second;
      if (is_new || (differs && byte < 0x80)) out.push_back(static_cast<std::uint8_t>(byte));
    };
    for (std::uint32_t byte = 'a'; byte <= 'z'; ++byte) add(byte);
    for (std::uint32_t byte = 0x20; byte < 0x7F; ++byte) {
      if ((byte < 'a' || byte > 'z') && byte != '"' && byte != '\\') add(byte);
    }
    if (dfas.empty()) return out;
    out.push_back('\\');
    for (std::uint32_t byte = 0x7F; byte < 0xF5; ++byte) add(byte);
    return out;
  }

  SchemaReader* reader_;
  Effort effort_{};
  std::uint32_t deepest_ = 0;
  std::uint32_t steps_ = 0;
  std::uint32_t nesting_ = 0;
  bool capped_ = false;
  std::uint32_t typed_ = UINT32_MAX;  ///< the outermost depth at which the way that was found makes up keys
  std::unordered_map<std::uint64_t, std::uint32_t> visited_;
  std::vector<std::uint64_t> way_;
  std::unordered_set<std::uint64_t> known_;
  std::unordered_set<std::uint64_t> lost_;  ///< states from which no way was found
};

}  // namespace lamina::masks
