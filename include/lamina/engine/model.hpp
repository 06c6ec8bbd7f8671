// SPDX-License-Identifier: Apache-2.0
// A model type bound to weights, shared by everybody who uses it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <lamina/core/arena.hpp>
#include <lamina/core/block.hpp>
#include <lamina/core/error.hpp>
#include <lamina/engine/model_entry.hpp>
#include <lamina/engine/open_options.hpp>
#include <lamina/packing/read_ahead.hpp>
#include <lamina/state/model_identity.hpp>
#include <lamina/tokenizer/tokenizer.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Weights, bound once: mapped or packed matrices, widened vectors, rotation frequencies; and what text
/// needs: tokenizer, ends of answers, tokens never drawn, defaults of sampling. Immutable.
///
/// A copy is another owner of the same weights, and costs a counter. Engines own their model, so it lives as
/// long as the last of them.
/// Threads   any number, at the same time
class Model {
 public:
  /// Opens a model: finds the type among `entries`, checks every tensor, builds the tokenizer, packs and
  /// binds the weights. Defined in engine/open_model.hpp.
  ///
  /// Errors   io, bad_file, unsupported, mismatch (no compiled-in type fits; the numbers that differ);
  ///          out_of_memory (more than the budget, with the numbers), cancelled
  /// Cost     maps the file; packing reads the weights once; about 0.1 s for the tokenizer
  [[nodiscard]] static Result<Model> open(const ModelSource& source, ModelEntries entries,
                                          const OpenOptions& options);
  [[nodiscard]] static Result<Model> open(const ModelSource& source, ModelEntries entries);

  /// Binds `file`, which the model owns from then on, with all that the file maps. Without a tokenizer the
  /// model works on ids alone.
  ///
  /// Errors   mismatch (file and type differ, packed for another target), bad_file, unsupported, out_of_memory
  [[nodiscard]] static Result<Model> create(const ModelEntry& entry, WeightFile&& file,
                                            std::optional<Tokenizer> tokenizer = std::nullopt) noexcept {
    Model model(entry);
    model.owned_ = Counted<Owned>::make(std::move(file), Block{}, std::move(tokenizer));
    if (!model.owned_)
      return Error{ErrorCode::out_of_memory, "model", "the system refused memory", "", "", ""};
    model.file_ = &model.owned_->file;
    if (model.owned_->tokenizer) model.tokenizer_ = &*model.owned_->tokenizer;
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
    model.identity_ = identity_of(file);  // later it may be elsewhere
    return model;
  }
  static Result<Model> create_in(std::span<std::byte> memory, const ModelEntry& entry,
                                 const WeightFile&& file) = delete;

  [[nodiscard]] const ModelEntry& entry() const noexcept { return *entry_; }
  /// The file. Requires that one that was borrowed is where it was.
  [[nodiscard]] const WeightFile& file() const noexcept { return *file_; }
  [[nodiscard]] const ModelCore& core() const noexcept { return *core_; }
  /// Bytes of memory it owns besides what the file maps: vectors, frequencies.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return entry_->model_bytes(); }

  /// Bytes of memory for `count` experts of each layer: what `EngineOptions::expert_cache_bytes` must be for
  /// an engine that reads the others from the file. 0: the model has no experts.
  [[nodiscard]] std::size_t expert_bytes(std::uint32_t count) const noexcept {
    return static_cast<std::size_t>(count * lamina::expert_bytes(*entry_, *file_));
  }

  /// Tells it from other models, to whom its saved states are of no use.
  ///
  /// Cost   of a model that owns its file, each time: reads the beginning of every matrix
  [[nodiscard]] ModelIdentity identity() const noexcept {
    return owned_ ? identity_of(owned_->file) : identity_;
  }

  /// Null if the file has none, or was opened without.
  [[nodiscard]] const Tokenizer* tokenizer() const noexcept { return tokenizer_; }
  /// The chat template that the model goes with.
  [[nodiscard]] TemplateSize template_size() const noexcept { return file_->description.template_size(); }
  /// What the file says about sampling, or else the published values.
  [[nodiscard]] const GenerationDefaults& generation() const noexcept { return file_->generation; }
  /// Whether a token ends an answer: those that the file lists, and those that the tokenizer knows by name.
  [[nodiscard]] bool is_stop(TokenId id) const noexcept {
    const std::vector<TokenId>& listed = file_->generation.eos_tokens;
    return (tokenizer_ != nullptr && tokenizer_->is_stop(id)) ||
           std::find(listed.begin(), listed.end(), id) != listed.end();
  }
  /// Tokens that must never be drawn: those that the file lists, and the media tokens.
  [[nodiscard]] std::vector<TokenId> suppressed_tokens() const {
    std::vector<TokenId> tokens = file_->generation.suppress_tokens;
    if (tokenizer_ != nullptr) {
      const auto known = tokenizer_->suppressed_tokens();
      tokens.insert(tokens.end(), known.begin(), known.end());
    }
    return tokens;
  }

  [[nodiscard]] std::uint32_t vocab() const noexcept { return vocab_; }
  [[nodiscard]] std::uint32_t hidden() const noexcept { return hidden_; }
  [[nodiscard]] std::uint32_t max_context() const noexcept { return max_context_; }

 private:
  struct Owned {
    WeightFile file;
    Block block;
    std::optional<Tokenizer> tokenizer;
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
  const Tokenizer* tokenizer_ = nullptr;
  ModelIdentity identity_;  ///< of a borrowed file
  std::uint32_t vocab_ = 0;
  std::uint32_t hidden_ = 0;
  std::uint32_t max_context_ = 0;
};

}  // namespace lamina
