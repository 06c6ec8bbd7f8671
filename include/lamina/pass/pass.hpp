// SPDX-License-Identifier: Apache-2.0
// What one pass over the weights works on: its rows, whose they are, and the scratch memory they use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <lamina/core/types.hpp>
#include <lamina/formats/linear.hpp>
#include <lamina/attention/attend.hpp>
#include <lamina/attention/kv_rows.hpp>
#include <lamina/linear/linear.hpp>
#include <lamina/rows/router.hpp>
#include <lamina/pass/observer.hpp>
#include <lamina/pass/pass_fault.hpp>
#include <lamina/pass/expert_cache.hpp>
#include <lamina/pass/row_cache.hpp>
#include <lamina/core/team.hpp>

namespace lamina {

/// One row of a pass: a token of a sequence at its position.
struct PassRow {
  TokenId token = 0;
  std::uint32_t sequence = 0;  ///< index in `Pass::caches`
  std::uint32_t position = 0;
  /// Positions block_begin .. block_end - 1, its own among them, see each other: in layers with a window, and
  /// where a kind of attention says so (`sees_block`). Equal for rows that see nothing after them.
  std::uint32_t block_begin = 0;
  std::uint32_t block_end = 0;
  const float* embedding = nullptr;  ///< [hidden] in place of the token's; null: the token's
};

/// Keys and values of one sequence by layer; layers that share hold their owner's view, norm included.
using LayerCaches = std::span<const KvRows>;

/// Rows first .. end - 1 of a pass, all of one sequence and at consecutive positions.
struct RowTile {
  std::uint32_t first = 0;
  std::uint32_t end = 0;
};

/// Rotation of all rows, for attention kinds with the same frequencies.
struct RotaryRows {
  float* frequencies = nullptr;  ///< [pairs]
  float* cosines = nullptr;      ///< [T, pairs]
  float* sines = nullptr;        ///< [T, pairs]
  std::uint32_t pairs = 0;       ///< of all axes (`rope_axes_of`), the first axis' first
};

/// One matrix product of a pass: out[t * stride + r] = Σ_k weight[r, k] · rows[t, k], clamped to the weight's
/// output range; `rows` are within its input range.
struct BoundProduct {
  Linear weight;
  ActivationRows rows;
  float* out = nullptr;
  std::size_t stride = 0;
};

/// Scratch memory of a pass of at most T rows, taken from the session's arena once (forward/workspace.hpp).
struct Workspace {
  float* stream = nullptr;        ///< [T, hidden] residual stream
  float* normed = nullptr;        ///< [T, hidden] input of the current block
  float* branch = nullptr;        ///< [T, hidden] output of the current block, before its norm
  float* query = nullptr;         ///< [T, heads * head_dim]
  float* key = nullptr;           ///< [T, kv_heads * head_dim]
  float* value = nullptr;         ///< [T, kv_heads * head_dim]
  float* attended = nullptr;      ///< [T, heads * head_dim]
  float* gate = nullptr;          ///< [T, width of the feed-forward block]
  float* up = nullptr;            ///< [T, width of the feed-forward block]
  float* per_layer = nullptr;     ///< [T, layers, per-layer width]
  float* table_rows = nullptr;    ///< [threads, layers * per-layer width]
  std::byte* codes = nullptr;     ///< quantised copy of a product's input
  float* clamped = nullptr;       ///< [T, width] input within a matrix's range; null where none has one
  std::byte* products = nullptr;  ///< [threads, product_bytes] scratch of the matrix products
  std::size_t product_bytes = 0;
  float* attention = nullptr;  ///< [threads, attention_floats] scratch of attention
  std::size_t attention_floats = 0;
  float* partials = nullptr;  ///< partial results of attention split along the context
  std::size_t partial_floats = 0;
  PassRow* rows = nullptr;        ///< [T]
  LayerCaches* caches = nullptr;  ///< [T] at most one sequence a row
  RowTile* tiles = nullptr;       ///< [T] rows that attend together in the current layer
  KeyRange* visible = nullptr;    ///< [T] keys every row sees in the current layer
  float* logits = nullptr;        ///< [logits_rows, vocab]

  // Mixture of experts; X experts, A active ones, f expert width.
  float* router_logits = nullptr;      ///< [T, X]
  RoutedExpert* routed = nullptr;      ///< [T, A]
  std::uint32_t* expert_at = nullptr;  ///< [X] experts by place: the order in which they run
  std::uint32_t* place_of = nullptr;   ///< [X] their places
  std::uint32_t* expert_begin =
      nullptr;  ///< [X + 1] first entry of the expert at each place; an entry is a (row, expert) pair
  std::uint32_t* entry_row = nullptr;       ///< [T * A] rows, grouped by expert
  std::uint32_t* row_entries = nullptr;     ///< [T, A] entries of each row, by rising expert
  float* row_weights = nullptr;             ///< [T, A] their weights
  BoundProduct* expert_products = nullptr;  ///< [2 X]
  float* expert_input = nullptr;            ///< [T * A, hidden] rows gathered by entry
  float* expert_hidden = nullptr;           ///< [T * A, 2 f]
  float* expert_output = nullptr;           ///< [T * A, hidden]
};

/// One pass: everything a layer reads besides its weights.
///
/// Rows whose logits are wanted come first, whatever sequence they are of. The others only serve to write
/// keys and values: after the last layer that does, the pass drops them (`run_layer`), and no kernel has to
/// know.
struct Pass {
  const LinearKernels& linear;
  Team team;
  Precision precision = Precision::fast;
  CacheFormats cache{};
  BlockMask blocks = BlockMask::local_layers;
  float epsilon = 1e-6F;
  std::uint32_t hidden = 0;            ///< width of the stream
  std::uint32_t per_layer_floats = 0;  ///< layers * per-layer width, 0 without per-layer inputs
  Workspace& work;
  std::span<const LayerCaches> caches{};  ///< by sequence
  std::uint32_t rows = 0;                 ///< that are still worked on
  std::uint32_t wanted = 0;               ///< of them, those whose logits are wanted: 0 .. wanted - 1
  std::span<const RotaryRows> rotaries;
  PassObserver* observer = nullptr;
  std::uint32_t layer = 0;              ///< that runs now
  PassStep step = PassStep::embedding;  ///< that runs now
  RowCache* table = nullptr;            ///< rows of the table of per-layer embeddings; null: where they lie
  ExpertCache* experts = nullptr;       ///< those that are in memory; null: where they lie
  PassFault* fault = nullptr;           ///< told about numbers that are not finite, if given

  [[nodiscard]] const PassRow& row(std::size_t index) const noexcept { return work.rows[index]; }

  /// Keys and values that a row reads and writes in the current layer.
  [[nodiscard]] const KvRows& cache_of(const PassRow& row) const noexcept {
    return caches[row.sequence][layer];
  }

  /// Ends the rows whose logits nobody wants.
  void drop_unwanted() noexcept { rows = wanted; }

  /// Shows an inner value of all rows to the observer, if there is one.
  void show(PassValue what, const float* values, std::size_t width) const noexcept {
    if (observer != nullptr) observer->show(what, layer, values, rows, width);
  }

  /// Notes that rows of a table, or experts, could not be read.
  void report_not_read() const noexcept {
    if (fault != nullptr) fault->report(layer, step, PassFault::unread);
  }

  /// Notes that a number is not finite `where` in the step that runs now. Threads: any of the pass.
  void report_not_finite(PassFault::Where where) const noexcept {
    if (fault != nullptr) fault->report(layer, step, where);
  }
};

/// Where in the model an attention block stands.
struct AttentionSite {
  const RotaryRows& rotary;  ///< of its kind
};

/// Rows that a thread should have at least before row-wise work is worth handing over.
inline constexpr std::uint32_t rows_per_share = 4;

}  // namespace lamina
