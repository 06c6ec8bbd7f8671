// SPDX-License-Identifier: Apache-2.0
// A drafter bound to weights, opened beside the model that it drafts for.
// Source: mtp-assistant.md §2 (which belongs to which), §2.2 (what it reads).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lamina/core/arena.hpp>
#include <lamina/core/block.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/file_error.hpp>
#include <lamina/core/guard.hpp>
#include <lamina/engine/drafting/drafter_entry.hpp>
#include <lamina/engine/model.hpp>
#include <lamina/engine/open_options.hpp>
#include <lamina/packing/pack_weights.hpp>
#include <lamina/weights/gguf/drafter.hpp>
#include <lamina/weights/recognise.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// The compiled-in types of drafters that a file may be of.
using DrafterEntries = std::span<const DrafterEntry* const>;

/// Checks that a drafter reads what a model keeps: the width of its hidden states, its vocabulary, and of the
/// last layers that own keys and values their heads and windows.
///
/// Errors   mismatch, with the numbers that differ
[[nodiscard]] inline Status check_drafter(const ModelDescription& drafter, const ModelDescription& target,
                                          std::string_view path) noexcept {
  const auto differ = [&](std::string_view what, std::int32_t wanted, std::int32_t found) -> Error {
    return file_error(ErrorCode::mismatch, place(path, what), "drafter belongs to another model",
                      text("%d, as the model", found), text("%d", wanted),
                      "open the drafter of this model (its name ends with -assistant)");
  };
  if (drafter.target_hidden != target.hidden)
    return differ("target_hidden", drafter.target_hidden, target.hidden);
  if (drafter.vocab != target.vocab) return differ("vocab", drafter.vocab, target.vocab);
  for (int i = 0; i < drafter.layer_count; ++i) {
    const LayerDescription& reader = drafter.layers[static_cast<std::size_t>(i)];
    const LayerDescription* owner = nullptr;
    for (int j = 0; j < target.layer_count; ++j) {
      const LayerDescription& layer = target.layers[static_cast<std::size_t>(j)];
      if (layer.owns_kv && layer.attention == reader.attention) owner = &layer;
    }
    const LayerDescription none{};
    const LayerDescription& read = owner != nullptr ? *owner : none;
    if (reader.kv_heads != read.kv_heads)
      return differ(text("layer %d kv_heads", i), reader.kv_heads, read.kv_heads);
    if (reader.head_dim != read.head_dim)
      return differ(text("layer %d head_dim", i), reader.head_dim, read.head_dim);
    if (reader.window != read.window) return differ(text("layer %d window", i), reader.window, read.window);
  }
  return Done{};
}

/// Weights of a drafter, bound once. Immutable; a copy is another owner of the same weights.
/// Threads   any number, at the same time
class Drafter {
 public:
  /// Opens the drafter at `path` for a model like `target`: a GGUF file, with `options.directories` also a
  /// Hugging Face directory. Of the options, `pack`, `executor` and `directories` are used.
  ///
  /// Errors   io, bad_file, unsupported (no drafter), mismatch (that of another model; no compiled-in type
  ///          fits), out_of_memory
  [[nodiscard]] static Result<Drafter> open(const std::string& path, DrafterEntries entries,
                                            const Model& target, const OpenOptions& options = {}) {
    return open(path, entries, target.file().description, options);
  }
  [[nodiscard]] static Result<Drafter> open(const std::string& path, DrafterEntries entries,
                                            const ModelDescription& target, const OpenOptions& options = {}) {
    return guard_memory(path, [&]() -> Result<Drafter> {
      const bool reads_all = options.directories != nullptr && options.directories->open_drafter != nullptr;
      auto file = reads_all ? options.directories->open_drafter(path) : open_drafter_gguf(path);
      if (!file) return file.error();
      LAMINA_TRY(check_drafter(file->description, target, path));
      std::vector<Candidate> candidates;
      for (const DrafterEntry* entry : entries) candidates.push_back({entry->name, &entry->describe()});
      const auto index = recognise(file->description, candidates, file->path);
      if (!index) return index.error();
      const DrafterEntry& entry = *entries[*index];
      if (options.pack) {
        const auto packed = pack_weights(entry, *file, options.executor);
        if (!packed && packed.error().code != ErrorCode::out_of_memory) return packed.error();
      }
      return create(entry, std::move(*file));
    });
  }

  /// Binds `file`, which the drafter owns from then on.
  ///
  /// Errors   mismatch (file and type differ, packed for another target), bad_file, unsupported, out_of_memory
  [[nodiscard]] static Result<Drafter> create(const DrafterEntry& entry, WeightFile&& file) noexcept {
    Drafter drafter;
    drafter.entry_ = &entry;
    drafter.owned_ = Counted<Owned>::make(std::move(file), Block{});
    if (!drafter.owned_)
      return Error{ErrorCode::out_of_memory, "drafter", "the system refused memory", "", "", ""};
    auto block = Block::take(entry.model_bytes(), {}, "drafter");
    if (!block) return block.error();
    drafter.owned_->block = std::move(*block);
    Arena arena(drafter.owned_->block.bytes());
    const auto core = entry.bind(drafter.owned_->file, arena);
    if (!core) return core.error();
    drafter.core_ = *core;
    return drafter;
  }

  [[nodiscard]] const DrafterEntry& entry() const noexcept { return *entry_; }
  [[nodiscard]] const DrafterCore& core() const noexcept { return *core_; }
  [[nodiscard]] const WeightFile& file() const noexcept { return owned_->file; }
  /// Width of the hidden states that it takes and returns.
  [[nodiscard]] std::uint32_t target_hidden() const noexcept {
    return static_cast<std::uint32_t>(owned_->file.description.target_hidden);
  }

 private:
  struct Owned {
    WeightFile file;
    Block block;
  };

  Drafter() noexcept = default;

  Counted<Owned> owned_;
  const DrafterEntry* entry_ = nullptr;
  const DrafterCore* core_ = nullptr;
};

}  // namespace lamina
