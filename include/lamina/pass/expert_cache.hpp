// SPDX-License-Identifier: Apache-2.0
// Experts that stay on disk: read when a pass needs them, and kept in a planned number of places per layer.
// Source: text-decoder.md §2.6 (mixture of experts); docs/adr/0019.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/arena.hpp>
#include <lamina/core/config.hpp>
#include <lamina/core/team.hpp>
#include <lamina/formats/weight_matrix.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// The matrices of one layer's experts as they lie in a file, and who reads them.
struct ExpertStacks {
  static constexpr std::size_t most = 3;  ///< gate and up in one or two, down

  std::array<WeightMatrix, most> parts{};  ///< [experts, rows, columns]; null behind the last
  std::array<const ByteOwner*, most> owners{};

  [[nodiscard]] std::size_t count() const noexcept {
    std::size_t parts_there = 0;
    while (parts_there < most && parts[parts_there]) ++parts_there;
    return parts_there;
  }
  /// Bytes of one expert in memory, each matrix aligned.
  [[nodiscard]] std::size_t slot_bytes() const noexcept {
    std::size_t bytes = 0;
    for (const WeightMatrix& part : parts) bytes += part ? aligned_size(part.bytes() / part.stack) : 0;
    return bytes;
  }
  /// Whether all of them can be read from files.
  [[nodiscard]] bool can_read() const noexcept {
    for (std::size_t i = 0; i < count(); ++i) {
      if (owners[i] == nullptr) return false;
    }
    return parts[0].data != nullptr;
  }
};

/// What was asked of experts on disk since the engine was made.
struct ExpertReads {
  std::uint64_t asked = 0;  ///< experts of a layer, for a pass
  std::uint64_t found = 0;  ///< of them, those that were in memory
  std::uint64_t bytes = 0;  ///< read

  constexpr ExpertReads& operator+=(const ExpertReads& other) noexcept {
    asked += other.asked;
    found += other.found;
    bytes += other.bytes;
    return *this;
  }
  friend constexpr ExpertReads operator-(const ExpertReads& later, const ExpertReads& before) noexcept {
    return {later.asked - before.asked, later.found - before.found, later.bytes - before.bytes};
  }
  friend constexpr bool operator==(const ExpertReads&, const ExpertReads&) = default;
};

/// Experts by layer, as they are stored, in as many slots in each layer. Of those that the pass does not need
/// now, the one that the fewest passes asked for makes room; of equals, the one not needed for longest.
/// Threads   one at a time, but for `at`
class ExpertCache {
 public:
  /// Takes memory for slots, and tables for `layers` layers of at most `experts` experts. Over a measuring
  /// arena only counts.
  constexpr void take_memory(std::size_t bytes, std::uint32_t layers, std::uint32_t experts,
                             Arena& arena) noexcept {
    memory_ = arena.take_untouched<std::byte>(bytes);
    layers_ = arena.take<Layer>(layers);
    experts_ = arena.take<Expert>(std::size_t{layers} * experts);
    slots_of_ = arena.take<Slot>(std::size_t{layers} * experts);
    reads_ = arena.take<std::uint16_t>(experts);
    most_experts_ = experts;
  }

  /// Makes it hold experts of `stacks`, by layer, which stay where they are; layers without experts have
  /// empty ones. False if not all of the `active` experts that one token has in each layer have room.
  [[nodiscard]] bool attach(std::span<const ExpertStacks> stacks, std::uint32_t active) noexcept {
    LAMINA_DCHECK(stacks.size() == layers_.size());
    std::size_t each = 0;  // bytes of a slot in every layer
    std::uint32_t most = 0;
    for (const ExpertStacks& layer : stacks) {
      each += layer.slot_bytes();
      most = std::max(most, layer.parts[0] ? layer.parts[0].stack : 0);
    }
    const std::size_t fitting = each > 0 ? memory_.size() / each : 0;
    if (fitting < active || active == 0) return false;
    slots_ = static_cast<std::uint32_t>(std::min<std::size_t>(fitting, most));
    std::byte* place = memory_.data();
    for (std::size_t i = 0; i < stacks.size(); ++i) {
      layers_[i] = {&stacks[i], place, stacks[i].slot_bytes()};
      place += slots_ * layers_[i].slot_bytes;
    }
    return true;
  }
  [[nodiscard]] bool is_attached() const noexcept { return slots_ > 0; }

  /// Experts of a layer that one fetch may ask for.
  [[nodiscard]] std::uint32_t slots() const noexcept { return slots_; }
  [[nodiscard]] bool holds(std::uint32_t layer, std::uint32_t expert) const noexcept {
    return expert_at(layer, expert).slot != none;
  }
  [[nodiscard]] const ExpertReads& reads() const noexcept { return counts_; }

  /// Asks the system to begin reading those that are not here. A hint: nothing waits for it.
  void expect(std::uint32_t layer, std::span<const std::uint32_t> experts) const noexcept {
    const ExpertStacks& stacks = *layers_[layer].stacks;
    for (const std::uint32_t expert : experts) {
      if (holds(layer, expert)) continue;
      for (std::size_t part = 0; part < stacks.count(); ++part)
        stacks.owners[part]->expect(stored(stacks.parts[part], expert));
    }
  }

  /// Makes `experts` of a layer be here until its next fetch. Requires at most `slots()` of them, each once.
  ///
  /// Returns   false when one could not be read: those that were missing are not here then
  [[nodiscard]] bool fetch(const Team& team, std::uint32_t layer,
                           std::span<const std::uint32_t> experts) noexcept {
    LAMINA_DCHECK(experts.size() <= slots_);
    ++now_;
    for (const std::uint32_t expert : experts) note_use(layer, expert);
    std::uint32_t missing = 0;
    for (const std::uint32_t expert : experts) {
      if (!holds(layer, expert)) reads_[missing++] = static_cast<std::uint16_t>(expert);
    }
    counts_.asked += experts.size();
    counts_.found += experts.size() - missing;
    for (const std::uint16_t expert : reads_.first(missing)) put(layer, expert);
    if (read(team, layer, reads_.first(missing))) return true;
    for (const std::uint16_t expert : reads_.first(missing)) remove(layer, expert);
    return false;
  }

  /// Expert `expert` of `stack`, one of a layer's, in memory. Requires that the layer's last fetch asked for
  /// it.
  template <class Matrix>
  [[nodiscard]] Matrix at(std::uint32_t layer, const Matrix& stack, std::uint32_t expert) const noexcept {
    LAMINA_DCHECK(holds(layer, expert));
    const Layer& of = layers_[layer];
    Matrix one = stack.at(expert);
    one.data = place_of(of, expert_at(layer, expert).slot);
    for (const WeightMatrix& part : of.stacks->parts) {
      if (part.data == stack.data) break;
      one.data += aligned_size(part.bytes() / part.stack);
    }
    return one;
  }

 private:
  static constexpr std::uint16_t none = 0xFFFF;
  static constexpr std::uint16_t most_uses = 1024;  ///< then all of a layer count for half

  struct Layer {
    const ExpertStacks* stacks = nullptr;
    std::byte* first = nullptr;  ///< of its slots
    std::size_t slot_bytes = 0;
  };
  struct Expert {
    std::uint16_t slot = none;
    std::uint16_t uses = 0;  ///< passes that asked for it
  };
  struct Slot {
    std::uint32_t last_fetch = 0;
    std::uint16_t expert = none;
  };

  [[nodiscard]] Expert& expert_at(std::uint32_t layer, std::uint32_t expert) const noexcept {
    return experts_[std::size_t{layer} * most_experts_ + expert];
  }
  [[nodiscard]] std::span<Slot> slots_of(std::uint32_t layer) const noexcept {
    return slots_of_.subspan(std::size_t{layer} * most_experts_, slots_);
  }
  [[nodiscard]] static std::byte* place_of(const Layer& layer, std::uint16_t slot) noexcept {
    return layer.first + slot * layer.slot_bytes;
  }
  [[nodiscard]] static std::span<const std::byte> stored(const WeightMatrix& stack,
                                                         std::uint32_t expert) noexcept {
    const WeightMatrix one = stack.at(expert);
    return {one.data, one.bytes()};
  }

  void note_use(std::uint32_t layer, std::uint32_t expert) noexcept {
    Expert& used = expert_at(layer, expert);
    if (used.slot != none) slots_of(layer)[used.slot].last_fetch = now_;
    if (++used.uses < most_uses) return;
    for (std::uint32_t i = 0; i < most_experts_; ++i) expert_at(layer, i).uses /= 2;
  }

  void put(std::uint32_t layer, std::uint16_t expert) noexcept {
    const std::span<Slot> slots = slots_of(layer);
    const Slot* best = nullptr;
    for (const Slot& slot : slots) {
      if (slot.expert != none && slot.last_fetch == now_) continue;
      if (best == nullptr || goes_before(layer, slot, *best)) best = &slot;
    }
    LAMINA_DCHECK(best != nullptr);
    if (best->expert != none) remove(layer, best->expert);
    const auto index = static_cast<std::uint16_t>(best - slots.data());
    slots[index] = {now_, expert};
    expert_at(layer, expert).slot = index;
  }
  [[nodiscard]] bool goes_before(std::uint32_t layer, const Slot& one, const Slot& other) const noexcept {
    if (other.expert == none) return false;
    if (one.expert == none) return true;
    const std::uint16_t uses = expert_at(layer, one.expert).uses;
    const std::uint16_t others = expert_at(layer, other.expert).uses;
    return uses != others ? uses < others : one.last_fetch < other.last_fetch;
  }
  void remove(std::uint32_t layer, std::uint16_t expert) noexcept {
    slots_of(layer)[expert_at(layer, expert).slot] = Slot{};
    expert_at(layer, expert).slot = none;
  }

  /// Reads experts into their slots, in pieces that the threads take one after the other.
  [[nodiscard]] bool read(const Team& team, std::uint32_t layer,
                          std::span<const std::uint16_t> experts) noexcept {
    constexpr std::uint32_t pieces = 4;  // of a matrix
    const Layer& of = layers_[layer];
    const auto parts = static_cast<std::uint32_t>(of.stacks->count());
    std::atomic<bool> is_read{true};
    team.deal(static_cast<std::uint32_t>(experts.size()) * parts * pieces,
              [&](std::uint32_t unit, std::uint32_t) noexcept {
                const std::uint16_t expert = experts[unit / (parts * pieces)];
                const std::uint32_t part = unit / pieces % parts;
                const WeightMatrix& stack = of.stacks->parts[part];
                const std::span<const std::byte> all = stored(stack, expert);
                const std::size_t begin = all.size() * (unit % pieces) / pieces;
                const std::size_t end = all.size() * (unit % pieces + 1) / pieces;
                std::byte* to = const_cast<std::byte*>(at(layer, stack, expert).data) + begin;
                if (!of.stacks->owners[part]->read(all.subspan(begin, end - begin), to))
                  is_read.store(false, std::memory_order_relaxed);
              });
    if (!is_read.load(std::memory_order_relaxed)) return false;
    counts_.bytes += experts.size() * stored_bytes(*of.stacks);
    return true;
  }
  [[nodiscard]] static std::size_t stored_bytes(const ExpertStacks& stacks) noexcept {
    std::size_t bytes = 0;
    for (std::size_t part = 0; part < stacks.count(); ++part)
      bytes += stacks.parts[part].bytes() / stacks.parts[part].stack;
    return bytes;
  }

  std::span<std::byte> memory_;     ///< slots, layer by layer
  std::span<Layer> layers_;         ///< [layers]
  std::span<Expert> experts_;       ///< [layers, experts]
  std::span<Slot> slots_of_;        ///< [layers, experts], the first `slots_` of each
  std::span<std::uint16_t> reads_;  ///< [experts] that are read
  std::uint32_t most_experts_ = 0;
  std::uint32_t slots_ = 0;  ///< of every layer; 0: not attached
  std::uint32_t now_ = 0;    ///< fetches so far
  ExpertReads counts_{};
};

}  // namespace lamina
