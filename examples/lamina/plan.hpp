// SPDX-License-Identifier: Apache-2.0
// What a model costs on this machine: the numbers behind `lamina plan` and the rooflines of `lamina bench`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <lamina/core/error.hpp>
#include <lamina/engine/memory_plan.hpp>
#include <lamina/engine/model_entry.hpp>
#include <lamina/schedule/plan.hpp>
#include <lamina/weights/weight_file.hpp>

#include "report.hpp"

namespace program {

/// Memory of one session or of many sequences, in bytes. Weights are mapped from the file; tables read row by
/// row stay on disk.
struct MemoryNeeds {
  std::int64_t weights = 0;
  std::int64_t on_disk = 0;    ///< part of `weights` that is not held in memory
  std::int64_t tokenizer = 0;  ///< about; 0 where its tables are used as they lie
  std::int64_t towers = 0;     ///< for pictures and sounds, where they are to be used
  std::int64_t cache = 0;
  std::int64_t workspace = -1;  ///< -1: unknown, no compiled-in model fits
  std::int64_t drafter = 0;     ///< weights and scratch of the drafter beside it
  lamina::MemoryPlan session;   ///< what `cache` and `workspace` are made of, if a model fits
  [[nodiscard]] std::int64_t total() const noexcept {
    return weights - on_disk + tokenizer + towers + cache + (workspace > 0 ? workspace : 0) + drafter;
  }
};

/// The experts of a model, of all its layers.
struct ExpertSizes {
  std::uint32_t count = 0;   ///< of a layer; 0: the model has none
  std::uint32_t active = 0;  ///< of them, those that one token needs
  std::int64_t stored = 0;   ///< bytes of all experts in the file
  std::uint64_t each = 0;    ///< bytes of memory of one expert of every layer
};

/// Bytes of what goes beside a model.
struct BytesBeside {
  std::uint64_t towers = 0;
  std::uint64_t drafter = 0;
};

/// The sequences of one engine.
struct PlannedSequences {
  std::uint32_t count = 1;    ///< of one length
  std::uint32_t context = 0;  ///< tokens that each can hold; 0: as many as the options say
  bool has_longer = false;    ///< one more, of as many tokens as the options say

  /// Blocks of all of them in layers without a window.
  [[nodiscard]] std::uint64_t kv_blocks(std::uint32_t longest) const noexcept {
    return std::uint64_t{lamina::kv_blocks(context_of(longest))} * count +
           (has_longer ? lamina::kv_blocks(longest) : 0);
  }
  [[nodiscard]] std::uint32_t context_of(std::uint32_t longest) const noexcept {
    return context > 0 ? context : longest;
  }
};

/// Tokens that so many blocks of a cache hold, as `EngineOptions::cache_tokens` counts them.
[[nodiscard]] std::uint32_t cache_tokens(std::uint64_t blocks) noexcept;

/// Bytes of an engine and its sequences, weights not among them; exact. `longest`: the context of those that
/// have none of their own.
[[nodiscard]] std::uint64_t engine_bytes(const lamina::ModelEntry& entry, const lamina::EngineOptions& engine,
                                         const PlannedSequences& sequences, std::uint32_t longest);

/// One model, planned: its description, the encodings of its weights, and what follows from them.
class Planner {
 public:
  /// `file` null: every matrix in `format`. `entry` null: no workspace known. All must outlive the planner.
  Planner(const lamina::ModelDescription& description, const lamina::WeightFile* file, lamina::Format format,
          const lamina::ModelEntry* entry, BytesBeside beside = {})
      : description_(&description), file_(file), format_(format), entry_(entry), beside_(beside) {}

  /// Encoding of one weight.
  [[nodiscard]] lamina::Format format_of(const lamina::WeightFact& weight) const;

  /// "Q4_0", or "Q4_0, Q6_K" with the encoding of most matrix bytes first.
  [[nodiscard]] std::string formats() const;

  [[nodiscard]] std::unique_ptr<lamina::ModelPlan> plan(const lamina::SessionOptions& options) const;
  /// Of one session, or of an engine with `sequences`.
  [[nodiscard]] MemoryNeeds memory(const lamina::SessionOptions& options,
                                   const PlannedSequences& sequences = {}) const;

  /// Largest context whose total is within `budget`; 0 if none is.
  [[nodiscard]] std::uint32_t largest_context(lamina::SessionOptions options, std::uint64_t budget,
                                              const PlannedSequences& sequences = {}) const;

  [[nodiscard]] const lamina::ModelDescription& description() const noexcept { return *description_; }
  [[nodiscard]] const lamina::ModelEntry* entry() const noexcept { return entry_; }

  [[nodiscard]] ExpertSizes experts() const;

 private:
  [[nodiscard]] std::int64_t row_table_bytes() const;

  const lamina::ModelDescription* description_;
  const lamina::WeightFile* file_;
  lamina::Format format_;
  const lamina::ModelEntry* entry_;
  BytesBeside beside_;
};

/// Refuses what needs more memory than `budget` bytes. Errors: out_of_memory, with the numbers and what to
/// change.
[[nodiscard]] lamina::Status check_budget(const Planner& planner, const lamina::SessionOptions& options,
                                          const PlannedSequences& sequences, std::uint64_t budget);

/// Plans how many experts of each layer are in memory: those that `wanted` says, else, of a model that is
/// larger than the budget, as many as there is room for; at least those of one token. Otherwise all stay
/// where they lie.
///
/// Errors   bad_argument (`wanted`: fewer than a token needs, or more than there are)
[[nodiscard]] lamina::Status plan_experts(const Planner& planner, std::uint32_t wanted,
                                          const PlannedSequences& sequences,
                                          std::optional<std::uint64_t> budget,
                                          lamina::SessionOptions& options);

/// "local", "global K=V", "shared local 12288": what tells the layer kinds of a plan apart.
[[nodiscard]] std::string kind_name(const lamina::ModelPlan& plan, int kind);

/// Bytes of keys and values one token at the end of the planned context reads in a layer of this kind.
[[nodiscard]] std::int64_t cache_bytes_read(const lamina::ModelPlan& plan, int kind);

/// Bytes one decoded token reads in all: weights and cache.
[[nodiscard]] std::int64_t bytes_per_token(const lamina::ModelPlan& plan, int layer_count);

/// Each kind of layer with its shape, its bytes and its operations for one token.
[[nodiscard]] Json kinds_json(const lamina::ModelPlan& plan);

/// The kind of each layer, and whose keys and values it reads.
[[nodiscard]] Json layers_json(const lamina::ModelPlan& plan, int layer_count);

}  // namespace program
