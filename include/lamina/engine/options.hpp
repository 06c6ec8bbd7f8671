// SPDX-License-Identifier: Apache-2.0
// How an engine, a sequence and a session are planned: everything that decides memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include <lamina/core/executor.hpp>
#include <lamina/core/types.hpp>
#include <lamina/pass/observer.hpp>

namespace lamina {

/// Where rows of the table of per-layer embeddings are read, of which every token needs one.
enum class PerLayerRows : std::uint8_t {
  mapped,  ///< where they lie: in the mapping of a file, or in the caller's memory
  disk,    ///< from the file, into memory of a planned size; as `mapped` where the model is in no file
};

/// How an engine runs passes; what all its sequences share.
struct EngineOptions {
  std::uint32_t rows = 512;       ///< tokens of all sequences in one pass over the weights, 1 .. `most_rows`
  std::uint32_t logits_rows = 1;  ///< of them, those whose logits one pass can return
  /// Longest context whose attention is split over threads; longer ones are computed too, by fewer threads.
  std::uint32_t context = 8192;
  /// Tokens that all sequences together can hold in layers without a window, in pages; 0: `context`.
  std::uint32_t cache_tokens = 0;
  Precision precision = Precision::fast;
  CacheFormats cache{};  ///< of local and of global layers
  EmbeddingScale embedding_scale = EmbeddingScale::automatic;
  Executor* executor = nullptr;      ///< null: the calling thread does everything
  PassObserver* observer = nullptr;  ///< shown inner values, if given
  BlockMask blocks = BlockMask::local_layers;
  PerLayerRows per_layer_rows = PerLayerRows::mapped;
  std::size_t row_cache_bytes =
      default_row_cache_bytes;  ///< with `PerLayerRows::disk`, of models with the table
  /// Memory for experts, which then are read from the file when a pass needs them: `Model::expert_bytes`; 0:
  /// they are used where they lie, as where the model is in no file.
  std::size_t expert_cache_bytes = 0;

  static constexpr std::size_t default_row_cache_bytes = std::size_t{8} << 20;
  static constexpr std::uint32_t most_rows = 8192;
};

/// Whether the factor of token embeddings is rounded to bf16.
[[nodiscard]] constexpr bool rounds_embedding_scale(const EngineOptions& options) noexcept {
  return options.embedding_scale == EmbeddingScale::bf16 ||
         (options.embedding_scale == EmbeddingScale::automatic && options.precision == Precision::fast);
}

/// How one sequence is planned.
struct SequenceOptions {
  std::uint32_t context = 8192;  ///< tokens it can hold
};

/// How a session is planned: an engine and its one sequence.
struct SessionOptions {
  std::uint32_t context = 8192;   ///< tokens of context to plan for
  std::uint32_t chunk = 512;      ///< prompt tokens per pass over the weights
  std::uint32_t logits_rows = 1;  ///< rows `Session::logits_of` can return at once
  Precision precision = Precision::fast;
  CacheFormats cache{};  ///< of local and of global layers
  EmbeddingScale embedding_scale = EmbeddingScale::automatic;
  Executor* executor = nullptr;      ///< null: the calling thread does everything
  PassObserver* observer = nullptr;  ///< shown inner values, if given
  BlockMask blocks = BlockMask::local_layers;
  /// Tokens in pages of the sequence and of all snapshots that have gone another way; 0: `context`.
  std::uint32_t cache_tokens = 0;
  PerLayerRows per_layer_rows = PerLayerRows::mapped;                    ///< as of `EngineOptions`
  std::size_t row_cache_bytes = EngineOptions::default_row_cache_bytes;  ///< as of `EngineOptions`
  std::size_t expert_cache_bytes = 0;                                    ///< as of `EngineOptions`

  [[nodiscard]] constexpr EngineOptions engine() const noexcept {
    return {chunk,
            logits_rows,
            context,
            cache_tokens > 0 ? cache_tokens : context,
            precision,
            cache,
            embedding_scale,
            executor,
            observer,
            blocks,
            per_layer_rows,
            row_cache_bytes,
            expert_cache_bytes};
  }
  [[nodiscard]] constexpr SequenceOptions sequence() const noexcept { return {context}; }
};

}  // namespace lamina
