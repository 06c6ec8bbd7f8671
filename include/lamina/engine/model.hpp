// SPDX-License-Identifier: Apache-2.0
// A model type bound to weights, shared by everybody who uses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <lamina/core/arena.hpp>
#include <lamina/core/block.hpp>
#include <lamina/core/counted.hpp>
#include <lamina/core/error.hpp>
#include <lamina/engine/model_entry.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Weights, bound once: mapped or packed matrices, widened vectors, rotation frequencies. Immutable.
///
/// A copy is another owner of the same weights, and costs a counter. Engines own their model, so it lives as
/// long as the last of them.
/// Threads   any number, at the same time
class Model {
 public:
  /// Binds `file`, which the model owns from then on, with all that the file maps.
  ///
  /// Errors   mismatch (file and type differ, packed for another target), bad_file, unsupported, out_of_memory
  [[nodiscard]] static Result<Model> create(const ModelEntry& entry, WeightFile&& file) noexcept {
    Model model(entry);
    model.owned_ = Counted<Owned>::make(std::move(file), Block{});
    if (!model.owned_)
      return Error{ErrorCode::out_of_memory, "model", "the system refused memory", "", "", ""};
    model.file_ = &model.owned_->file;
    auto block = Block::take(entry.model_bytes(), {}, "model");
    if (!block) return block.error();
    model.owned_->block = std::move(*block);
    LAMINA_TRY(model.bind(model.owned_->block.bytes()));
    return model;
  }

  /// Binds `file` in the caller's memory; no heap is used. The memory and the bytes of `file`, which may be
  /// moved, must outlive the model and all its copies. `entry.model_bytes()` says how much it takes.
  ///
  /// Errors   as `create`
  [[nodiscard]] static Result<Model> create_in(std::span<std::byte> memory, const ModelEntry& entry,
                                               const WeightFile& file) noexcept {
    auto block = Block::take(entry.model_bytes(), memory, "model");
    if (!block) return block.error();
    Model model(entry);
    model.file_ = &file;
    LAMINA_TRY(model.bind(block->bytes()));
    return model;
  }
  static Result<Model> create_in(std::span<std::byte> memory, const ModelEntry& entry,
                                 const WeightFile&& file) = delete;

  [[nodiscard]] const ModelEntry& entry() const noexcept { return *entry_; }
  /// The file. Requires that one that was borrowed is where it was.
  [[nodiscard]] const WeightFile& file() const noexcept { return *file_; }
  [[nodiscard]] const ModelCore& core() const noexcept { return *core_; }
  [[nodiscard]] std::uint32_t vocab() const noexcept { return vocab_; }
  [[nodiscard]] std::uint32_t hidden() const noexcept { return hidden_; }
  [[nodiscard]] std::uint32_t max_context() const noexcept { return max_context_; }

 private:
  struct Owned {
    WeightFile file;
    Block block;
  };

  explicit Model(const ModelEntry& entry) noexcept : entry_(&entry) {}

  [[nodiscard]] Status bind(std::span<std::byte> memory) noexcept {
    Arena arena(memory);
    const auto core = entry_->bind(*file_, arena);
    if (!core) return core.error();
    core_ = *core;
    vocab_ = static_cast<std::uint32_t>(file_->description.vocab);
    hidden_ = static_cast<std::uint32_t>(file_->description.hidden);
    max_context_ = static_cast<std::uint32_t>(file_->description.max_context);
    return Done{};
  }

  Counted<Owned> owned_;  ///< empty for a borrowed file
  const ModelEntry* entry_;
  const WeightFile* file_ = nullptr;
  const ModelCore* core_ = nullptr;
  std::uint32_t vocab_ = 0;
  std::uint32_t hidden_ = 0;
  std::uint32_t max_context_ = 0;
};

}  // namespace lamina
