// SPDX-License-Identifier: Apache-2.0
// Random ways through what a model may write under a schema.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <lamina/masks/arena.hpp>
#include <lamina/masks/graph/graph.hpp>
#include <lamina/masks/schema/machine.hpp>

/// Draws that repeat.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed * 0x9E37'79B9'7F4A'7C15 + 1) {}
  std::uint32_t below(std::uint32_t count) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::uint32_t>(state_ >> 33) % count;
  }
  bool one_in(std::uint32_t count) { return below(count) == 0; }
  std::string one_of(const std::vector<std::string>& choices) {
    return choices[below(static_cast<std::uint32_t>(choices.size()))];
  }

 private:
  std::uint64_t state_;
};

/// Chooses bytes at random among those that a model may write, and tends to the end once a text is long.
class RandomWalk {
 public:
  RandomWalk(lamina::masks::SchemaMachine& machine, Dice& dice) : machine_(machine), dice_(dice) {}

  /// The text to where it ends; "" if no byte may come first, "!" and the text where it is stuck, "~" and the
  /// text where it came to no end in 600 bytes.
  std::string run() {
    state_ = machine_.start();
    std::string text;
    for (;;) {
      const std::vector<std::uint8_t> next = next_bytes(state_);
      const bool done = machine_.accepts(state_);
      if (done && (next.empty() || dice_.one_in(3))) return text;
      if (next.empty()) return text.empty() ? text : "!" + text;
      if (text.size() >= 600) return "~" + text;
      const std::uint8_t byte = choose(next, dice_.below(120) < 20 + text.size());
      if (!machine_.step(state_, byte)) return "!" + text;
      text += static_cast<char>(byte);
    }
  }

 private:
  using State = lamina::masks::SchemaState;

  std::vector<std::uint8_t> next_bytes(const State& state) {
    std::vector<std::uint8_t> next;
    for (std::uint32_t byte = 0x20; byte < 256; ++byte) {
      const bool is_space =
          byte == ' ' && state.mode != State::Mode::string && state.mode != State::Mode::key;
      if (!is_space && takes(state, static_cast<std::uint8_t>(byte)))
        next.push_back(static_cast<std::uint8_t>(byte));
    }
    return next;
  }
  bool takes(State state, std::uint8_t byte) {
    const lamina::masks::Arena::Mark mark = machine_.arena().mark();
    const bool taken = machine_.step(state, byte);
    machine_.arena().reset(mark);
    return taken;
  }
  std::uint8_t choose(const std::vector<std::uint8_t>& next, bool ends) {
    const std::uint8_t random = next[dice_.below(static_cast<std::uint32_t>(next.size()))];
    if (!ends) return random;
    const bool is_text = state_.mode == State::Mode::string || state_.mode == State::Mode::key;
    const std::string_view enders = is_text ? "\"" : "]},:\"0123456789";
    for (const char ender : enders) {
      for (const std::uint8_t byte : next) {
        if (byte == static_cast<std::uint8_t>(ender)) return byte;
      }
    }
    // A byte of a name, or one behind which the text may end.
    for (const std::uint8_t byte : next) {
      State after = state_;
      const bool taken = is_text && machine_.step(after, byte);
      if (taken && state_.mode == State::Mode::key && after.mode == State::Mode::key &&
          after.string.words[0] < after.string.words[1])
        return byte;
      if (taken && state_.mode == State::Mode::string && takes(after, '"')) return byte;
    }
    return random;
  }

  lamina::masks::SchemaMachine& machine_;
  Dice& dice_;
  State state_;
};

/// Whether a text is valid under a schema.
inline bool is_valid(const lamina::masks::SchemaGraph& graph, std::string_view text) {
  lamina::masks::SchemaMachine machine(graph);
  auto state = machine.start();
  for (const char c : text) {
    if (!machine.step(state, static_cast<std::uint8_t>(c))) return false;
  }
  return machine.accepts(state);
}

/// How many schemas are tried: more by LAMINA_TEST_ROUNDS.
inline std::size_t rounds(std::size_t usual) {
  const char* wanted = std::getenv("LAMINA_TEST_ROUNDS");
  return wanted != nullptr ? std::strtoul(wanted, nullptr, 10) : usual;
}
