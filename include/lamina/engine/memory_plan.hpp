// SPDX-License-Identifier: Apache-2.0
// What a session's memory is for, to the byte, before anything is loaded: from the code that takes it.
#pragma once

#include <cstddef>
#include <cstdint>

#include <lamina/attention/kv_rows.hpp>
#include <lamina/engine/model_entry.hpp>
#include <lamina/engine/options.hpp>
#include <lamina/engine/session.hpp>

namespace lamina {

/// Bytes of the block of a session, by what they are for. Weights that are mapped or packed come on top.
struct MemoryPlan {
  std::size_t vectors = 0;     ///< norms and other vectors, widened; rotation frequencies
  std::size_t cache = 0;       ///< keys and values that the context holds: windows, and all tokens elsewhere
  std::size_t ring_slack = 0;  ///< rows of a pass beside the windows, rounded up to blocks of positions
  /// The last page, as far as the context does not fill it; pages beside those of one context.
  std::size_t page_rounding = 0;
  std::size_t row_cache = 0;     ///< rows of per-layer embeddings that are read from disk
  std::size_t expert_cache = 0;  ///< experts that are read from disk, and their tables
  std::size_t scratch = 0;       ///< rows of a pass on their way through the layers
  std::size_t bookkeeping = 0;   ///< tokens, tables of pages, states, alignment
  std::size_t total_bytes = 0;   ///< the sum: `Session::bytes`
};

/// Plans a session; its parts are counted by the code that takes them.
[[nodiscard]] constexpr MemoryPlan plan_memory(const ModelEntry& entry,
                                               const SessionOptions& options) noexcept {
  const std::size_t page_bytes = entry.page_bytes(options.cache);
  const std::size_t whole_rows = page_bytes / kv_block * options.context;
  const RingBytes rings = entry.ring_bytes(options.engine(), options.sequence());
  MemoryPlan plan;
  plan.vectors = entry.model_bytes();
  plan.cache = whole_rows + rings.windows;
  plan.ring_slack = rings.rings - rings.windows;
  plan.page_rounding = kv_blocks(options.engine().cache_tokens) * page_bytes - whole_rows;
  EngineOptions engine = options.engine();
  const std::size_t runner = entry.runner_bytes(engine);
  engine.expert_cache_bytes = 0;
  plan.expert_cache = runner - entry.runner_bytes(engine);
  engine.per_layer_rows = PerLayerRows::mapped;
  plan.scratch = entry.runner_bytes(engine);
  plan.row_cache = runner - plan.expert_cache - plan.scratch;
  plan.total_bytes = Session::bytes(entry, options);
  plan.bookkeeping = plan.total_bytes - plan.vectors - plan.cache - plan.ring_slack - plan.page_rounding -
                     plan.row_cache - plan.expert_cache - plan.scratch;
  return plan;
}

}  // namespace lamina
