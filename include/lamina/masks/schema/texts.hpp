// SPDX-License-Identifier: Apache-2.0
// All checks of one string or key at once: an automaton over its text, made while it runs, that knows from
// which beginnings a text leads to behind the string and on to the end of the document.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <lamina/core/config.hpp>
#include <lamina/masks/arena.hpp>
#include <lamina/masks/graph/group.hpp>
#include <lamina/masks/schema/mover.hpp>
#include <lamina/masks/schema/reader.hpp>
#include <lamina/masks/schema/scopes.hpp>
#include <lamina/masks/schema/state.hpp>
#include <lamina/masks/schema/string_reader.hpp>
#include <lamina/masks/schema/ways.hpp>
#include <lamina/masks/text_automaton.hpp>
#include <lamina/masks/utf8_progress.hpp>

namespace lamina::masks {

/// Beginnings of a text that no check tells apart are one state. It stands for all strings whose surroundings
/// have the same shape; keys that were there already are not known to it, only how many (`set_others`).
class TextStates final : public TextAutomaton {
 public:
  /// `like` is inside a string or key, `WaySearch::may_be_alike`. Reader and search must outlive this.
  TextStates(SchemaReader& reader, WaySearch& ways, const SchemaState& like, std::uint64_t serial)
      : reader_(&reader), ways_(&ways), serial_(serial), mode_(like.mode) {
    Arena& arena = reader.arena();
    const Arena::Mark mark = arena.mark();
    ScopeMover mover(arena_);
    if (mode_ == Mode::string) {
      scope_ = mover.move(like.scope);
    } else {
      scope_ = mover.move(without_keys(*like.scope));
      if (like.inner != nullptr) {
        Scope* names = reader.scopes().copy(*like.inner);
        names->parent = without_keys(*like.inner->parent);
        inner_ = mover.move(Scopes::finish(names));
      }
    }
    arena.reset(mark);
    find_classes();
    nodes_.resize(2);
    next_.resize(2 * letters_.size(), unknown);
  }

  [[nodiscard]] std::uint64_t serial() const noexcept override { return mixed(serial_, others_); }
  /// Only texts count that lead on besides so many others.
  void set_others(std::uint32_t others) noexcept { others_ = others; }

  /// The number of a state that is not inside an escape; `unclear` if it is one too many.
  [[nodiscard]] std::uint32_t at(const SchemaState& state) {
    SchemaState own = state;
    own.part = Part::plain;
    own.scope = scope_;
    own.inner = inner_;
    return intern(own);
  }
  /// What is known of the way on: the state, `dead`, or `unclear`.
  [[nodiscard]] std::uint32_t judged(std::uint32_t id) {
    if (id <= unclear) return id;
    if (nodes_[id].verdict == Verdict::unknown) judge(id);
    if (nodes_[id].verdict != Verdict::yes) return nodes_[id].verdict == Verdict::no ? dead : unclear;
    return others_ == 0 || others_ < texts_behind(id) ? id : unclear;
  }
  [[nodiscard]] std::uint32_t step(std::uint32_t id, std::uint8_t byte) override {
    return judged(next(id, byte));
  }
  [[nodiscard]] bool takes_all(std::uint32_t id) override {
    if (nodes_[id].takes_all == Verdict::unknown) {
      bool all = nodes_[id].state.utf8.need == 0;
      for (std::size_t i = 0; i < letters_.size() && all; ++i) all = leads_back(id, id, letters_[i]);
      nodes_[id].takes_all = all ? Verdict::yes : Verdict::no;
    }
    return nodes_[id].takes_all == Verdict::yes;
  }
  /// Whether some escape leads on: `judged` of the best.
  [[nodiscard]] std::uint32_t escaped(std::uint32_t id) {
    std::uint32_t best = dead;
    for (const char c : StringReader::escaped_values)
      best = std::max(best, std::min(step(id, static_cast<std::uint8_t>(c)), unclear + 1));
    return best;
  }

 private:
  using Mode = SchemaState::Mode;
  using Part = SchemaState::Part;
  enum class Verdict : std::uint8_t { unknown, yes, no, unclear };
  static constexpr std::uint32_t unknown = UINT32_MAX;
  static constexpr std::uint32_t endless = UINT32_MAX;
  static constexpr std::size_t most_nodes = 4096;
  static constexpr std::size_t most_tried = 512;  // states in one search

  struct Node {
    SchemaState state;
    Verdict ends = Verdict::unknown;       ///< whether a way leads on if the string ends here
    Verdict verdict = Verdict::unknown;    ///< whether some text leads to where it may end
    Verdict takes_all = Verdict::unknown;  ///< whether every character leads back to here
    std::uint32_t texts = 0;               ///< so many of these texts, at least
    std::uint32_t counted = 0;             ///< `texts` was counted for fewer others than this
    std::uint32_t round = 0;               ///< of the last search that met it
  };

  [[nodiscard]] const Scope* without_keys(const Scope& object) {
    Scope* scope = reader_->scopes().copy(object);
    scope->seen = nullptr;
    return Scopes::finish(scope);
  }

  // --- Letters ---

  /// Bytes that no check tells apart.
  void find_classes() {
    std::vector<const Dfa*> dfas;
    std::array<bool, 256> listed{};
    const auto list = [&](std::string_view text) {
      for (const char c : text) listed[static_cast<std::uint8_t>(c)] = true;
    };
    const auto add_checks = [&](const Scope& scope) {
      for (const Group::StringCheck& check : scope.group->checks) {
        if (scope.truths[check.atom] != Truth::open) continue;
        const StringRule& rule = scope.group->atoms[check.atom]->string;
        if (check.kind == Group::StringCheck::Kind::pattern)
          dfas.push_back(&reader_->scopes().dfa(check.pattern));
        if (check.kind == Group::StringCheck::Kind::length)
          cap_ = std::max({cap_, rule.least, rule.most == no_limit ? 0 : rule.most + 1});
        if (check.kind == Group::StringCheck::Kind::choices) {
          for (const std::string& choice : *rule.choices) list(choice);
        }
      }
    };
    if (mode_ == Mode::string) {
      add_checks(*scope_);
    } else {
      for (const std::uint32_t pattern : scope_->group->key_patterns)
        dfas.push_back(&reader_->scopes().dfa(pattern));
      for (const std::string_view name : scope_->group->names) list(name);
      if (inner_ != nullptr) add_checks(*inner_);
    }
    std::unordered_map<std::uint64_t, std::uint8_t> classes;
    const auto add = [&](std::uint32_t value) {
      const auto byte = static_cast<std::uint8_t>(value);
      std::uint64_t kind = mixed(0, listed[byte] ? 256 + value : kind_of(byte));
      for (const Dfa* dfa : dfas) kind = mixed(kind, dfa->class_of(byte));
      const auto [it, is_new] = classes.emplace(kind, static_cast<std::uint8_t>(letters_.size()));
      if (is_new) letters_.push_back(byte);
      class_of_[byte] = it->second;
    };
    for (std::uint32_t byte = 'a'; byte <= 'z'; ++byte) add(byte);
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      if (byte < 'a' || byte > 'z') add(byte);
    }
  }
  /// Bytes of UTF-8 by what may follow them, controls that have no short escape apart.
  [[nodiscard]] static std::uint64_t kind_of(std::uint8_t byte) noexcept {
    if (byte < 0x20 && StringReader::escape_of(static_cast<char>(byte)) == '\0') return 0;
    if (byte < 0x80) return 1;
    if (byte < 0xC0) return byte < 0x90 ? 2 : byte < 0xA0 ? 3 : 4;
    Utf8Progress progress;
    if (!progress.take(byte)) return 0;
    return mixed(progress.need, (std::uint64_t{progress.low} << 8) | progress.high) | 8;
  }

  // --- States ---

  /// The state behind a byte, whether or not a way leads on from there.
  [[nodiscard]] std::uint32_t next(std::uint32_t id, std::uint8_t byte) {
    const std::size_t at = id * letters_.size() + class_of_[byte];
    if (next_[at] != unknown) return next_[at];
    Arena& arena = reader_->arena();
    const Arena::Mark mark = arena.mark();
    SchemaState state = nodes_[id].state;
    const char escape = StringReader::escape_of(static_cast<char>(byte));
    const bool taken = escape == '\0' ? reader_->step(state, byte)
                                      : reader_->step(state, '\\') &&
                                            reader_->step(state, static_cast<std::uint8_t>(escape));
    const std::uint32_t made = taken && state.mode == mode_ ? intern(state) : dead;
    arena.reset(mark);
    return next_[at] = made;
  }
  [[nodiscard]] std::uint32_t intern(SchemaState& state) {
    const std::uint64_t hash = hash_of(state);
    if (const auto known = index_.find(hash); known != index_.end()) return known->second;
    if (nodes_.size() >= most_nodes) return unclear;
    ScopeMover mover(arena_);
    if (state.string.words != nullptr)
      state.string.words = mover.move(state.string.words, StringReader::words_of(state));
    if (state.names != nullptr)
      state.names = mover.move(state.names, std::max(state.inner->group->words, 1U));
    const auto id = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back({state});
    next_.resize(next_.size() + letters_.size(), unknown);
    index_.emplace(hash, id);
    return id;
  }
  [[nodiscard]] std::uint64_t hash_of(const SchemaState& state) const noexcept {
    std::uint64_t hash =
        (std::uint64_t{state.utf8.need} << 16) | (std::uint64_t{state.utf8.low} << 8) | state.utf8.high;
    hash = mixed(hash, std::min(state.string.characters, cap_));
    bool is_listed = false;
    const auto add_range = [&](const std::uint32_t* words) {
      const bool is_open = words[0] < words[1];
      is_listed = is_listed || is_open;
      hash = mixed(hash, is_open ? (std::uint64_t{words[0]} << 32) | words[1] : 0);
    };
    const auto add_checks = [&](const Scope& scope, const std::uint32_t* words) {
      for (const Group::StringCheck& check : scope.group->checks) {
        if (scope.truths[check.atom] != Truth::open) continue;
        if (check.kind == Group::StringCheck::Kind::pattern) hash = mixed(hash, words[check.word]);
        if (check.kind == Group::StringCheck::Kind::choices) add_range(words + check.word);
      }
    };
    if (mode_ == Mode::string) {
      add_checks(*scope_, state.string.words);
    } else {
      add_range(state.string.words);
      for (std::size_t i = 2; i < ContainerRules::count_words(*scope_); ++i)
        hash = mixed(hash, state.string.words[i]);
      if (state.names != nullptr) add_checks(*inner_, state.names);
    }
    return is_listed ? mixed(hash, state.string.bytes) : hash;
  }

  // --- Ways on ---

  /// Whether a way leads on if the string ends here, wherever strings are of this kind.
  [[nodiscard]] Verdict ends(std::uint32_t id) {
    if (nodes_[id].ends != Verdict::unknown) return nodes_[id].ends;
    Verdict verdict = Verdict::no;
    if (nodes_[id].state.utf8.need == 0) {
      Arena& arena = reader_->arena();
      const Arena::Mark mark = arena.mark();
      SchemaState state = nodes_[id].state;
      if (reader_->step(state, '"') && (state.mode == Mode::end || ways_->leads_on(state)))
        verdict = state.mode == Mode::end || ways_->is_known_alike(state) ? Verdict::yes : Verdict::unclear;
      arena.reset(mark);
    }
    return nodes_[id].ends = verdict;
  }

  /// Looks for a text that may end, where patterns say that one is near first.
  void judge(std::uint32_t id) {
    ++round_;
    tried_.clear();
    is_sure_ = true;
    if (search(id)) return;
    for (const std::uint32_t met : tried_) nodes_[met].verdict = is_sure_ ? Verdict::no : Verdict::unclear;
  }
  [[nodiscard]] bool search(std::uint32_t id) {
    if (nodes_[id].verdict == Verdict::yes) return true;
    if (nodes_[id].verdict == Verdict::no || nodes_[id].round == round_) return false;
    if (nodes_[id].verdict == Verdict::unclear || tried_.size() >= most_tried) return is_sure_ = false;
    nodes_[id].round = round_;
    tried_.push_back(id);
    const Verdict ends = this->ends(id);
    if (ends == Verdict::unclear) is_sure_ = false;
    bool found = ends == Verdict::yes;
    if (!found) {
      for (const auto& [far, to] : ways_from(id)) {
        if ((found = search(to))) break;
      }
    }
    if (found) nodes_[id].verdict = Verdict::yes;
    return found;
  }
  /// The states behind one more byte, each once, those first that may be near the end.
  [[nodiscard]] std::vector<std::pair<std::uint32_t, std::uint32_t>> ways_from(std::uint32_t id) {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> out;
    for (const std::uint8_t letter : letters_) {
      const std::uint32_t to = next(id, letter);
      if (to == unclear) is_sure_ = false;
      if (to > unclear) out.emplace_back(distance(nodes_[to].state), to);
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }
  /// Characters that patterns and lengths ask for, about.
  [[nodiscard]] std::uint32_t distance(const SchemaState& state) {
    std::uint32_t far = state.utf8.need;
    const auto add_checks = [&](const Scope& scope, const std::uint32_t* words) {
      for (const Group::StringCheck& check : scope.group->checks) {
        if (scope.truths[check.atom] != Truth::open) continue;
        const StringRule& rule = scope.group->atoms[check.atom]->string;
        if (check.kind == Group::StringCheck::Kind::pattern && words[check.word] != Dfa::dead)
          far = std::max(far, reader_->scopes().dfa(check.pattern).distance(words[check.word]));
        if (check.kind == Group::StringCheck::Kind::length && state.string.characters < rule.least)
          far = std::max(far, rule.least - state.string.characters);
      }
    };
    if (mode_ == Mode::string) add_checks(*scope_, state.string.words);
    if (state.names != nullptr) add_checks(*inner_, state.names);
    return far;
  }

  /// Texts behind a state that may end, at least: different ones are counted up to a few more than there are
  /// others.
  [[nodiscard]] std::uint32_t texts_behind(std::uint32_t id) {
    if (nodes_[id].counted > others_) return nodes_[id].texts;
    std::vector<std::uint32_t> texts{id};
    std::uint32_t count = 0;
    nodes_[id].counted = others_ + 8;
    for (std::size_t i = 0; i < texts.size() && count <= nodes_[id].counted; ++i) {
      const std::uint32_t from = texts[i];
      const bool may_end = ends(from) == Verdict::yes;
      count += may_end ? 1U : 0U;
      for (const std::uint8_t letter : letters_) {
        const std::uint32_t to = next(from, letter);
        if (to == from && may_end) {
          nodes_[id].counted = endless;
          return nodes_[id].texts = endless;
        }
        if (to > unclear && texts.size() < most_tried) texts.push_back(to);
      }
    }
    return nodes_[id].texts = count;
  }

  /// Whether every whole character that begins with a byte leads from a state to `home`.
  [[nodiscard]] bool leads_back(std::uint32_t id, std::uint32_t home, std::uint8_t byte) {
    Utf8Progress progress = nodes_[id].state.utf8;
    if (byte < 0x20 || byte == '"' || byte == '\\' || !progress.take(byte)) return true;
    const std::uint32_t to = next(id, byte);
    if (progress.need == 0) return to == home;
    return to > unclear && std::all_of(letters_.begin(), letters_.end(),
                                       [&](std::uint8_t letter) { return leads_back(to, home, letter); });
  }

  SchemaReader* reader_;
  WaySearch* ways_;
  std::uint64_t serial_;
  Mode mode_;
  Arena arena_;
  const Scope* scope_ = nullptr;
  const Scope* inner_ = nullptr;
  std::uint32_t cap_ = 0;  ///< no check tells greater lengths apart
  std::uint32_t others_ = 0;
  std::array<std::uint8_t, 256> class_of_{};
  std::vector<std::uint8_t> letters_;  ///< one byte of each class
  std::vector<Node> nodes_;            ///< the first two stand for `dead` and `unclear`
  std::vector<std::uint32_t> next_;    // [nodes, letters]
  std::unordered_map<std::uint64_t, std::uint32_t> index_;
  std::uint32_t round_ = 0;
  std::vector<std::uint32_t> tried_;
  bool is_sure_ = true;
};

}  // namespace lamina::masks
