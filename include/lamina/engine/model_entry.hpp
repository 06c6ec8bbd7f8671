// SPDX-License-Identifier: Apache-2.0
// A model type with its type erased: name, structure, what it needs, and how to bind it to weights.
#pragma once

#include <cstddef>
#include <string_view>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/packing/pack_target.hpp>
#include <lamina/engine/options.hpp>
#include <lamina/engine/runner.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// Everything an application needs to know about a compiled-in model type.
struct ModelEntry : PackTarget {
  // Bytes of memory, exact: what `bind`, `ModelCore::make_runner` and `ModelCore::make_cache` take.
  std::size_t (*model_bytes)() noexcept;
  std::size_t (*runner_bytes)(const EngineOptions& options) noexcept;
  std::size_t (*cache_bytes)(const EngineOptions& engine, const SequenceOptions& sequence) noexcept;
  bool sees_blocks;  ///< rows of a picture see each other: one pass must have all of them
  std::size_t (*page_bytes)(CacheFormats cache) noexcept;  ///< of `kv_block` positions; 0: needs no pages
  RingBytes (*ring_bytes)(const EngineOptions& engine, const SequenceOptions& sequence) noexcept;

  /// Binds and checks all weights; vectors are widened into `arena`. `file` must outlive the result.
  Result<const ModelCore*> (*bind)(const WeightFile& file, Arena& arena) noexcept;
};

}  // namespace lamina
