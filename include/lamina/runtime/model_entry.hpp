// SPDX-License-Identifier: Apache-2.0
// A model type with its type erased: name, structure, and how to make a runner for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <lamina/core/arena.hpp>
#include <lamina/core/error.hpp>
#include <lamina/core/types.hpp>
#include <lamina/core/executor.hpp>
#include <lamina/kernels/linear.hpp>
#include <lamina/layers/observer.hpp>
#include <lamina/schedule/description.hpp>
#include <lamina/weights/weight_file.hpp>

namespace lamina {

/// How a session is planned. Everything that decides memory is here.
struct SessionOptions {
  std::uint32_t context = 8192;   ///< tokens of context to plan for
  std::uint32_t chunk = 512;      ///< prompt tokens per pass over the weights
  std::uint32_t logits_rows = 1;  ///< rows `Session::logits_of` can return at once
  Precision precision = Precision::fast;
  CacheFormat cache = CacheFormat::bf16;
  EmbeddingScale embedding_scale = EmbeddingScale::automatic;
  Executor* executor = nullptr;      ///< null: the calling thread does everything
  PassObserver* observer = nullptr;  ///< shown inner values, if given
};

/// The erased boundary: one call per pass, nothing in it depends on the model's type.
class Runner;

/// Everything an application needs to know about a compiled-in model type.
struct ModelEntry {
  std::string_view name;                           ///< "gemma4-e2b"
  const ModelDescription& (*describe)() noexcept;  ///< structure as the type states it
  /// The matrix products that its code uses.
  const LinearKernels& (*kernels)() noexcept;
  /// Calls visit(context, name) for every tensor that enters matrix products, whether a file has it or not.
  void (*visit_matrices)(void (*visit)(void* context, std::string_view name), void* context);
  /// Bytes of memory a session needs; exact.
  std::size_t (*session_bytes)(const SessionOptions& options) noexcept;
  /// Builds a runner inside `arena`, all weights bound and checked.
  Result<Runner*> (*make)(const WeightFile& file, const SessionOptions& options, Arena& arena) noexcept;
};

}  // namespace lamina
